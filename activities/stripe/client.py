"""The one way to Stripe: one async client a process, no retries of its own.

With a gate every request waits for a slot of the account's budget; with a meter every answer is counted.
"""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any

import stripe

from billing.incidents.states import Component
from db.incidents.health_meter import HealthMeter
from db.tracing import trace

from .failures import CREDENTIALS, LIMITED, UNREACHABLE
from .gate import OF_THE_ACCOUNT, REASON, StripeGate
from .requests import StripeRequest, stripe_request

FORBIDDEN = 403

TIMEOUT = 25.0
"""Seconds; the SDK's own 80 would outlast an activity's heartbeat many times."""


def stripe_client(
    api_key: str,
    api_base: str,
    gate: StripeGate | None = None,
    meter: HealthMeter | None = None,
    on_forbidden: Callable[[], None] | None = None,
) -> stripe.StripeClient:
    """A client for the pinned API version. Retries are 0: the activity's retry policy owns backoff.

    `on_forbidden` is called whenever the key lacks a permission.
    """
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base},
        max_network_retries=0,
        http_client=_GatedClient(gate, meter, on_forbidden),
    )


class _GatedClient(stripe.HTTPXClient):
    """The SDK's own HTTP client, behind the gate."""

    def __init__(
        self,
        gate: StripeGate | None,
        meter: HealthMeter | None,
        on_forbidden: Callable[[], None] | None,
    ) -> None:
        super().__init__(timeout=TIMEOUT)
        self._gate, self._meter, self._on_forbidden = gate, meter, on_forbidden

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Raises NotSent when it may not leave now, and APIConnectionError as the SDK's does."""
        async with AsyncExitStack() as stack:
            request = stripe_request(method, url, post_data)
            if self._gate is not None:
                await stack.enter_async_context(self._gate.turn(request))
            sent_at = monotonic()
            try:
                content, status, answer = await self._sent(request, method, url, headers, post_data)
            except stripe.APIConnectionError:
                self._count(UNREACHABLE)
                raise
            self._count(_fault(status, answer))
            if status == FORBIDDEN and self._on_forbidden is not None:
                self._on_forbidden()
            if self._gate is not None:
                await self._gate.answered(request, sent_at, status, answer)
            return content, status, answer

    async def _sent(
        self, request: StripeRequest, method: str, url: str, headers: Mapping[str, str], post_data: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """As a span of the trace, up to Stripe's id of the request."""
        with trace.called(request.endpoint) as span:
            said = {"http.request.method": method.upper(), "url.template": request.endpoint.partition(" ")[2]}
            if ":" in (key := headers.get("Idempotency-Key", "")):  # else it is the SDK's, at random
                said["plixo.intent"] = key
            span.set_attributes(said)
            content, status, answer = await super().request_async(method, url, headers, post_data)
            span.set_attribute("http.response.status_code", status)
            if (id_ := answer.get("request-id")) is not None:
                span.set_attribute("stripe.request_id", id_)
        return content, status, answer

    def _count(self, fault: str | None) -> None:
        if self._meter is None:
            return
        if fault is None:
            self._meter.ok(Component.STRIPE)
        else:
            self._meter.fault(Component.STRIPE, fault)


def _fault(status: int, headers: Mapping[str, str]) -> str | None:
    """What is wrong with Stripe, or with our access to it, in the codes of `failures.translate`; None for an
    answer as it should be, such as a definite no, a lock on one object or a limit of one endpoint, which all
    others are not concerned by."""
    if status == 429 and headers.get(REASON, "") in OF_THE_ACCOUNT:
        return LIMITED
    if status == 401:  # a permission that is missing (403) stops only what needs it
        return CREDENTIALS
    return UNREACHABLE if status >= 500 else None

"""The stand-in's own endpoints, /_sandbox/…: faults, request log, clock, webhooks, limits, reset …"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qs

from pydantic import Field, ValidationError, model_validator
from pydantic_core import from_json, to_json

from ..core.faults import FaultRequest
from ..core.kernel import Ctx
from ..core.store import public
from ..discounts import discounts
from ..engine.dispatch import JSON, Answer
from ..engine.engine import Engine
from ..engine.webhooks import Mode
from ..settings.switches import Switches
from . import api_controls, payment_controls, restricted_keys
from .control_parts import Body, Query, visit


class ClockRequest(Body):
    """`advance_seconds`, or `now` in Unix seconds (UTC); time goes back only while nothing is stored.

    `frozen` lets time stand still there (or pass again).
    """

    advance_seconds: int | None = Field(default=None, ge=0)
    now: int | None = None
    frozen: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> ClockRequest:
        if (self.advance_seconds is None) == (self.now is None):
            raise ValueError("give either advance_seconds or now")
        return self


class WebhooksRequest(Body):
    """Any of mode, url, secret and events (types; null: all); what is left out stays."""

    mode: Mode | None = None
    url: str | None = None
    secret: str | None = None
    events: list[str] | None = None


class LimitsRequest(Body):
    """`per_second` and `per_endpoint` null: no limit; with the latter, search has at most 20 a second.

    `lock_wait_ms`: how long a request waits for a locked object.
    """

    per_second: int | None = Field(default=None, ge=1)
    per_endpoint: int | None = Field(default=None, ge=1)
    lock_wait_ms: int | None = Field(default=None, ge=0)


class PortalRequest(Body):
    """Whether portal sessions that name no configuration are refused; see portal_sessions.py."""

    needs_configuration: bool


class DiscountRequest(Body):
    """A customer's own discount, which people give in the Dashboard; null takes it away."""

    customer: str
    coupon: str | None


class RetriesRequest(Body):
    """The pauses between attempts to collect a renewal, in days, and what comes after the last."""

    days: list[int] | None = None
    after: Literal["cancel", "unpaid", "past_due", "pause"] | None = None


class AdvanceRequest(Body):
    """How many seconds of ours a test clock is under way."""

    seconds: int = Field(ge=0)


class KeyRequest(Body):
    """What a restricted key may do, such as `customer_read`; null: everything."""

    key: str
    permissions: list[str] | None


async def answer(engine: Engine, method: str, path: str, query: bytes, body: bytes) -> Answer:
    """Answer a control request; wrong bodies get a 400 that names every mistake."""
    endpoint = _ENDPOINTS.get((method, path.removeprefix("/_sandbox/")))
    if endpoint is None:
        return _json(404, {"error": f"no such endpoint: {method} {path}", "endpoints": _listed()})
    try:
        given = from_json(body) if body else {}
        return _json(200, endpoint(engine, given, parse_qs(query.decode())))
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        return _json(400, {"error": "; ".join(mistakes)})
    except ValueError as error:
        return _json(400, {"error": str(error)})


def _json(status: int, value: Any) -> Answer:
    return Answer(status, to_json(value), [JSON])


def _health(engine: Engine, given: Any, query: Query) -> Any:
    return {"status": "ok"}


def _arm(engine: Engine, given: Any, query: Query) -> Any:
    engine.faults.arm(FaultRequest.model_validate(given))
    return _faults(engine, given, query)


def _faults(engine: Engine, given: Any, query: Query) -> Any:
    return {"faults": engine.faults.listed()}


def _disarm(engine: Engine, given: Any, query: Query) -> Any:
    engine.faults.clear()
    return {"faults": []}


def _requests(engine: Engine, given: Any, query: Query) -> Any:
    since = int(query.get("since", ["0"])[0])
    return [line for line in engine.requests if line["seq"] > since]


def _violations(engine: Engine, given: Any, query: Query) -> Any:
    return [*engine.violations, *({"where": "clock", "detail": why} for why in engine.timed.problems)]


def _time(engine: Engine, given: Any, query: Query) -> Any:
    return {"now": engine.clock.now(), "offset": engine.clock.offset}


def _advance(engine: Engine, given: Any, query: Query) -> Any:
    asked = ClockRequest.model_validate(given)
    if asked.frozen:
        engine.clock.freeze(True)
    now = engine.clock.now()
    seconds = asked.advance_seconds if asked.now is None else asked.now - now
    if seconds is None or (seconds < 0 and not engine.store.is_empty()):
        raise ValueError(f"the clock only goes forward: it is {now}")
    ran = engine.advance(seconds)
    if asked.frozen is False:
        engine.clock.freeze(False)
    return {"ran": ran, **_time(engine, given, query)}


def _webhooks(engine: Engine, given: Any, query: Query) -> Any:
    endpoint, counts = engine.webhooks.endpoint, engine.webhooks.counts
    return {
        "url": endpoint.url,
        "mode": endpoint.mode,
        "events": endpoint.events,
        "pending": engine.webhooks.pending_count(),
        "delivered": counts.delivered,
        "failed_attempts": counts.failed_attempts,
        "dropped": counts.dropped,
        "last_error": counts.last_error,
    }


def _set_webhooks(engine: Engine, given: Any, query: Query) -> Any:
    changes = WebhooksRequest.model_validate(given).model_dump(exclude_unset=True)
    if changes.get("mode", "") is None or changes.get("secret", "") is None:
        raise ValueError("mode and secret can't be null")
    engine.webhooks.configure(changes)
    return _webhooks(engine, given, query)


def _limits(engine: Engine, given: Any, query: Query) -> Any:
    return {
        "per_second": engine.rate.per_second,
        "per_endpoint": engine.rate.per_endpoint,
        "lock_wait_ms": round(engine.locks.wait_seconds * 1000),
    }


def _set_limits(engine: Engine, given: Any, query: Query) -> Any:
    asked = LimitsRequest.model_validate(given)
    if "per_second" in asked.model_fields_set:
        engine.rate.per_second = asked.per_second
    if "per_endpoint" in asked.model_fields_set:
        engine.rate.per_endpoint = asked.per_endpoint
    if asked.lock_wait_ms is not None:
        engine.locks.wait_seconds = asked.lock_wait_ms / 1000
    return _limits(engine, given, query)


def _portal(engine: Engine, given: Any, query: Query) -> Any:
    return {"needs_configuration": engine.account.portal_needs_configuration}


def _set_portal(engine: Engine, given: Any, query: Query) -> Any:
    asked = PortalRequest.model_validate(given)
    engine.account = replace(engine.account, portal_needs_configuration=asked.needs_configuration)
    return _portal(engine, given, query)


def _retries(engine: Engine, given: Any, query: Query) -> Any:
    return {"days": list(engine.account.retry_days), "after": engine.account.after_retries}


def _set_retries(engine: Engine, given: Any, query: Query) -> Any:
    asked = RetriesRequest.model_validate(given)
    days = engine.account.retry_days if asked.days is None else tuple(asked.days)
    after = asked.after or engine.account.after_retries
    engine.account = replace(engine.account, retry_days=days, after_retries=after)
    return _retries(engine, given, query)


def _switches(engine: Engine, given: Any, query: Query) -> Any:
    return engine.account.switches.model_dump()


def _set_switches(engine: Engine, given: Any, query: Query) -> Any:
    switches = Switches.model_validate({**engine.account.switches.model_dump(), **given})
    engine.account = replace(engine.account, switches=switches)
    return _switches(engine, given, query)


def _set_advance(engine: Engine, given: Any, query: Query) -> Any:
    asked = AdvanceRequest.model_validate(given)
    engine.account = replace(engine.account, advance_seconds=asked.seconds)
    return {"seconds": asked.seconds}


def _set_discount(engine: Engine, given: Any, query: Query) -> Any:
    asked = DiscountRequest.model_validate(given)

    def give(ctx: Ctx) -> Any:
        customer = ctx.store.get("customer", asked.customer)
        if asked.coupon is None:
            discounts.withdraw(ctx, customer)
        else:
            discounts.grant(ctx, customer, {"coupon": asked.coupon}, param="coupon")
        return {"discount": public(customer["discount"])}

    return visit(engine, give)


def _keys(engine: Engine, given: Any, query: Query) -> Any:
    return {key: sorted(granted) for key, granted in engine.permissions.items()}


def _set_keys(engine: Engine, given: Any, query: Query) -> Any:
    asked = KeyRequest.model_validate(given)
    if asked.permissions is None:
        engine.permissions.pop(asked.key, None)
        return _keys(engine, given, query)
    if unknown := sorted(set(asked.permissions) - set(restricted_keys.names())):
        raise ValueError(
            f"no such permissions: {', '.join(unknown)}; there are {', '.join(restricted_keys.names())}"
        )
    engine.permissions[asked.key] = frozenset(asked.permissions)
    return _keys(engine, given, query)


def _reset(engine: Engine, given: Any, query: Query) -> Any:
    engine.reset()
    return {"status": "empty"}


_ENDPOINTS: dict[tuple[str, str], Callable[[Engine, Any, Query], Any]] = {
    ("GET", "healthz"): _health,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _arm,
    ("DELETE", "faults"): _disarm,
    ("GET", "requests"): _requests,
    ("GET", "violations"): _violations,
    ("GET", "clock"): _time,
    ("POST", "clock"): _advance,
    ("GET", "webhooks"): _webhooks,
    ("POST", "webhooks"): _set_webhooks,
    ("GET", "limits"): _limits,
    ("POST", "limits"): _set_limits,
    ("GET", "portal"): _portal,
    ("POST", "portal"): _set_portal,
    ("POST", "discounts"): _set_discount,
    ("GET", "retries"): _retries,
    ("POST", "retries"): _set_retries,
    ("GET", "switches"): _switches,
    ("POST", "switches"): _set_switches,
    **payment_controls.ENDPOINTS,
    ("POST", "test_clocks"): _set_advance,
    **api_controls.ENDPOINTS,
    ("GET", "keys"): _keys,
    ("POST", "keys"): _set_keys,
    ("POST", "reset"): _reset,
}


def _listed() -> list[str]:
    return [f"{method} /_sandbox/{name}" for method, name in _ENDPOINTS]

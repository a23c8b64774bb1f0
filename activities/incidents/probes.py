"""Probes: whether each component answers, asked from where the work is done.

A probe says None when it was answered, or a code for why not. It never raises and never takes long. Stripe
counts what is read there, so it is only asked when something has failed, and for what does not exist.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

import httpx
import stripe

from billing.incidents.states import Component
from db.core.session import AWAY, Database

from ..mail.smtp import MailLater, SmtpPool
from ..stripe.failures import UNPERMITTED, translate
from ..stripe.permissions import KeyPermissions, nobody
from ..stripe.requests import probing

WITHIN = 5.0
"""Seconds for a component to answer."""

Probe = Callable[[], Awaitable[str | None]]

NO_DOUBTS: Mapping[Component, Callable[[], None]] = MappingProxyType({})


class Probes:
    """One probe a component. `doubts` are of those that keep an answer for hours, unless it is in doubt;
    `trusted` are well until a call to them has failed, and are asked from then on only."""

    def __init__(
        self,
        probes: Mapping[Component, Probe],
        doubts: Mapping[Component, Callable[[], None]] = NO_DOUBTS,
        trusted: frozenset[Component] = frozenset(),
    ) -> None:
        self._probes, self._doubts, self._trusted = probes, doubts, trusted

    async def probe(
        self, component: Component, within: float = WITHIN, *, doubted: bool = False
    ) -> str | None:
        """Why it does not answer, as a code; None when it does. `doubted`: something has failed there, or its
        incident is open."""
        if not doubted and component in self._trusted:
            return None
        if doubted and component in self._doubts:
            self._doubts[component]()
        try:
            async with asyncio.timeout(within):
                return await self._probes[component]()
        except TimeoutError:
            return "timeout"


def standard(
    database: Database,
    stripe_api: stripe.StripeClient,
    smtp: SmtpPool,
    web: httpx.AsyncClient,
    portal: str,
    permissions: KeyPermissions,
) -> Probes:
    """The product's own. `portal` is the public address, whose /healthz is asked for."""

    async def ask_stripe() -> str | None:
        try:
            with probing():
                await nobody(stripe_api)
        except stripe.StripeError as error:
            failure = translate(error)
            # A refusal is an answer: Stripe works. So is a permission that the key lacks.
            answered = failure.verdict == "refusal" or failure.problem.code == UNPERMITTED
            return None if answered else failure.problem.code
        return None

    async def ask_portal() -> str | None:
        try:
            answer = await web.get(f"{portal.rstrip('/')}/healthz")
        except httpx.TimeoutException:
            return "timeout"
        except httpx.HTTPError:
            return "unreachable"
        return None if answer.status_code == 200 else "error_answer"

    async def ask_mail() -> str | None:
        try:
            await smtp.greet()
        except MailLater as later:
            return later.kind
        return None

    async def ask_database() -> str | None:
        try:
            await database.ping()
        except AWAY:
            return "unreachable"
        return None

    return Probes(
        {
            Component.STRIPE: ask_stripe,
            Component.STRIPE_KEY: partial(permissions.probe, stripe_api),
            Component.PORTAL: ask_portal,
            Component.MAIL: ask_mail,
            Component.DATABASE: ask_database,
        },
        {Component.STRIPE_KEY: permissions.doubt},
        trusted=frozenset({Component.STRIPE}),
    )

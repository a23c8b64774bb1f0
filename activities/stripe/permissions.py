"""What the key may do at Stripe: a restricted key can lack a permission that is needed.

It is asked for at start, every few hours by one of all workers, and soon after something was forbidden:
`KeyPermissions` is the probe of the component `stripe_key`, so what is missing is told as an incident.

Stripe looks at the permission before it looks for the object, so asking about ids that do not exist changes
nothing: 403 says that the permission is missing, anything else that it is there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

import stripe

from billing.incidents.key_permissions import cause_of
from db.core.session import AWAY

from .failures import UNPERMITTED, permission_in

log = logging.getLogger(__name__)

NONE = "plixo_permission_check"
"""Ends an id that no object has."""

KEPT_FOR = timedelta(hours=4)
"""How long an answer is good for when nothing is missing; each costs as many requests as are `NEEDED`."""

KEPT_FOR_IN_DOUBT = 30.0
"""Seconds that it is good for while something is, or seems to be."""

WITHIN = 4.0
"""Seconds for all the answers: less than a probe may take."""

Ask = Callable[[stripe.StripeClient], Awaitable[Any]]


async def nobody(client: stripe.StripeClient) -> None:
    """Asks for a customer that does not exist. Raises StripeError, a 404 where Stripe works.

    By a write, which Stripe allows without end, where what is read is counted.
    """
    await client.v1.customers.update_async("cus_plixo_probe", {"metadata": {}})


NEEDED: Mapping[str, Ask] = {
    "rak_customer_write": lambda client: client.v1.customers.balance_transactions.create_async(
        f"cus_{NONE}", {"amount": -1, "currency": "usd"}
    ),
    "rak_subscription_write": lambda client: client.v1.subscriptions.update_async(
        f"sub_{NONE}", {"metadata": {}}
    ),
    "rak_invoice_write": lambda client: client.v1.invoices.create_preview_async(
        {"subscription": f"sub_{NONE}"}
    ),
    "rak_charge_write": lambda client: client.v1.refunds.create_async({"charge": f"ch_{NONE}"}),
    "rak_payment_intent_read": lambda client: client.v1.payment_intents.retrieve_async(f"pi_{NONE}"),
    "rak_plan_read": lambda client: client.v1.prices.retrieve_async(f"price_{NONE}"),
    "rak_credit_note_write": lambda client: client.v1.credit_notes.create_async(
        {"invoice": f"in_{NONE}", "amount": 1}
    ),
    "rak_coupon_read": lambda client: client.v1.coupons.retrieve_async(NONE),
    "rak_dispute_read": lambda client: client.v1.disputes.retrieve_async(f"du_{NONE}"),
    "rak_event_read": lambda client: client.v1.events.retrieve_async(f"evt_{NONE}"),
}
"""By Stripe's name of the permission."""


async def _always() -> bool:
    return True


class KeyPermissions:
    """What the key lacks, as this process has last found out. `probe` asks again now and then."""

    def __init__(self, in_turn: Callable[[], Awaitable[bool]] = _always) -> None:
        """`in_turn` is asked when an answer has grown old: whether this process is to ask for all."""
        self._in_turn = in_turn
        self._lacking: list[str] = []
        self._asked_at: float | None = None
        self._asking = self._doubted = False

    def doubt(self) -> None:
        """Something was forbidden, or an incident is open: ask again soon."""
        self._doubted = True

    async def probe(self, client: stripe.StripeClient) -> str | None:
        """The cause of an incident while permissions are missing; None when all are there.

        While Stripe can't be asked it is what it was: that is told by Stripe's own probe.
        """
        if self._due and not self._asking:
            self._asking = True
            try:
                if not self._in_doubt and self._asked_at is not None and not await self._in_turn():
                    return None
                async with asyncio.timeout(WITHIN):
                    self._found(await missing(client))
                self._doubted = False
            except (stripe.StripeError, TimeoutError, *AWAY) as error:
                log.info("could not check the Stripe key's permissions: %s", type(error).__name__)
                self._doubted = True  # nobody knows: ask again soon
            finally:
                self._asked_at, self._asking = monotonic(), False
        return cause_of(self._lacking) if self._lacking else None

    @property
    def _due(self) -> bool:
        if self._asked_at is None:
            return True
        kept_for = KEPT_FOR_IN_DOUBT if self._in_doubt else KEPT_FOR.total_seconds()
        return monotonic() - self._asked_at >= kept_for

    @property
    def _in_doubt(self) -> bool:
        return self._doubted or bool(self._lacking)

    def _found(self, lacking: list[str]) -> None:
        """Logs what has changed, in one message."""
        before, self._lacking = self._lacking, lacking
        if lacking and lacking != before:
            log.error(
                "%s: the Stripe key lacks %s. Grant these in Stripe's Dashboard (Developers, API keys). "
                "Operations that need them are held and resume automatically; everything else works.",
                UNPERMITTED,
                ", ".join(lacking),
            )
        elif before and not lacking:
            log.info("the Stripe key has all required permissions")


async def missing(client: stripe.StripeClient) -> list[str]:
    """The permissions that the key lacks. Raises StripeError when Stripe can't be asked."""
    found = await asyncio.gather(*(_lacks(client, name, ask) for name, ask in NEEDED.items()))
    return sorted({name for name in found if name is not None})


async def _lacks(client: stripe.StripeClient, name: str, ask: Ask) -> str | None:
    try:
        await ask(client)
    except stripe.PermissionError as error:
        return permission_in(error) or name
    except stripe.InvalidRequestError:
        pass  # there is no such object: it was looked for, so the key may
    return None

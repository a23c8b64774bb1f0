"""What the key may do at Stripe, asked for at start: a restricted key can lack a permission that is needed.

Stripe looks at the permission before it looks for the object, so asking about ids that do not exist changes
nothing: 403 says that the permission is missing, anything else that it is there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import stripe

from .failures import UNPERMITTED, permission_in

log = logging.getLogger(__name__)

NONE = "plixo_permission_check"
"""Ends an id that no object has."""

AGAIN = 300.0
"""Seconds until a key that lacked something, or could not be asked about, is looked at again."""

Ask = Callable[[stripe.StripeClient], Awaitable[Any]]

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
    "rak_event_read": lambda client: client.v1.events.retrieve_async(f"evt_{NONE}"),
}
"""By Stripe's name of the permission."""


async def missing(client: stripe.StripeClient) -> list[str]:
    """The permissions that the key lacks. Raises StripeError when Stripe can't be asked."""
    lacking = []
    for name, ask in NEEDED.items():
        try:
            await ask(client)
        except stripe.PermissionError as error:
            lacking.append(permission_in(error) or name)
        except stripe.InvalidRequestError:
            pass  # there is no such object: it was looked for, so the key may
    return sorted(set(lacking))


async def tell_missing(client: stripe.StripeClient, wait: float = AGAIN) -> None:
    """Logs what the key lacks, in one message, until it lacks nothing."""
    while True:
        try:
            lacking = await missing(client)
        except stripe.StripeError as error:
            log.warning("the Stripe key's permissions are not known yet: %s", type(error).__name__)
        else:
            if not lacking:
                log.info("the Stripe key has every permission that is needed")
                return
            log.error(
                "%s: the Stripe key lacks %s. Give it these in Stripe's Dashboard (Developers, API keys). "
                "What needs them is held and goes on by itself; everything else works.",
                UNPERMITTED,
                ", ".join(lacking),
            )
        await asyncio.sleep(wait)

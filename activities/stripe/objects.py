"""What an event's object is in Stripe now, with what hangs on it: one request each, two for a schedule.

Every reading raises StripeError as the SDK does.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import stripe

from billing.stripe.events import Subject

from .plan_subscription import EXPAND_PLAN

Document = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """Stripe's objects as documents, each with ids where it names another.

    `customer` is whose it all is; one that was deleted has hardly more than its id.
    """

    customer: Document | None
    main: Document
    """What the event is about."""
    invoice: Document | None = None
    payment: Document | None = None
    pays: str | None = None
    """The invoice that the payment paid, where that was seen."""
    charge: Document | None = None
    refunds: tuple[Document, ...] = ()
    credit_note: Document | None = None
    transaction: Document | None = None
    """A change of the customer's balance."""
    subscription: Document | None = None
    """With the products of its prices; of no `customer`, for it is us whom it pays."""
    adjustments: tuple[Document, ...] = ()
    """The customer's last changes of the balance, the newest first."""


BALANCE_CHANGES = 100
"""The most that Stripe gives at a time: what is older was seen by an event before."""

PAYMENT_PARTS = ["customer", "latest_charge.refunds"]
REFUND_PARTS = ["payment_intent.customer", "payment_intent.latest_charge"]
INVOICE_PAYMENT_PARTS = ["invoice.customer", "payment.payment_intent.latest_charge.refunds"]
CREDIT_NOTE_PARTS = ["customer", "customer_balance_transaction", "invoice"]
TRANSACTION_PARTS = ["customer"]
"""What each is to be asked for with (`expand`), so that it is seen whole."""

Reading = Callable[[stripe.StripeClient, str], Awaitable[Seen]]


async def customer(client: stripe.StripeClient, id_: str) -> Seen:
    found = (await client.v1.customers.retrieve_async(id_)).to_dict()
    return Seen(customer=found, main=found)


async def balance_changes(client: stripe.StripeClient, customer_id: str) -> tuple[Document, ...]:
    """The last changes of a customer's balance, the newest first: they have no events of their own."""
    page = await client.v1.customers.balance_transactions.list_async(customer_id, {"limit": BALANCE_CHANGES})
    return tuple(one.to_dict() for one in page.data)


async def invoice(client: stripe.StripeClient, id_: str) -> Seen:
    found = (await client.v1.invoices.retrieve_async(id_, {"expand": ["customer"]})).to_dict()
    whose = _taken_out(found, "customer")
    return Seen(customer=whose, main=found, invoice=found)


async def credit_note(client: stripe.StripeClient, id_: str) -> Seen:
    return of_credit_note(await client.v1.credit_notes.retrieve_async(id_, {"expand": CREDIT_NOTE_PARTS}))


def of_credit_note(answer: stripe.CreditNote) -> Seen:
    """A credit note with its parts expanded."""
    found = answer.to_dict()
    whose, of = _taken_out(found, "customer"), _taken_out(found, "invoice")
    given = _taken_out(found, "customer_balance_transaction")
    return Seen(customer=whose, main=found, invoice=of, credit_note=found, transaction=given)


async def transaction(client: stripe.StripeClient, customer_id: str, id_: str) -> Seen:
    service = client.v1.customers.balance_transactions
    return of_transaction(await service.retrieve_async(customer_id, id_, {"expand": TRANSACTION_PARTS}))


def of_transaction(answer: stripe.CustomerBalanceTransaction) -> Seen:
    """A change of a customer's balance with its parts expanded."""
    found = answer.to_dict()
    return Seen(customer=_taken_out(found, "customer"), main=found, transaction=found)


async def payment(client: stripe.StripeClient, id_: str) -> Seen:
    found = (await client.v1.payment_intents.retrieve_async(id_, {"expand": PAYMENT_PARTS})).to_dict()
    whose, charge = _taken_out(found, "customer"), _taken_out(found, "latest_charge")
    return Seen(customer=whose, main=found, payment=found, charge=charge, refunds=_refunds(charge))


async def charge(client: stripe.StripeClient, id_: str) -> Seen:
    expand = ["customer", "payment_intent", "refunds"]
    found = (await client.v1.charges.retrieve_async(id_, {"expand": expand})).to_dict()
    whose, paid = _taken_out(found, "customer"), _taken_out(found, "payment_intent")
    return Seen(customer=whose, main=found, payment=paid, charge=found, refunds=_refunds(found))


async def refund(client: stripe.StripeClient, id_: str) -> Seen:
    return of_refund(await client.v1.refunds.retrieve_async(id_, {"expand": REFUND_PARTS}))


def of_refund(answer: stripe.Refund) -> Seen:
    """A refund with its parts expanded."""
    found = answer.to_dict()
    paid = _taken_out(found, "payment_intent")
    if paid is None:  # of a charge of old, without a payment intent
        return Seen(customer=None, main=found, refunds=(found,))
    whose, of = _taken_out(paid, "customer"), _taken_out(paid, "latest_charge")
    return Seen(customer=whose, main=found, payment=paid, charge=of, refunds=(found,))


async def invoice_payment(client: stripe.StripeClient, id_: str) -> Seen:
    expand = INVOICE_PAYMENT_PARTS
    found = (await client.v1.invoice_payments.retrieve_async(id_, {"expand": expand})).to_dict()
    of = _taken_out(found, "invoice")
    whose = _taken_out(of, "customer") if of else None
    paid = _taken_out(found["payment"], "payment_intent") if found["status"] == "paid" else None
    charged = _taken_out(paid, "latest_charge") if paid else None
    return Seen(
        customer=whose,
        main=found,
        invoice=of,
        payment=paid,
        pays=found["invoice"],
        charge=charged,
        refunds=_refunds(charged),
    )


async def subscription(client: stripe.StripeClient, id_: str) -> Seen:
    found = (await client.v1.subscriptions.retrieve_async(id_, {"expand": EXPAND_PLAN})).to_dict()
    return Seen(customer=None, main=found, subscription=found)


async def schedule(client: stripe.StripeClient, id_: str) -> Seen:
    found = (await client.v1.subscription_schedules.retrieve_async(id_)).to_dict()
    of = found.get("subscription") or found.get("released_subscription")
    if of is None:  # one that never began
        return Seen(customer=None, main=found)
    return replace(await subscription(client, of), main=found)


READINGS: Mapping[Subject, Reading] = {
    Subject.CHARGE: charge,
    Subject.CREDIT_NOTE: credit_note,
    Subject.CUSTOMER: customer,
    Subject.INVOICE: invoice,
    Subject.INVOICE_PAYMENT: invoice_payment,
    Subject.PAYMENT: payment,
    Subject.REFUND: refund,
    Subject.SCHEDULE: schedule,
    Subject.SUBSCRIPTION: subscription,
}


def _taken_out(document: Document, name: str) -> Document | None:
    """An expanded property, of which the document keeps the id."""
    expanded: Document | None = document.get(name)
    if expanded is not None:
        document[name] = expanded["id"]
    return expanded


def _refunds(charge: Document | None) -> tuple[Document, ...]:
    """The ten newest: each has an event of its own besides."""
    listed = (charge or {}).get("refunds") or {"data": []}
    return tuple(listed["data"])

"""What voids and write-offs ask of Stripe: whether an invoice can be given up, and what became of it.

As with other money, only what belongs to the organization is shown, and whatever is read refreshes our
mirror, but for what is read for a quote.
"""

from typing import Any

import stripe
from temporalio import activity

from billing.core.errors import Code
from billing.core.operations import Problem
from billing.money.waiver import WaivableFacts, WaivableInvoice, WaivableQuery, WaivedInvoice, WaiverRead
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database

from ..mirror.objects.customer import is_theirs
from ..mirror.objects.invoice import InvoiceSnapshot
from ..mirror.objects.snapshot import Document, Owner, taken_out
from ..stripe.failures import ask, ask_for

PARTS = ["customer", "payments.data.payment.payment_intent", "parent.subscription_details.subscription"]
"""What to expand in the request for an invoice that may be given up."""

PAGE = 100
"""The most that Stripe gives at a time; an invoice moves a balance a few times."""

UNAPPLIED = "unapplied_from_invoice"
"""Stripe's type of what a void gives back to the balance."""


class WaiverReads:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._client = client
        self._database = database
        self._rules = rules

    @activity.defn
    async def read_waivable(self, query: WaivableQuery) -> WaivableFacts:
        """The invoice with its payments, those under way too, and the subscription that waits for it."""
        read_at = utc_now()
        found = await ask_for(self._client.v1.invoices.retrieve_async(query.invoice, {"expand": PARTS}))
        invoice: Document = found.to_dict() if found is not None else {}
        customer = taken_out(invoice, "customer")
        if not await is_theirs(self._database, customer, query.organization):
            return WaivableFacts(
                problem=Problem(
                    code=Code.INVOICE_UNKNOWN,
                    message=f"Stripe has no invoice {query.invoice} for any of your customers.",
                )
            )
        facts = WaivableFacts(invoice=_waivable(invoice))
        if query.mirror:
            snapshot = InvoiceSnapshot(customer, invoice)
            async with self._database.transaction() as session:
                await snapshot.store(session, self._rules, Owner(query.organization), read_at)
        return facts

    @activity.defn
    async def read_waived(self, query: WaiverRead) -> WaivedInvoice:
        """The invoice as it is now."""
        read_at = utc_now()
        snapshot = await ask(InvoiceSnapshot.read(self._client, query.invoice))
        async with self._database.transaction() as session:
            await snapshot.store(session, self._rules, Owner(query.organization), read_at)
        invoice = snapshot.invoice
        return WaivedInvoice(
            status=invoice["status"],
            currency=invoice["currency"],
            total=invoice["total"],
            paid=invoice["amount_paid"],
            credited=invoice["pre_payment_credit_notes_amount"],
            to_balance=await self._given_back(invoice) if invoice["status"] == "void" else 0,
            metadata=invoice.get("metadata") or {},
        )

    async def _given_back(self, invoice: Document) -> int:
        """What the void has moved back to the customer's balance, where a credit is negative."""
        of: Any = {"invoice": invoice["id"], "limit": PAGE}
        service = self._client.v1.customers.balance_transactions
        page = await ask(service.list_async(invoice["customer"], of))
        return -sum(one.amount for one in page.data if one.type == UNAPPLIED)


def _waivable(invoice: Document) -> WaivableInvoice:
    return WaivableInvoice(
        invoice=invoice["id"],
        number=invoice.get("number"),
        customer=invoice["customer"],
        status=invoice["status"],
        currency=invoice["currency"],
        total=invoice["total"],
        paid=invoice["amount_paid"],
        credited=invoice["pre_payment_credit_notes_amount"],
        remaining=invoice["amount_remaining"],
        from_balance=(invoice.get("ending_balance") or 0) - invoice["starting_balance"],
        payments=invoice["amount_paid"] > 0,
        processing=_processing(invoice),
        starts=_starts(invoice),
    )


def _processing(invoice: Document) -> str | None:
    """A payment that may still come in by itself: the bank has it, or it pays a part and was begun apart from
    the invoice's own. Stripe gives up the invoice's own payment with the invoice."""
    for link in (invoice.get("payments") or {}).get("data", ()):
        payment = link["payment"].get("payment_intent")
        if payment is None or link["status"] != "open":
            continue
        if not link["is_default"] or payment["status"] == "processing":
            return str(payment["id"])
    return None


def _starts(invoice: Document) -> str | None:
    """The subscription that would end with the invoice."""
    parent = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = parent.get("subscription")
    return str(subscription["id"]) if subscription and subscription["status"] == "incomplete" else None

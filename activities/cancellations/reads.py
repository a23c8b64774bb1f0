"""What a cancellation asks Stripe: the subscription, the invoice that it leads to, and its last one."""

import asyncio
from typing import Any

import stripe
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.cancellations.cancellation import (
    CancellableFacts,
    CancellableQuery,
    CancellationLook,
    CancellationQuery,
    CancellationWanted,
    in_the_way_of,
    plan_cancellation,
)
from billing.cancellations.invoices import InvoiceAhead, InvoiceAheadQuery, InvoicesAhead, LastInvoice
from billing.cancellations.report import LastInvoiceQuery
from billing.cancellations.stripe_params import ended_by, preview_params
from billing.core.errors import BillingError
from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.items.usage import without_usage
from billing.plan_changes.obstacles import OpenInvoice
from billing.plan_changes.stripe_lines import lines_from_invoice
from billing.plan_changes.subject import Terms
from billing.stripe.invoice_json import line_totals
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.stripe import ours

from ..mirror.objects.snapshot import Document, Owner
from ..mirror.objects.subscription import SubscriptionSnapshot
from ..plan_changes.invoices import StripeInvoices
from ..stripe.failures import ask
from ..stripe.plan_subscription import EXPAND_PLAN, SubscriptionUnsupported, subscription_document

NOTHING_TO_BILL = "invoice_upcoming_none"


class CancellationReads:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._client = client
        self._invoices = StripeInvoices(client)
        self._database = database
        self._rules = rules

    @activity.defn
    async def look_at_cancellation(self, query: CancellationQuery) -> CancellationLook:
        """What would be done, in one look: the subscription, and the invoices that it leads to."""
        wanted, facts = query.wanted, await self.read_cancellable(query.of)
        problem = in_the_way_of(wanted, facts) or facts.unsupported
        if problem is not None:
            return CancellationLook(problem=problem)
        planned = plan_cancellation(wanted, facts, await self._ahead(wanted, facts))
        if isinstance(planned, Problem):
            return CancellationLook(problem=planned)
        return CancellationLook(subject=planned)

    async def _ahead(self, wanted: CancellationWanted, facts: CancellableFacts) -> InvoicesAhead:
        if wanted.action != "now":
            return InvoicesAhead(
                invoice=await self._invoice_ahead(preview_params(facts, wanted.action), facts)
            )
        invoice, without = await asyncio.gather(
            self._invoice_ahead(preview_params(facts, "now"), facts),
            self._invoice_ahead(preview_params(facts, "now", credits=False), facts),
        )
        return InvoicesAhead(invoice=invoice, without=without)

    async def _invoice_ahead(self, params: dict[str, Any], facts: CancellableFacts) -> InvoiceAhead | None:
        metered = facts.terms.metered if facts.terms else frozenset[str]()
        return await self.read_invoice_ahead(InvoiceAheadQuery(params=params, metered=metered))

    @activity.defn
    async def read_cancellable(self, query: CancellableQuery) -> CancellableFacts:
        """The organization's subscription now, with all its invoices that are open."""
        read_at = utc_now()
        found = await ask(
            self._client.v1.subscriptions.retrieve_async(query.subscription, {"expand": EXPAND_PLAN})
        )
        data = found.to_dict()
        if query.mirror:
            async with self._database.transaction() as session:
                await SubscriptionSnapshot(data).store(
                    session, self._rules, Owner(query.organization), read_at
                )
        unpaid = await ask(
            self._client.v1.invoices.list_async(
                {"subscription": query.subscription, "status": "open", "limit": 100}
            )
        )
        opened = tuple(_open(invoice.to_dict()) for invoice in unpaid.data)
        return _facts(data).model_copy(
            update={
                "open_invoices": opened,
                "open_invoice": opened[0] if opened else None,
                "ended_by": await self._ended_by(query, data),
            }
        )

    async def _ended_by(self, query: CancellableQuery, data: Document) -> str | None:
        """The operation of ours that ended it: its comment names one, which anybody could have written, and
        our records know it."""
        named = ended_by((data.get("cancellation_details") or {}).get("comment"))
        if named is None:
            return None
        async with self._database.reading() as session:
            known = await ours.subscription_enders(session, query.organization, query.subscription)
        return named if named in known else None

    @activity.defn
    async def read_invoice_ahead(self, query: InvoiceAheadQuery) -> InvoiceAhead | None:
        """The invoice that these parameters lead to; None where there would be none."""
        try:
            invoice = without_usage(await ask(self._invoices.preview(query.params)), query.metered)
            return InvoiceAhead(
                lines=lines_from_invoice(invoice),
                line_totals=line_totals(invoice),
                amounts=await ask(self._invoices.amounts(invoice)),
                unattached=tuple(_unattached(invoice)),
            )
        except ApplicationError as error:
            if error.type == NOTHING_TO_BILL:
                return None
            raise
        except BillingError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error

    @activity.defn
    async def read_last_invoice(self, query: LastInvoiceQuery) -> LastInvoice | None:
        """The invoice that Stripe made as the subscription ended; None where it made none."""
        found = await ask(self._client.v1.subscriptions.retrieve_async(query.subscription))
        newest = found.to_dict()["latest_invoice"]
        if newest is None or newest == query.before:
            return None
        invoice = await ask(self._invoices.invoice(newest))
        if invoice["created"] < (found.ended_at or 0):
            return None
        invoice = without_usage(invoice, query.metered)
        try:
            return LastInvoice(
                invoice=invoice["id"],
                status=invoice["status"],
                lines=lines_from_invoice(invoice),
                amounts=await ask(self._invoices.amounts(invoice)),
            )
        except BillingError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error


def _facts(data: Document) -> CancellableFacts:
    """What the subscription itself says."""
    document: Document = {}
    unsupported: Problem | None = None
    try:
        document = subscription_document(data, data["customer"])
    except SubscriptionUnsupported as error:
        unsupported = error.problem
    said = {name: document[name] for name in CancellableFacts.model_fields if name in document}
    own = {
        "subscription": data["id"],
        "customer": data["customer"],
        "currency": data["currency"],
        "status": data["status"],
        "schedule": data.get("schedule"),
        "cancel_at": data.get("cancel_at"),
        "at_period_end": data["cancel_at_period_end"],
        "ended_at": data.get("ended_at"),
        "newest_invoice": data.get("latest_invoice"),
        "metadata": data.get("metadata") or {},
        "period_end": min(item["current_period_end"] for item in data["items"]["data"]),
    }
    terms = {name: document[name] for name in Terms.model_fields} if document else None
    return CancellableFacts.model_validate(said | own | {"terms": terms, "unsupported": unsupported})


def _open(invoice: Document) -> OpenInvoice:
    remaining = Money(amount_minor=invoice["amount_remaining"], currency=invoice["currency"])
    return OpenInvoice(id=invoice["id"], number=invoice["number"], remaining=remaining)


def _unattached(invoice: Document) -> list[str]:
    """What waits for the customer's next invoice and belongs to no subscription."""
    found = []
    for line in invoice["lines"]["data"]:
        parent = line.get("parent") or {}
        details = parent.get("invoice_item_details")
        if details is not None and not details.get("subscription") and not line.get("subscription"):
            found.append(line.get("description") or "A charge")
    return found

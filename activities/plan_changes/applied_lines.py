"""What a plan change left in Stripe: its invoice, its pending items and the next invoice, or the renewal."""

import asyncio
from collections.abc import Sequence
from typing import Any

import stripe

from billing.core.money import Money
from billing.plan_changes.items.usage import without_usage
from billing.plan_changes.phase_fields import kept, of_its_own
from billing.plan_changes.phases import not_as_changed
from billing.plan_changes.proration import Line, NextInvoice
from billing.plan_changes.stripe_lines import lines_from_invoice, lines_from_invoice_items
from billing.plan_changes.subject import PlanChangeSubject
from billing.plan_changes.verification import ResultLines, ResultQuery
from billing.stripe.effects import EFFECT_MARK

from ..stripe.events_of_requests import object_told
from .invoices import Document, StripeInvoices

NEWEST = 20
"""A renewal is among the newest invoices of its subscription."""
UPDATE, CYCLE = "subscription_update", "subscription_cycle"
"""Why Stripe makes an invoice."""


async def find(client: stripe.StripeClient, invoices: StripeInvoices, query: ResultQuery) -> ResultLines:
    """What Stripe holds for an applied change. Raises StripeError and BillingError."""
    if query.subject.effective == "period_end" or not query.subject.keeps:
        return await _billed(client, invoices, query)
    found, otherwise = await asyncio.gather(
        _billed(client, invoices, query), _otherwise(client, query.subject)
    )
    return found.model_copy(update={"otherwise": otherwise})


async def _otherwise(client: stripe.StripeClient, subject: PlanChangeSubject) -> tuple[str, ...]:
    """The names of what the subscription has otherwise after a change now."""
    found = await client.v1.subscriptions.retrieve_async(
        subject.subscription, {"expand": ["discounts", "items.data.discounts"]}
    )
    data = found.to_dict()
    names = not_as_changed(subject, _items(data, subject))
    ends = subject.takes_back is not None and data["cancel_at"] is not None
    return (*names, "cancel_at") if ends else names


def _items(data: Document, subject: PlanChangeSubject) -> list[Document]:
    """The subscription's items, each with all that it keeps, and new ones with what is their own."""
    new = {one.price for one in subject.changes if one.item is None}
    items: list[Document] = kept(data, subject.period_end)["items"]
    return [
        item | of_its_own(there) if item["price"] in new else item
        for item, there in zip(items, data["items"]["data"], strict=True)
    ]


async def _billed(client: stripe.StripeClient, invoices: StripeInvoices, query: ResultQuery) -> ResultLines:
    if query.subject.charged_at_once:
        invoice = await own_invoice(client, invoices, query)
        if invoice is not None:
            found = await _of(invoices, without_usage(invoice, query.subject.from_.metered))
            following = await _following(invoices, query.subject, found.lines)
            return found.model_copy(update={"following": following})
    elif query.subject.effective == "period_end":
        invoice = await _renewal(invoices, query.subject)
    else:
        return await _of_pending_items(client, invoices, query.subject)
    if invoice is None:
        return ResultLines(lines=())
    return await _of(invoices, without_usage(invoice, query.subject.from_.metered))


async def _of(invoices: StripeInvoices, invoice: Document) -> ResultLines:
    return ResultLines(
        lines=lines_from_invoice(invoice),
        amounts=await invoices.amounts(invoice),
        invoice=invoice["id"],
        invoice_status=invoice["status"],
        total=Money(amount_minor=invoice["total"], currency=invoice["currency"]),
    )


async def _following(
    invoices: StripeInvoices, subject: PlanChangeSubject, lines: Sequence[Line]
) -> NextInvoice | None:
    """The invoice that comes after that of the change; None where that one, too, is behind it by now, or none
    comes any more."""
    try:
        following = await invoices.preview({"subscription": subject.subscription})
    except stripe.InvalidRequestError as error:
        if error.code != "invoice_upcoming_none":
            raise
        return None
    ends = subject.period_end
    if subject.begins_new_period:
        ends = max((line.period.end for line in lines if line.kind == "renewal"), default=ends)
    if following["period_end"] != ends:
        return None
    following = without_usage(following, subject.from_.metered)
    return NextInvoice(
        amount_minor=following["amount_due"], total=following["total"], currency=following["currency"]
    )


async def own_invoice(
    client: stripe.StripeClient, invoices: StripeInvoices, query: ResultQuery
) -> Document | None:
    """The one that the answer to the change named, if it is the change's own; else the one that its request
    made, or the first that bears its mark.

    An invoice keeps the subscription's metadata of its own time, which that of the change stays in: whatever
    is made later bears the mark as well. That of a change which may wait for its payment is made before.
    """
    if query.invoice is not None:
        named = await invoices.invoice(query.invoice)
        if query.is_own or (named["billing_reason"] == UPDATE and _bears(named, query.effect_key)):
            return named
    since = query.subject.proration_date or query.subject.period_start
    made = await invoices.made_since(query.subject.subscription, UPDATE, since)
    for found in made:
        told = await object_told(client, "invoice.created", query.effect_key, found["created"])
        if told is not None and told["id"] == found["id"]:
            return await invoices.invoice(found["id"])
    for found in made:
        if _bears(found, query.effect_key):
            return await invoices.invoice(found["id"])
    return None


def _bears(invoice: Document, effect_key: str) -> bool:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return bool((details.get("metadata") or {}).get(EFFECT_MARK) == effect_key)


async def _renewal(invoices: StripeInvoices, subject: PlanChangeSubject) -> Document | None:
    """A renewal is known by the period that it begins."""
    for found in await invoices.newest(subject.subscription, CYCLE, NEWEST):
        invoice = await invoices.invoice(found["id"])
        if subject.period_end in [line["period"]["start"] for line in invoice["lines"]["data"]]:
            return invoice
    return None


async def _of_pending_items(
    client: stripe.StripeClient, invoices: StripeInvoices, subject: PlanChangeSubject
) -> ResultLines:
    """The change's invoice items, oldest first: still pending, or on a renewal that came right after. The
    amounts are the next invoice's, or that renewal's."""
    page = await client.v1.invoice_items.list_async({"customer": subject.customer, "limit": 100})
    newest_first = [item.to_dict() for item in page.data]
    own = [
        item
        for item in reversed(newest_first)
        if _subscription(item) == subject.subscription and _is_own(item, subject)
    ]
    following = await invoices.preview({"subscription": subject.subscription})
    if following["period_end"] != subject.period_end:
        following = await _renewal(invoices, subject) or following
    return ResultLines(
        lines=lines_from_invoice_items(own),
        amounts=await invoices.amounts(without_usage(following, subject.from_.metered)),
        invoice_items=tuple(item["id"] for item in own),
    )


def _is_own(item: dict[str, Any], subject: PlanChangeSubject) -> bool:
    """By the pinned second. A change that prorates nothing has none: what there is of it all the same is of
    the next period, which began while it was being applied.
    """
    start: int = item["period"]["start"]
    if subject.proration_date is None:
        return bool(item["proration"]) and start >= subject.period_end
    return start == subject.proration_date


def _subscription(item: dict[str, Any]) -> str | None:
    details = (item.get("parent") or {}).get("subscription_details") or {}
    return details.get("subscription")

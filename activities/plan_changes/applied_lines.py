"""What a plan change left in Stripe: the lines of its invoice, its pending invoice items, or the renewal."""

from typing import Any

import stripe

from billing.core.money import Money
from billing.plan_changes.proration import Line
from billing.plan_changes.stripe_lines import lines_from_invoice, lines_from_invoice_items
from billing.plan_changes.subject import PlanChangeSubject, ResultLines, ResultQuery
from billing.stripe.effects import EFFECT_MARK

NEWEST = 20
"""A change's own invoice is among the newest of its subscription."""


async def find(client: stripe.StripeClient, query: ResultQuery) -> ResultLines:
    """The lines that Stripe holds for an applied change. Raises StripeError."""
    if query.subject.charged_at_once:
        return await _of_invoice(client, query, "subscription_update")
    if query.subject.effective == "period_end":
        return await _of_invoice(client, query, "subscription_cycle")
    return await _of_pending_items(client, query)


async def _of_invoice(client: stripe.StripeClient, query: ResultQuery, reason: str) -> ResultLines:
    page = await client.v1.invoices.list_async({"subscription": query.subject.subscription, "limit": NEWEST})
    for invoice in page.data:
        data = invoice.to_dict()
        if data["billing_reason"] == reason and _is_of(data, query):
            return ResultLines(
                lines=await _all_lines(client, data),
                invoice=data["id"],
                invoice_status=data["status"],
                total=Money(amount_minor=data["total"], currency=data["currency"]),
            )
    return ResultLines(lines=())


def _is_of(invoice: dict[str, Any], query: ResultQuery) -> bool:
    """An invoice keeps the subscription's metadata of its own time; a renewal is known by its period."""
    if query.subject.effective == "period_end":
        starts = [line["period"]["start"] for line in invoice["lines"]["data"]]
        return query.subject.period_end in starts
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return bool((details.get("metadata") or {}).get(EFFECT_MARK) == query.effect_key)


async def _all_lines(client: stripe.StripeClient, invoice: dict[str, Any]) -> tuple[Line, ...]:
    """An invoice embeds its first ten lines only."""
    if invoice["lines"]["has_more"]:
        lines = await client.v1.invoices.line_items.list_async(invoice["id"], {"limit": 100})
        data = [line.to_dict() async for line in lines.auto_paging_iter()]
        invoice = invoice | {"lines": {"data": data}}
    return lines_from_invoice(invoice)


async def _of_pending_items(client: stripe.StripeClient, query: ResultQuery) -> ResultLines:
    """The change's invoice items, oldest first: still pending, or on a renewal that came right after."""
    page = await client.v1.invoice_items.list_async({"customer": query.subject.customer, "limit": 100})
    newest_first = [item.to_dict() for item in page.data]
    own = [
        item
        for item in reversed(newest_first)
        if _subscription(item) == query.subject.subscription and _is_own(item, query.subject)
    ]
    return ResultLines(lines=lines_from_invoice_items(own), invoice_items=tuple(i["id"] for i in own))


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

"""What the organization is billed, as the answers that show it."""

from datetime import UTC, datetime
from typing import Any

from billing.core.money import Money
from billing.mirror.bill import CHARGED, needs_payment
from db.core.clock import utc_now
from db.tables import OrganizationInvoice, Renewal

from ..customers.schemas import LineAnswer
from .schemas import (
    NextBillAnswer,
    NextLineAnswer,
    OrganizationInvoiceAnswer,
    OrganizationInvoiceDetail,
    PendingItemAnswer,
    RenewalAnswer,
)

AMOUNTS = ("total", "amount_due", "amount_paid", "amount_remaining")


def invoice(row: OrganizationInvoice) -> OrganizationInvoiceAnswer:
    return OrganizationInvoiceAnswer(**_facts(row))


def invoice_detail(row: OrganizationInvoice) -> OrganizationInvoiceDetail:
    return OrganizationInvoiceDetail(
        **_facts(row),
        lines=[_line(line, row.currency) for line in row.lines],
        lines_complete=row.lines_complete,
    )


def _facts(row: OrganizationInvoice) -> dict[str, Any]:
    return {
        **row.model_dump(exclude={*AMOUNTS, "lines", "lines_complete"}),
        **{name: Money(amount_minor=getattr(row, name), currency=row.currency) for name in AMOUNTS},
        "needs_payment": needs_payment(
            row.status,
            row.amount_remaining,
            charged=row.collection_method == CHARGED,
            attempts=row.attempts,
            payment_status=row.payment_status,
            due_date=row.due_date,
            at=utc_now(),
        ),
    }


def pending_item(item: dict[str, Any]) -> PendingItemAnswer:
    return PendingItemAnswer(
        id=item["id"],
        proration=item["proration"],
        created_at=_time(item["date"]),
        **_line(item, item["currency"]).model_dump(),
    )


def renewal(row: Renewal) -> RenewalAnswer:
    return RenewalAnswer(
        invoice=_next_bill(row.invoice) if row.invoice else None,
        why_none=row.why_none,
        pending_items=[pending_item(item) for item in row.items],
        synced_at=row.synced_at,
    )


def _next_bill(found: dict[str, Any]) -> NextBillAnswer:
    currency = found["currency"]
    amounts = ("subtotal", "tax", "total", "starting_balance", "amount_due")
    return NextBillAnswer(
        date=_time(found["date"]),
        lines=[
            NextLineAnswer(pending_item=line["pending_item"], **_line(line, currency).model_dump())
            for line in found["lines"]
        ],
        lines_complete=found["lines_complete"],
        **{name: Money(amount_minor=found[name], currency=currency) for name in amounts},
    )


def _line(line: dict[str, Any], currency: str) -> LineAnswer:
    return LineAnswer(
        description=line["description"],
        quantity=line["quantity"],
        amount=Money(amount_minor=line["amount"], currency=currency),
        period_start=_time(line["period_start"]),
        period_end=_time(line["period_end"]),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

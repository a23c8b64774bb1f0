"""Cancellations of a plan of USD 120.00 a month, of which half is over."""

from typing import Any

from billing.cancellations.cancellation import (
    Action,
    CancellableFacts,
    CancellationSubject,
    CancellationWanted,
    UnusedTime,
    plan_cancellation,
)
from billing.cancellations.invoices import InvoiceAhead, InvoicesAhead, LastInvoice
from billing.cancellations.report import CancellationResult, ended_report, planned_report
from billing.core.money import Money
from billing.plan_changes.obstacles import OpenInvoice
from billing.plan_changes.proration import Line, LineKind, Period
from billing.plan_changes.subject import Terms

from ..builders import some_amounts

START, HALF, END = 1775001600, 1776297600, 1777593600
TERMS = Terms(plan="growth", price="price_growth", seats=6, interval="month")
NOTE = "We move to the group's own system."
OPEN = OpenInvoice(id="in_9", number="PLX-0009", remaining=Money(amount_minor=12_000, currency="usd"))


def wanted(action: Action = "now", unused_time: UnusedTime | None = "credit") -> CancellationWanted:
    unused = unused_time if action == "now" else None
    return CancellationWanted(action=action, unused_time=unused, reason="too_expensive", note=NOTE)


def facts(**fields: Any) -> CancellableFacts:
    given = {
        "status": "active",
        "subscription": "sub_1",
        "customer": "cus_plixo",
        "currency": "usd",
        "period_end": END,
        "terms": TERMS,
        "newest_invoice": "in_1",
    }
    return CancellableFacts.model_validate(given | fields)


def a_line(kind: LineKind, amount: int, start: int = HALF, price: str = TERMS.price) -> Line:
    period = Period(start=start, end=END)
    return Line(
        kind=kind, description=kind.title(), amount_minor=amount, period=period, price=price, quantity=6
    )


def invoice(*lines: Line, **amounts: Any) -> InvoiceAhead:
    totals = tuple(line.amount_minor for line in lines)
    return InvoiceAhead(lines=lines, line_totals=totals, amounts=some_amounts(sum(totals), **amounts))


CREDIT = a_line("credit", -6_000)
WAITS = a_line("renewal", 1_000, price="")


def a_cancellation(
    action: Action = "now", unused_time: UnusedTime | None = "credit", **fields: Any
) -> CancellationSubject:
    cancel_at = {"cancel_at": END, "at_period_end": True} if action == "take_back" else {}
    last = invoice(CREDIT, WAITS) if action == "now" else invoice(WAITS)
    subject = plan_cancellation(
        wanted(action, unused_time),
        facts(**cancel_at | fields),
        InvoicesAhead(invoice=last, without=invoice(WAITS) if action == "now" else None),
    )
    assert isinstance(subject, CancellationSubject), subject
    return subject


def last(*lines: Line, **amounts: Any) -> LastInvoice:
    ahead = invoice(*lines, **amounts)
    return LastInvoice(invoice="in_2", status="paid", lines=ahead.lines, amounts=ahead.amounts)


def done(subject: CancellationSubject) -> CancellationResult:
    """What Stripe holds where it is as approved."""
    if subject.action == "now":
        assert subject.bill is not None
        ended = facts(status="canceled", ended_at=HALF)
        return ended_report(subject, ended, last(*subject.bill.lines))
    ends = {"cancel_at": END, "at_period_end": True} if subject.action == "at_period_end" else {}
    return planned_report(subject, facts(**ends), subject.bill)

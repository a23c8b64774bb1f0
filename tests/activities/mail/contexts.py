"""Contexts of mails as the workflows give them, and the words that become of them."""

from typing import Any

from activities.mail.records import Mailing
from activities.mail.render import MailText, MailTexts
from billing.core.money import Money
from billing.core.operations import Message, Problem, Role, State
from billing.mail.messages import MailContext, MailRequest
from billing.money.credit import CreditSubject, credit_hash
from billing.money.refund import RefundSubject, refund_hash
from billing.plan_changes.limits import LimitCheck
from billing.plan_changes.proration import Line, Period
from billing.plan_changes.report import applied_report
from billing.plan_changes.revert import revert_report, unread_revert_problem
from billing.plan_changes.subject import (
    PlanChangeSubject,
    PreviewFacts,
    PreviewQuery,
    SubscriptionFacts,
    Terms,
    build_subject,
    subject_hash,
)
from billing.plan_changes.verification import ResultLines, verify

from ...billing.builders import some_amounts

APRIL_START, APRIL_11, APRIL_END = 1775001600, 1775889000, 1777593600

API = "https://billing.acme.example/console"
NAMES = {"per_bea": "Bea Billing", "per_cora": "Cora Controller"}
TEXTS = MailTexts("https://billing.acme.example/")
DEADLINE = "Mon, Apr 13, 2026, 5:00 PM EDT"
GROWTH = Terms(plan="growth", price="price_growth", seats=5, interval="month")
SCALE = Terms(plan="scale", price="price_scale", seats=5, interval="month")


def render(
    template: str,
    context: dict[str, Any],
    *,
    zone: str = "America/New_York",
    organization: str = "Acme",
    customer: str | None = "Customer 01",
    numbers: dict[str, str] | None = None,
    roles: tuple[Role, ...] = (),
) -> MailText:
    """The mail to Cora Controller."""
    request = MailRequest(
        organization="org_1",
        operation="op_1",
        key="k",
        template=template,
        roles=roles,
        context=MailContext.model_validate(context),
    )
    mailing = Mailing(
        organization=organization,
        zone=zone,
        names=NAMES,
        recipients=(),
        sent=frozenset(),
        customers={"cus_1": customer} if customer else {},
        numbers={"in_1": "ACME-0042"} if numbers is None else numbers,
        plans={"growth": "Growth", "scale": "Scale", "starter": "Starter"},
    )
    return TEXTS.render(request, mailing, "Cora Controller")


# --- Contexts -----------------------------------------------------------------------------------------


def an_upgrade(**fields: Any) -> PlanChangeSubject:
    """Growth to Scale at 29.99 → 49.99 a month, changed on 11 April: the vector −19.72 and +32.88."""
    credit = a_line("credit", "Unused time on Growth after 11 Apr 2026", -1972, GROWTH.price)
    debit = a_line("debit", "Remaining time on Scale after 11 Apr 2026", 3288, SCALE.price)
    return a_subject([credit, debit], 1316, **fields)


def a_downgrade(**fields: Any) -> PlanChangeSubject:
    credit = a_line("credit", "Unused time on Scale after 11 Apr 2026", -3288, SCALE.price)
    debit = a_line("debit", "Remaining time on Growth after 11 Apr 2026", 1972, GROWTH.price)
    return a_subject([credit, debit], -1316, before=SCALE, after=GROWTH, **fields)


def a_line(kind: str, description: str, amount: int, price: str, start: int = APRIL_11) -> Line:
    return Line.model_validate(
        {
            "kind": kind,
            "description": description,
            "amount_minor": amount,
            "period": Period(start=start, end=APRIL_END),
            "price": price,
            "quantity": 5,
        }
    )


def a_subject(
    lines: list[Line],
    total: int,
    *,
    before: Terms = GROWTH,
    after: Terms = SCALE,
    effective: str = "now",
    invoicing: str = "immediately",
    limits: tuple[LimitCheck, ...] = (),
) -> PlanChangeSubject:
    facts = SubscriptionFacts(
        subscription="sub_1",
        customer="cus_1",
        item="si_1",
        terms=before,
        status="active",
        currency="usd",
        period_start=APRIL_START,
        period_end=APRIL_END,
    )
    query = PreviewQuery.model_validate(
        {"facts": facts, "to": after, "effective": effective, "invoicing": invoicing}
    )
    return build_subject(query, a_preview(lines, total), a_preview([], 24_995), limits)


def a_preview(lines: list[Line], total: int) -> PreviewFacts:
    return PreviewFacts(
        lines=tuple(lines),
        line_totals=tuple(line.amount_minor for line in lines),
        amounts=some_amounts(total),
        date=None,
        proration_date=APRIL_11,
    )


def shown(payload: Message) -> dict[str, Any]:
    """As it is put into a context."""
    return payload.model_dump(mode="json")


def report(subject: PlanChangeSubject, found: ResultLines) -> dict[str, Any]:
    return shown(applied_report(subject, found, verify(subject, found)))


def invoiced(
    subject: PlanChangeSubject, total: int, lines: Any = None, status: str = "paid"
) -> dict[str, Any]:
    found = ResultLines(
        lines=subject.preview.lines if lines is None else lines,
        invoice="in_1",
        invoice_status=status,
        total=Money(amount_minor=total, currency="usd"),
    )
    return report(subject, found)


def reverted(total: int) -> dict[str, Any]:
    """An upgrade's result after its revert; that of `total` 0 billed nothing."""
    revert = a_downgrade() if total else a_subject([], 0, before=SCALE, after=GROWTH)
    found = ResultLines(lines=())
    if total:
        found = ResultLines(
            lines=revert.preview.lines,
            invoice="in_2",
            invoice_status="paid",
            total=Money(amount_minor=-total, currency="usd"),
        )
    more = {"revert": shown(revert), "reverted": shown(revert_report(revert, found))}
    return invoiced(an_upgrade(), 1316) | more | {"reverted_by": "per_cora", "comment": "No."}


def unread_revert() -> dict[str, Any]:
    """An upgrade's result after a revert that could not be read."""
    why = Problem(code="refused", message="Not today.")
    return reverted(0) | {"reverted": None, "problem": shown(unread_revert_problem(why))}


def review(
    subject: PlanChangeSubject | RefundSubject | CreditSubject | None = None, **fields: Any
) -> dict[str, Any]:
    """A review's context."""
    subject = subject or an_upgrade()
    return {
        "approval": "apr_1",
        "subject": shown(subject),
        "subject_hash": hash_of(subject),
        "requested_by": "per_bea",
        "deadline": "2026-04-13T21:00:00+00:00",
    } | fields


def hash_of(subject: PlanChangeSubject | RefundSubject | CreditSubject) -> str:
    if isinstance(subject, RefundSubject):
        return refund_hash(subject)
    return credit_hash(subject) if isinstance(subject, CreditSubject) else subject_hash(subject)


def ended(state: State, subject: Message | None = None, **fields: Any) -> dict[str, Any]:
    """The context of an operation's end."""
    subject = subject or an_upgrade()
    return {"state": state.value, "subject": shown(subject), "result": None, "problem": None} | fields


def notice(kind: str, subject: Message | None = None, **figures: Any) -> dict[str, Any]:
    """A notice's context."""
    return {
        "notice": "ntc_1",
        "kind": kind,
        "subject": shown(subject or an_upgrade()),
        "deadline": "2026-04-13T21:00:00+00:00",
    } | figures


def payment_due(needs: str, **fields: Any) -> dict[str, Any]:
    """An upgrade that waits for its payment until 12 April."""
    due = {
        "about": "awaited_payment",
        "subscription": "sub_1",
        "invoice": "in_9",
        "number": "PLX-0009",
        "amount": {"amount_minor": 1316, "currency": "usd"},
        "needs": needs,
        "until": APRIL_11 + 23 * 3600,
    }
    return {"subject": shown(an_upgrade()), "result": due | fields}


def unpaid(subject: PlanChangeSubject) -> dict[str, Any]:
    """What became of a change whose bank debit came back."""
    problem = Problem(code="payment_failed", message="The change is there, but its payment failed.")
    result = invoiced(subject, 1316) | {"verified": False, "invoice_status": "open"}
    return result | {"unpaid": problem.model_dump()}

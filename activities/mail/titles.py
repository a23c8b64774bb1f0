"""What a mail calls its subject: in its own subject line, and within a sentence."""

from collections.abc import Mapping
from typing import NamedTuple

from billing.cancellations.cancellation import CancellationSubject
from billing.cases.case import COUNTS_AS, NOUNS, CaseSubject
from billing.core.money import Money
from billing.core.operations import Kind
from billing.core.text import with_article
from billing.mail.messages import MailRequest
from billing.money.credit import CreditSubject
from billing.money.refund import RefundSubject
from billing.money.waiver import WAIVERS, WaiverSubject
from billing.operations.kinds import KINDS, ON_REQUEST
from billing.plan_changes.subject import PlanChangeSubject, Terms
from billing.portal.trouble import AccessTroubleSubject

from .filters import brief

UNTOLD_KINDS = {
    "refund_failed": Kind.REFUND,
    "portal_trouble": Kind.PORTAL_ACCESS,
    "portal_trouble_escalated": Kind.PORTAL_ACCESS,
    "portal_trouble_solved": Kind.PORTAL_ACCESS,
}
UNTOLD_NOUNS = {
    "money_ended": "request",
    "delegated": "approval",
    "delegation_answered": "approval",
    "operation_over": "operation",
    "comment": "operation",
    "case_opened": "change",
    "case_reminder": "change",
    "case_escalated": "change",
    "case_closed": "change",
    "case_named": "change",
    "case_denied": "change",
}
"""What a mail is about if nothing says what that is, by its template; all others are of plan changes."""


class MailTitle(NamedTuple):
    """`title` is what a subject line names, `what` the same in a sentence, `asked_for` with its article.

    Templates decide by the kind; None where it is not known, or is none of an operation that people ask for.
    """

    kind: Kind | None
    noun: str
    title: str
    what: str
    asked_for: str


def title_of(
    request: MailRequest,
    organization: str,
    customer: str | None,
    number: str | None,
    plans: Mapping[str, str],
) -> MailTitle:
    """By the names of the organization, the customer and the plans, and the invoice's number, as far as they
    are known."""
    context = request.context
    subject = context.subject
    kind = _kind(request)
    noun = _noun(request, kind)
    match subject:
        case RefundSubject() | CreditSubject():
            named = _money_back(noun, subject.amount, customer, number)
        case WaiverSubject():
            named = _given_up(noun, subject.amount, customer, number)
        case CaseSubject() if subject.amount is not None and kind in WAIVERS:
            named = _given_up(noun, subject.amount, customer, number)
        case CancellationSubject():
            title = f"{brief(organization)}, {_end(subject)}"
            what = f"cancellation of the plan of {organization}"
            what = f"reversal of the {what}" if subject.action == "take_back" else what
            return MailTitle(kind, noun, title, what, with_article(what))
        case CaseSubject() if subject.is_money:
            named = _money_back(noun, subject.amount, customer, number)
        case AccessTroubleSubject():
            named = f"invoice {brief(number)}" if number else "an invoice"
            named = f"{named} of {brief(customer)}" if customer else named
        case _:
            change = _change(subject, plans)
            title = f"{brief(organization)}, {change or noun}"
            what = f"{noun} for {organization}" if kind is Kind.PLAN_CHANGE else noun
            asked_for = f"the {noun} for {title}" if change else with_article(what)
            return MailTitle(kind, noun, title, what, asked_for)
    return MailTitle(kind, noun, named, named, with_article(named))


def _noun(request: MailRequest, kind: Kind | None) -> str:
    subject = request.context.subject
    if isinstance(subject, CaseSubject) and kind is not None:
        return NOUNS[subject.object_kind]
    return kind.noun if kind else UNTOLD_NOUNS[request.template]


def _kind(request: MailRequest) -> Kind | None:
    """What kind of thing the mail is about, as far as can be told; of a case, what was made in Stripe."""
    subject, told = request.context.subject, request.context.kind or ""
    if isinstance(subject, CaseSubject):
        plan = subject.terms or subject.ends_at
        made = COUNTS_AS.get(subject.object_kind) or (Kind.PLAN_CHANGE if plan else None)
        if made:
            return made
    elif subject is not None and subject.about in KINDS:
        return Kind(subject.about)
    for kind in ON_REQUEST:
        if told.startswith(kind):  # that of a notice goes on: `refund_failed`
            return kind
    return None if request.template in UNTOLD_NOUNS else UNTOLD_KINDS.get(request.template, Kind.PLAN_CHANGE)


def _money_back(noun: str, amount: Money | None, customer: str | None, number: str | None) -> str:
    of = f" of {amount.format()}" if amount else ""
    whom = f" to {brief(customer)}" if customer else ""
    return f"{noun}{of}{whom}{f' for invoice {brief(number)}' if number else ''}"


def _given_up(noun: str, amount: Money, customer: str | None, number: str | None) -> str:
    of = f" of {brief(customer)}" if customer else ""
    return f"{noun} of {amount.format()} on invoice {brief(number)}{of}" if number else f"{noun}{of}"


def _end(subject: CancellationSubject) -> str:
    """What becomes of the plan, and what that is worth or bills."""
    match subject.action:
        case "now":
            return f"immediate cancellation ({subject.amount.format()} unused)"
        case "take_back":
            return f"reversal of the cancellation ({subject.due.format()} on the next invoice)"
    return f"cancellation ({subject.due.format()} on the last invoice)"


def _change(subject: object, plans: Mapping[str, str]) -> str | None:
    """A change in a few words and what it costs; None where it is none of a plan."""
    match subject:
        case PlanChangeSubject():
            return f"{_terms(subject.from_, subject.to, plans)} ({_cost(subject)})"
        case CaseSubject() if subject.terms:
            before, after = subject.terms
            if subject.cancelled:
                return f"{_name(before, plans)} cancelled"
            return _terms(before, after, plans)
    return None


def _name(terms: Terms, plans: Mapping[str, str]) -> str:
    return brief(plans.get(terms.plan) or terms.plan.title())


def _terms(before: Terms, after: Terms, plans: Mapping[str, str]) -> str:
    if before.plan != after.plan:
        return f"{_name(before, plans)} to {_name(after, plans)}"
    if before.seats != after.seats:
        return f"{before.seats} to {after.seats} seats"
    if before.interval != after.interval:
        return f"{before.interval}ly to {after.interval}ly billing"
    if before.others != after.others:
        return f"add-ons of {_name(after, plans)}"
    return _name(after, plans)


def _cost(change: PlanChangeSubject) -> str:
    if change.preview.due_now.amount_minor:
        return f"{change.preview.due_now.format()} due now"
    if change.charged_at_once and change.credit:
        return f"{change.credit.format()} credit"
    if (total := change.preview.next_invoice.total) < 0:
        credit = Money(amount_minor=-total, currency=change.preview.currency)
        return f"{credit.format()} credit on the next invoice"
    return f"{change.next_invoice.format()} on the next invoice"

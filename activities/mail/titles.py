"""What a mail calls its subject: in its own subject line, and within a sentence."""

from collections.abc import Mapping
from typing import NamedTuple

from billing.cases.case import CaseObject, CaseSubject
from billing.core.money import Money
from billing.core.operations import Kind
from billing.mail.messages import MailContext, MailRequest
from billing.money.credit import CreditSubject
from billing.money.refund import RefundSubject
from billing.plan_changes.subject import PlanChangeSubject, Terms
from billing.portal.trouble import AccessTroubleSubject

from .filters import brief

PLAN_CHANGE, REFUND, CREDIT, TROUBLE = "plan change", "refund", "credit", "trouble with the portal"
NOUNS = {
    Kind.PLAN_CHANGE.value: PLAN_CHANGE,
    Kind.REFUND.value: REFUND,
    Kind.CREDIT.value: CREDIT,
    Kind.PORTAL_ACCESS.value: TROUBLE,
}
CASE_NOUNS = {
    CaseObject.REFUND: REFUND,
    CaseObject.CREDIT_NOTE: CREDIT,
    CaseObject.BALANCE_TRANSACTION: CREDIT,
}
MADE = "change"
UNTOLD = {
    "money_ended": "refund or credit",
    "refund_failed": REFUND,
    "delegated": "approval",
    "delegation_answered": "approval",
    "operation_over": "operation",
    "portal_trouble": TROUBLE,
    "portal_trouble_escalated": TROUBLE,
    "portal_trouble_solved": TROUBLE,
    "case_opened": MADE,
    "case_reminder": MADE,
    "case_escalated": MADE,
    "case_closed": MADE,
    "case_named": MADE,
    "case_denied": MADE,
}
"""What a mail calls its subject if nothing says what that is."""


class MailTitle(NamedTuple):
    """`title` is what a subject line names, `what` the same in a sentence, `asked_for` with its article."""

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
    noun = _noun(context) or UNTOLD.get(request.template, PLAN_CHANGE)
    match subject:
        case RefundSubject() | CreditSubject():
            named = _money_back(noun, subject.amount, customer, number)
        case CaseSubject() if subject.is_money:
            named = _money_back(noun, subject.amount, customer, number)
        case AccessTroubleSubject():
            named = f"invoice {brief(number)}" if number else "an invoice"
            named = f"{named} of {brief(customer)}" if customer else named
        case _:
            change = _change(subject, plans)
            title = f"{brief(organization)}, {change or noun}"
            what = f"{noun} of {organization}" if noun == PLAN_CHANGE else noun
            return MailTitle(noun, title, what, f"the {noun} of {title}" if change else f"a {what}")
    return MailTitle(noun, named, named, f"a {named}")


def _noun(context: MailContext) -> str | None:
    """What kind of thing the mail is about, as far as can be told."""
    subject = context.subject
    if isinstance(subject, CaseSubject):
        if noun := CASE_NOUNS.get(subject.object_kind):
            return noun
        if subject.terms:
            return PLAN_CHANGE
    elif subject is not None:
        return NOUNS.get(subject.about)
    kind = context.kind or ""
    return next(
        (NOUNS[start] for start in ("plan_change", "refund", "credit") if kind.startswith(start)), None
    )


def _money_back(noun: str, amount: Money | None, customer: str | None, number: str | None) -> str:
    of = f" of {amount.format()}" if amount else ""
    whom = f" to {brief(customer)}" if customer else ""
    return f"{noun}{of}{whom}{f' for invoice {brief(number)}' if number else ''}"


def _change(subject: object, plans: Mapping[str, str]) -> str | None:
    """A change in a few words and what it costs; None where it is none of a plan."""
    match subject:
        case PlanChangeSubject():
            return f"{_terms(subject.from_, subject.to, plans)} ({_cost(subject)})"
        case CaseSubject() if subject.terms:
            return _terms(*subject.terms, plans)
    return None


def _terms(before: Terms, after: Terms, plans: Mapping[str, str]) -> str:
    def name(terms: Terms) -> str:
        return brief(plans.get(terms.plan) or terms.plan.title())

    if before.plan != after.plan:
        return f"{name(before)} to {name(after)}"
    if before.seats != after.seats:
        return f"{before.seats} to {after.seats} seats"
    if before.interval != after.interval:
        return f"{before.interval}ly to {after.interval}ly billing"
    return name(after)


def _cost(change: PlanChangeSubject) -> str:
    if change.preview.due_now.amount_minor:
        return f"{change.preview.due_now.format()} due now"
    if change.charged_at_once and change.credit:
        return f"{change.credit.format()} credit"
    if change.next_invoice.amount_minor < 0:
        return f"{(-change.next_invoice).format()} credit on the next invoice"
    return f"{change.next_invoice.format()} on the next invoice"

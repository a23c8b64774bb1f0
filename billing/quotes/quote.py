"""Quotes: what would come of a request, what stands in its way, and who would be asked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ..approvals.preview import ReviewPreview
from ..approvals.subject_changes import subject_changes
from ..cancellations.cancellation import CancellationSubject
from ..core.errors import Code
from ..core.money import Money
from ..core.operations import Kind, Message, Problem
from ..money.credit import CreditSubject
from ..money.messages import AuthorityCheck
from ..money.refund import RefundSubject
from ..money.waiver import WaiverSubject
from ..plan_changes.subject import PlanChangeSubject
from ..policy.policy import LadderStep
from ..policy.review_rules import ReviewRule
from .costs import MonthlyCost

QUOTED_FOR = timedelta(minutes=30)
"""How long exactly what a quote has shown can be asked for: long enough to read it and to ask a colleague. A
plan change is priced at the quote's second, so it differs from one that is priced when it is asked for by
less than a thousandth of a month's price."""


class QuotedReview(Message):
    """Who would be asked, by which rule of the policy and why, and in which calendar each rung's time
    counts."""

    rule: ReviewRule
    why: str
    calendars: tuple[str, ...]
    preview: ReviewPreview

    @classmethod
    def of(
        cls, rule: ReviewRule, why: str, calendar: str, ladder: Sequence[LadderStep], preview: ReviewPreview
    ) -> "QuotedReview":
        """`calendar` is that of the rungs which have none of their own."""
        calendars = tuple(step.calendar or calendar for step in ladder)
        return cls(rule=rule, why=why, calendars=calendars, preview=preview)


class Quote(Message):
    """`obstacles` are what the operation would end with; without any, `review` is None where nobody would be
    asked. What could not be looked at is None."""

    obstacles: tuple[Problem, ...] = ()
    subject_hash: str | None = None
    review: QuotedReview | None = None


class PlanChangeQuote(Quote):
    subject: PlanChangeSubject | None = None
    cost: MonthlyCost | None = None


class RefundQuote(Quote):
    """`refundable` is what Stripe says can still be refunded, whatever others have set aside of it."""

    subject: RefundSubject | None = None
    refundable: Money | None = None
    authority: AuthorityCheck | None = None


class CreditQuote(Quote):
    subject: CreditSubject | None = None
    authority: AuthorityCheck | None = None


class WaiverQuote(Quote):
    subject: WaiverSubject | None = None
    authority: AuthorityCheck | None = None


class CancellationQuote(Quote):
    subject: CancellationSubject | None = None


AnyQuote = PlanChangeQuote | CancellationQuote | RefundQuote | CreditQuote | WaiverQuote
AnySubject = PlanChangeSubject | CancellationSubject | RefundSubject | CreditSubject | WaiverSubject


def outdated_problem(kind: Kind, quoted: AnySubject, found: AnySubject) -> Problem:
    """Says what is different from what the quote has shown."""
    before, after = quoted.document(), found.document()
    changes = subject_changes(kind, before, after)
    told = "; ".join(f"{change.what}: {change.after}, was {change.before}" for change in changes)
    return Problem(
        code=Code.QUOTE_OUTDATED, message=f"It isn't as quoted any more. {told or _parts(before, after)}."
    )


def _parts(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Which parts are different, where nothing is that people would be shown."""
    parts = [name.replace("_", " ") for name in after if before.get(name) != after[name]]
    return f"Different in Stripe: {', '.join(parts)}"

"""Taking a plan change back: a change of its own, to the former terms, previewed and read back like any.

It doesn't bring what the change brought with the signs turned. In classic billing mode Stripe bills a whole
new period when a price of nothing becomes one of something again, and in both modes when the interval changes
back; no anchor left alone and no `proration_behavior=none` keeps it from that (Stripe, "Billing cycle"). So
whoever reverts is shown Stripe's preview first, and the revert is done only while that still holds.
"""

from collections.abc import Collection
from typing import Any

from ..core.money import Money
from ..core.operations import Problem
from .items.others import restored
from .phase_fields import coupons_of, not_over, without_coupons
from .proration import AnyDifference, OtherDifference
from .subject import PlanChangeSubject, PreviewQuery, SubscriptionFacts, subject_hash
from .verification import ResultLines, expected_lines, verify

Revert = PlanChangeSubject | Problem | None
"""What it would do; why it is refused; None where that can't be had at present."""


class RevertResult(ResultLines):
    """What Stripe holds after a revert, beside whether it is what was shown before."""

    verified: bool
    differences: tuple[AnyDifference, ...] = ()


def revert_query(
    subject: PlanChangeSubject, facts: SubscriptionFacts, shown: PlanChangeSubject | None = None
) -> PreviewQuery:
    """Back to the former terms now, prorated from the second of the change.

    Stripe takes no second of an earlier period: after a rollover, or where the change itself began a period,
    it is that from which the current one counts, so that all of it is given back. Where neither is known,
    Stripe chooses one for the preview that is shown, and that one it stays.
    """
    since = subject.proration_date if facts.period_start == subject.period_start else facts.period_start
    if since is None and shown is not None and shown.period_start == facts.period_start:
        since = shown.proration_date
    others = restored(facts.terms.others, subject.from_.others, subject.changes)
    taken_back = [
        one.model_copy(update={"keeps": not_over(one.keeps, facts.period_start)}) for one in subject.changes
    ]
    return PreviewQuery(
        facts=facts,
        to=subject.from_.model_copy(update={"others": others}),
        effective="now",
        invoicing=subject.invoicing,
        proration_date=since,
        taken_back=tuple(taken_back),
    )


def coupons_back(query: PreviewQuery) -> tuple[str, ...]:
    """The coupons that would be redeemed anew, for what comes back with its discounts."""
    return tuple(dict.fromkeys(coupon for one in query.changes for coupon in coupons_of(one.keeps)))


def without_lost(query: PreviewQuery, lost: Collection[str]) -> PreviewQuery:
    """The same without the coupons that nobody can redeem any more, which Stripe would refuse whole."""
    taken_back = [
        one.model_copy(
            update={
                "keeps": without_coupons(one.keeps, lost),
                "lost": tuple(coupon for coupon in coupons_of(one.keeps) if coupon in lost),
            }
        )
        for one in query.taken_back
    ]
    return query.model_copy(update={"taken_back": tuple(taken_back)})


def lost_coupons(revert: PlanChangeSubject) -> tuple[str, ...]:
    """The coupons that don't come back with a revert."""
    return tuple(dict.fromkeys(coupon for one in revert.changes for coupon in one.lost))


def still_as_shown(shown: Revert, now: Revert) -> bool:
    """Whether a revert would still do what was shown of it; one that nobody could preview does not."""
    if not isinstance(shown, PlanChangeSubject) or not isinstance(now, PlanChangeSubject):
        return False
    return subject_hash(shown) == subject_hash(now)


def revert_words(revert: Revert) -> str:
    """What a revert would bring, or why nobody can say."""
    if isinstance(revert, Problem):
        return f"It can't be reverted: {revert.message.rstrip('.')}."
    if revert is None:
        return "What a revert would bill can't be previewed now; it isn't done before it can."
    lost = ", ".join(lost_coupons(revert))
    without = f" It doesn't bring back what nobody can redeem any more: {lost}." if lost else ""
    return f"{_billed(revert)}{without}"


def _billed(revert: PlanChangeSubject) -> str:
    preview = revert.preview
    total = Money(amount_minor=preview.total, currency=preview.currency)
    if not revert.charged_at_once:
        own = Money(
            amount_minor=sum(line.amount_minor for line in expected_lines(revert)), currency=total.currency
        )
        return f"A revert puts {own.format()} on the next invoice."
    if (credit := revert.credit) is not None:
        return f"A revert credits {credit.format()} to the balance at once."
    if not preview.total:
        return "A revert bills nothing."
    words = f"A revert bills {total.format()} at once"
    if revert.begins_new_period:
        words += ", with a new billing period"
    return f"{words}; {preview.due_now.format()} of it is charged to the payment method."


def with_revert(problem: Problem, revert: Revert) -> Problem:
    """What a person has to resolve, with what a revert would bring."""
    return problem.model_copy(update={"message": f"{problem.message} {revert_words(revert)}"})


def revert_report(revert: PlanChangeSubject, found: ResultLines) -> RevertResult:
    """What Stripe holds after the revert, beside what was shown."""
    lost = [
        OtherDifference(name=f"Coupon {coupon}", says="could not be redeemed any more, and is not back")
        for coupon in lost_coupons(revert)
    ]
    checked = verify(revert, found, lost)
    return RevertResult.model_validate(
        {**dict(found), "verified": checked.ok, "differences": checked.differences}
    )


def revert_detail(reverted: RevertResult) -> dict[str, Any]:
    """A revert on the timeline: its lines, where they are, and what differs."""
    return reverted.model_dump(mode="json", exclude={"verified"})


def unread_revert_problem(why: Problem) -> Problem:
    """The previous plan is back, and what that billed can't be told."""
    return Problem(
        code="revert_unread",
        message="The previous plan is in place again, but what that billed can't be read: "
        f"{why.message.rstrip('.')} ({why.code}). Look at the subscription's invoices in Stripe.",
    )

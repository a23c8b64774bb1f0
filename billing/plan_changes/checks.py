"""What must hold of a plan change before it is previewed, and of its preview."""

from datetime import UTC, datetime

from ..core.operations import Problem
from .phases import uncarried_problem
from .subject import (
    PlanChangeRequest,
    PreviewFacts,
    PreviewQuery,
    SubscriptionFacts,
    Target,
    Terms,
)


def terms_after(facts: SubscriptionFacts, wanted: PlanChangeRequest, target: Target) -> Terms:
    """The terms that the change leads to; seats left out stay, down to what the plan can hold."""
    seats = wanted.seats
    if seats is None:
        seats = min(facts.terms.seats, target.plan.seats_included)
    return Terms(
        plan=target.plan.plan,
        price=target.price,
        seats=seats,
        interval=wanted.interval or facts.terms.interval,
    )


def before_trial_ends(query: PreviewQuery) -> Problem | None:
    """Why a change of interval can't be made now, or None: Stripe moves no billing cycle during a trial, and
    to end the trial for it would bill at once.
    """
    if query.facts.status != "trialing" or not query.resets_anchor:
        return None
    ends = datetime.fromtimestamp(query.facts.period_end, UTC)
    return Problem(
        code="interval_during_trial",
        message=f"The subscription is in a trial until {ends:%-d %b %Y}, and its billing interval can't "
        "change before. Make the change effective at period_end: it comes with the end of the trial.",
    )


def billed_too_soon(query: PreviewQuery, preview: PreviewFacts) -> Problem | None:
    """Why a change that is to wait for the next invoice can't, or None.

    In classic billing mode Stripe bills a change from a price of nothing at once, whatever is asked for.
    """
    waits = query.effective == "now" and not query.charged_at_once
    if not waits or not query.begins_new_period(preview.lines):
        return None
    return Problem(
        code="price_bills_now",
        message="Stripe begins a new billing period with this change and bills it at once: it can't be left "
        "to the next invoice. Choose invoicing immediately, or make the change effective at period_end.",
    )


def discount_used_up(query: PreviewQuery) -> Problem | None:
    """Why a change can't be billed at once, or None: its invoice may use up a discount that holds for one.

    Stripe doesn't say whether an invoice of prorations alone does ("Coupons"), and previews the renewal as if
    it did not.
    """
    if not query.charged_at_once or not query.facts.once:
        return None
    return Problem(
        code="discount_used_up",
        message=f"The discount {', '.join(query.facts.once)} holds for one invoice, and that of this change "
        "may use it up. Make the change effective at period_end, or, with the same interval, choose "
        "invoicing next_invoice.",
    )


def not_schedulable(query: PreviewQuery) -> Problem | None:
    """Why a subscription can't be put under a schedule, or None: it would not be the same afterwards."""
    if query.effective != "period_end" or not query.facts.uncarried:
        return None
    return uncarried_problem(query.facts.uncarried)

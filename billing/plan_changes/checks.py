"""What must hold of a plan change before it is previewed, and of its preview."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..core.errors import Code
from ..core.operations import Problem
from ..core.utc import utc_day
from .items.add_ons import held_twice, others_after, to_be_priced
from .items.others import OtherItem
from .messages import OtherChange, Target, TargetQuery
from .obstacles import in_the_way, not_taken_back
from .phases import uncarried_problem
from .report import not_replaced_now_problem
from .subject import (
    PlanChangeRequest,
    PreviewFacts,
    PreviewQuery,
    SubscriptionFacts,
    Terms,
    WaitingChange,
)


class Obstacles(NamedTuple):
    """What stands in the way of a change, and the change of ours whose place it would take."""

    in_stripe: tuple[Problem, ...]
    still_open: OtherChange | None
    """Another change of ours that is not over, and whose place can't be taken: what this one would bill can
    be told all the same."""
    waiting: WaitingChange | None


def obstacles_to(wanted: PlanChangeRequest, facts: SubscriptionFacts, other: OtherChange | None) -> Obstacles:
    """All that stands in the way of it, and the change of ours that waits, whose place it would take."""
    waiting = other.waiting if other is not None else None
    state, problems = facts, [several_alike(wanted, facts.terms)]
    if wanted.take_back_end:
        state = facts.model_copy(update={"cancel_at": None})
        problems.append(not_taken_back(facts.planned_end, facts.period_end))
    own = [problem for problem in problems if problem is not None]
    if waiting is None or waiting.schedule != facts.schedule or has_come(waiting, facts):
        return Obstacles((*in_the_way(state), *own), other, None)
    found = (*in_the_way(state.model_copy(update={"schedule": None})), *own)
    if wanted.effective != "period_end":
        found = (*found, not_replaced_now_problem(waiting.operation))
    return Obstacles(found, None, waiting)


def has_come(waiting: WaitingChange, facts: SubscriptionFacts) -> bool:
    """Whether it has come into force, though nobody has looked yet: its renewal is to be verified."""
    return facts.period_start >= waiting.effective_at


def preview_query(
    facts: SubscriptionFacts,
    wanted: PlanChangeRequest,
    target: Target,
    proration_date: int | None = None,
    replaces: WaitingChange | None = None,
) -> PreviewQuery:
    """What is to be previewed of what is asked for."""
    return PreviewQuery(
        facts=facts,
        to=terms_after(facts, wanted, target),
        effective=wanted.effective,
        invoicing=wanted.invoicing,
        proration_date=proration_date,
        replaces=replaces,
        end=facts.planned_end if wanted.take_back_end else None,
    )


def target_query(
    facts: SubscriptionFacts, wanted: PlanChangeRequest, offered: tuple[str, ...]
) -> TargetQuery:
    """What to look up of what is asked for; `offered` are the add-ons of the policy."""
    interval = wanted.interval or facts.terms.interval
    new = interval != facts.terms.interval
    return TargetQuery(
        plan=wanted.plan,
        interval=interval,
        currency=facts.currency,
        add_ons=to_be_priced(wanted.add_ons, facts.terms.others, offered, new),
        offered=offered,
    )


def terms_after(facts: SubscriptionFacts, wanted: PlanChangeRequest, target: Target) -> Terms:
    """The terms that the change leads to; seats left out stay, down to what the plan can hold, and so does
    whatever else the subscription has."""
    seats = wanted.seats
    if seats is None:
        seats = min(facts.terms.seats, target.plan.seats_included)
    return Terms(
        plan=target.plan.plan,
        price=target.price,
        seats=seats,
        interval=wanted.interval or facts.terms.interval,
        others=others_after(facts.terms.others, wanted.add_ons, target.add_ons),
    )


def billed_apart(query: PreviewQuery) -> Problem | None:
    """Why items can't be changed together, or None: they are billed at different times, or would be."""
    facts, before, to = query.facts, query.facts.terms, query.to
    apart = [one for one in facts.others if (one.interval, one.interval_count) != (before.interval, 1)]
    if apart:
        message = (
            f"The plan is billed by the {before.interval}, and {_names(apart)} otherwise. A subscription "
            "whose items are billed at different times can't be changed here; ask Plixo to change it in "
            "Stripe."
        )
    elif to.interval != before.interval and (left := [one for one in facts.others if one in to.others]):
        message = (
            f"{_names(left)} would still be billed by the {before.interval}, and the plan by the "
            f"{to.interval}. Keep the interval, or take away what can be taken away first."
        )
    else:
        return None
    return Problem(code="mixed_intervals", message=message)


def several_alike(wanted: PlanChangeRequest, now: Terms) -> Problem | None:
    """Why nobody can say which item is meant, or None: an add-on has several, at one price or at two."""
    twice = held_twice(now.others, wanted.add_ons, wanted.interval not in (None, now.interval))
    if not twice:
        return None
    return Problem(
        code=Code.ADD_ON_TWICE,
        message=f"The subscription has several items of {_names(twice)}. Ask Plixo to put them together in "
        "Stripe first.",
    )


def usage_discounted(query: PreviewQuery) -> Problem | None:
    """Why the change can't be told to the cent, or None: a discount is spread over usage as well, so what it
    takes off the plan depends on that (Stripe, "Coupons", amounts off several lines)."""
    if not query.facts.terms.metered or not query.facts.spread:
        return None
    return Problem(
        code="usage_discounted",
        message=f"The discount {', '.join(query.facts.spread)} takes an amount off whole invoices, usage "
        "included: what is left of it for the plan depends on what is used. Ask Plixo to put it on the plan "
        "alone.",
    )


def _names(items: Sequence[OtherItem]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in items))


def before_trial_ends(query: PreviewQuery) -> Problem | None:
    """Why a change of interval can't be made now, or None: Stripe moves no billing cycle during a trial, and
    to end the trial for it would bill at once.
    """
    if query.facts.status != "trialing" or not query.resets_anchor:
        return None
    return Problem(
        code="interval_during_trial",
        message=f"The subscription is in a trial until {utc_day(query.facts.period_end)}, and its billing "
        "interval can't change before. Make the change at renewal: it comes with the end of the trial.",
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
        "to the next invoice. Have it charged now, or make the change at renewal.",
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
        "may use it up. Make the change at renewal, or, with the same interval, leave the charge to the next "
        "invoice.",
    )


def not_schedulable(query: PreviewQuery) -> Problem | None:
    """Why a subscription can't be put under a schedule, or None: it would not be the same afterwards."""
    if query.effective != "period_end" or not query.facts.uncarried:
        return None
    return uncarried_problem(query.facts.uncarried)


def waits_already(query: PreviewQuery) -> Problem | None:
    """Why a change can't take the place of one that is the same, or None."""
    if query.replaces is None or query.to != query.replaces.to:
        return None
    return Problem(
        code="same_plan",
        message=f"Nothing would change: {query.replaces.operation} waits for the end of the period with just "
        "that.",
    )


_CHECKS: tuple[Callable[[PreviewQuery], Problem | None], ...] = (
    billed_apart,
    usage_discounted,
    before_trial_ends,
    not_schedulable,
    discount_used_up,
    waits_already,
)


def in_the_way_of(query: PreviewQuery) -> tuple[Problem, ...]:
    """Every obstacle to this very change that is known before it is previewed, the graver ones first."""
    return tuple(problem for check in _CHECKS if (problem := check(query)) is not None)

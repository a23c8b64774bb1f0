"""The phases of the schedule by which a subscription is changed at the end of its period, and whether Stripe
has them as they were sent."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..core.operations import Message, Problem
from ..stripe.invoice_json import id_of
from .items.others import ItemChange
from .messages import ScheduleFacts
from .phase_fields import Document, Params, carried, over, uncarried
from .proration import Preview
from .subject import PlanChangeSubject, PreviewQuery, SubscriptionFacts, Terms

_TIMES = ("start_date", "end_date", "duration")
"""The current phase has dates; the other one follows it without a gap, for one period."""
_DAYS = {"month": (28, 31), "year": (365, 366)}
"""The fewest and the most days of a period."""


class MadePhase(Message):
    """The phase of a schedule in which its subscription is now, in Stripe's parameters: the only one of a
    schedule that has just been made of it."""

    phase: dict[str, Any]
    uncarried: tuple[str, ...] = ()
    """Its fields that we don't know how to carry over."""
    ended: tuple[str, ...] = ()
    """Its discounts that are over when it is."""


def made_phase(phase: Document) -> MadePhase:
    """`phase` in Stripe's JSON, its discounts expanded."""
    entries = [*phase["discounts"], *(one for item in phase["items"] for one in item["discounts"])]
    ends = {id_of(entry["discount"]): entry["discount"] for entry in entries if entry.get("discount")}
    return MadePhase(
        phase=carried(phase),
        uncarried=uncarried(phase),
        ended=tuple(sorted(id_ for id_, one in ends.items() if over(one, phase["end_date"]))),
    )


def uncarried_problem(names: Collection[str]) -> Problem:
    """Said before anybody is asked, or by the phase that Stripe has made."""
    return Problem(
        code="not_schedulable",
        message="At the end of the period it is changed by a schedule in Stripe, which would take away what "
        f"the subscription has: {', '.join(names)}. Make the change effective now, or ask Plixo to remove "
        "that.",
    )


def new_cycle_phase(query: PreviewQuery) -> Params:
    """The phase with which a new billing cycle begins at the end of the period, to be previewed."""
    items = query.facts.ahead.get("items", [{"price": query.facts.terms.price}])
    return {
        **query.facts.ahead,
        **_ahead(items, query.facts.terms, query.to, query.changes),
        "start_date": query.facts.period_end,
    }


def schedule_phases(subject: PlanChangeSubject | PreviewQuery, made: MadePhase) -> tuple[Params, Params]:
    """The current phase as it is, then one period of the new terms with everything else that it has.

    A new interval counts from the second phase's start, which flexible billing mode does not do unasked
    (Stripe, "Subscription schedules").
    """
    current = {**made.phase, "proration_behavior": "none"}
    later = {name: value for name, value in made.phase.items() if name not in (*_TIMES, "trial_end")}
    later |= _ahead(current["items"], subject.from_, subject.to, subject.changes)
    if subject.to.interval != subject.from_.interval:
        later["billing_cycle_anchor"] = "phase_start"
    return current, _without(later, made.ended)


def not_as_reviewed(subject: PlanChangeSubject, made: MadePhase) -> tuple[str, ...]:
    """The names of what the subscription has otherwise by now than when the change was approved."""
    before = subject.from_
    beside = {one.price for one in before.others}
    # The plan's item is the one at its price, or else, at another price by now, none of the others.
    plan_first = sorted(
        made.phase["items"], key=lambda one: (one["price"] != before.price, one["price"] in beside)
    )
    item: Document = plan_first[0] if plan_first else {}
    others = [(one["price"], one.get("quantity")) for one in made.phase["items"] if one is not item]
    facts = {
        "price": (item.get("price"), before.price),
        "quantity": (item.get("quantity"), before.seats),
        "items": (Counter(others), Counter(one.identity for one in before.others)),
        "end_date": (made.phase.get("end_date"), subject.period_end),
    }
    return tuple(name for name, (found, approved) in facts.items() if found != approved)


def not_as_approved(subject: PlanChangeSubject, facts: SubscriptionFacts) -> tuple[str, ...]:
    """The names of what a subscription has otherwise, within the period at whose end it is to change, than
    was approved: the schedule would undo it."""
    names = [*_between(subject.keeps, facts.keeps), *facts.uncarried]
    if facts.terms != subject.from_:
        names += [f"items.{name}" for name in _different(dict(subject.from_), dict(facts.terms))]
    names += [
        f"current_{name}"
        for name in ("period_start", "period_end")
        if getattr(facts, name) != getattr(subject, name)
    ]
    return tuple(dict.fromkeys(names))


def not_as_changed(subject: PlanChangeSubject, items: Sequence[Document]) -> tuple[str, ...]:
    """The names of what the items of a subscription have otherwise, after a change now, than they had before
    or than the change makes of them. `items` are as `kept` has them, and new ones as `of_its_own` does."""
    approved = list(_items_ahead(subject.keeps["items"], subject.from_, subject.to, subject.changes))
    phases = [{"items": sorted(one, key=lambda item: str(item["price"]))} for one in (approved, items)]
    if subject.begins_new_period:  # with the period, a discount may be over
        phases = [_without(one, _discounts_of(one)) for one in phases]
    return tuple(dict.fromkeys(_between(*phases)))


def differences(sent: Sequence[Params], found: ScheduleFacts) -> tuple[str, ...]:
    """The names of everything in a schedule that is otherwise than it was sent."""
    settled = {"status": "active", "end_behavior": "release"}
    names = [name for name, value in settled.items() if getattr(found, name) != value]
    if len(found.phases) != len(sent):
        names.append("phases")
    else:
        names += _other_times(sent, found.phases)
    return tuple(dict.fromkeys([*names, *_other_terms(sent, found.phases), *found.uncarried]))


def undone(sent: Sequence[Params], found: Sequence[Params]) -> tuple[str, ...]:
    """The names of what a schedule's phases came to have otherwise, once the next one has begun, than they
    were sent: what somebody put on the subscription before the period ended, and that phase took away.

    Discounts that were over with the period by themselves are not. Whether one for a single invoice stays in
    the phase that bills it no page of Stripe says: those of that phase are told by the renewal.
    """
    current, later = sent
    ended = {*_discounts_of(current)} - {*_discounts_of(later)}
    bare = [_without(one, ended) for one in found if one["start_date"] < current["end_date"]]
    next_ = [one for one in found if one["start_date"] >= current["end_date"]][:1]
    bare += [_without(one, _discounts_of(one)) for one in next_]
    return tuple(
        dict.fromkeys(_other_terms([_without(current, ended), _without(later, _discounts_of(later))], bare))
    )


def differently_billed(approved: PlanChangeSubject, will: PlanChangeSubject) -> tuple[str, ...]:
    """The names of what a schedule will do otherwise than was approved."""
    apart = ("preview", "limits", "keeps")
    names = [name for name in PlanChangeSubject.model_fields if name not in apart]
    found = [name for name in names if getattr(approved, name) != getattr(will, name)]
    found += _between(approved.keeps, will.keeps)
    previews = approved.preview, will.preview
    found += [name for name in Preview.model_fields if len({getattr(one, name) for one in previews}) > 1]
    return tuple(found)


def _other_terms(sent: Sequence[Params], found: Sequence[Params]) -> list[str]:
    """The names of what phases have otherwise, their dates apart. A change of the subscription itself parts
    the current phase in two: each part is held against the whole."""
    current, later = sent
    return [
        name
        for phase in found
        for name in _between(current if phase["start_date"] < current["end_date"] else later, phase)
    ]


def _other_times(sent: Sequence[Params], found: Sequence[Params]) -> list[str]:
    current, later = sent
    is_, follows = found
    names = [name for name in ("start_date", "end_date") if current[name] != is_[name]]
    if follows["start_date"] != current["end_date"]:
        names.append("start_date")
    if not _lasts(follows, later["duration"]["interval"]):
        names.append("end_date")
    return names


def _lasts(phase: Document, interval: str) -> bool:
    """Whether a phase with dates is one interval long; no two months are alike."""
    days = (phase["end_date"] - phase["start_date"]) / 86_400
    shortest, longest = _DAYS[interval]
    return bool(shortest <= days <= longest)


def _between(phase: Document, other: Document) -> list[str]:
    """The names of what two phases have otherwise, their dates apart."""
    names = _different(phase, other, "items", *_TIMES)
    items, others = phase.get("items", []), other.get("items", [])
    for item, there in zip(items, others, strict=False):
        names += [f"items.{name}" for name in _different(item, there)]
    return [*names, "items"] if len(items) != len(others) else names


def _different(one: Document, other: Document, *but: str) -> list[str]:
    return [name for name in sorted({*one, *other} - {*but}) if one.get(name) != other.get(name)]


def _discounts_of(phase: Document) -> tuple[str, ...]:
    holders = [phase, *phase["items"]]
    return tuple(
        one["discount"] for holder in holders for one in holder.get("discounts", []) if "discount" in one
    )


def _ahead(items: Sequence[Document], before: Terms, to: Terms, changes: Sequence[ItemChange]) -> Params:
    return {
        "items": list(_items_ahead(items, before, to, changes)),
        "duration": {"interval": to.interval, "interval_count": 1},
        "proration_behavior": "none",
    }


def _items_ahead(
    items: Sequence[Document], before: Terms, to: Terms, changes: Sequence[ItemChange]
) -> Iterator[Params]:
    """Each with everything that it has; a price is there once where it changes."""
    becomes = {one.was: one for one in changes if one.was is not None}
    for item in items:
        change = becomes.get(item["price"])
        if item["price"] == before.price:
            yield {**item, "price": to.price, "quantity": to.seats}
        elif change is None:
            yield dict(item)
        elif change.quantity:
            yield {**item, "price": change.price, "quantity": change.quantity}
    yield from (
        {**one.keeps, "price": one.price, "quantity": one.quantity} for one in changes if one.was is None
    )


def _without(phase: Params, discounts: Collection[str]) -> Params:
    """Without discounts that are over: Stripe refuses a phase with one. Nothing is left of an empty list."""
    if not discounts:
        return phase

    def left(holder: Document) -> Params:
        kept = [one for one in holder.get("discounts", []) if one.get("discount") not in discounts]
        rest = {name: value for name, value in holder.items() if name != "discounts"}
        return {**rest, "discounts": kept} if kept else rest

    return {**left(phase), "items": [left(item) for item in phase["items"]]}

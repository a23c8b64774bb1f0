"""The phases of the schedule by which a subscription is changed at the end of its period, and whether Stripe
has them as they were sent."""

from collections.abc import Collection, Sequence
from typing import Any

from ..core.operations import Message, Problem
from .phase_fields import Document, Params, carried, id_of, over, uncarried
from .proration import Preview
from .subject import PlanChangeSubject, PreviewQuery, ScheduleFacts, Terms

_TIMES = ("start_date", "end_date", "duration")
"""The current phase has dates; the other one follows it without a gap, for one period."""


class MadePhase(Message):
    """The one phase of a schedule that has just been made of a subscription, in Stripe's parameters."""

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
        f"the subscription has: {', '.join(names)}. Make the change effective now, or remove that in Stripe.",
    )


def new_cycle_phase(query: PreviewQuery) -> Params:
    """The phase with which a new billing cycle begins at the end of the period, to be previewed."""
    item = query.facts.ahead.get("items", [{}])[0]
    return {
        **query.facts.ahead,
        **_ahead(item, query.to),
        "start_date": query.facts.period_end,
    }


def schedule_phases(subject: PlanChangeSubject, made: MadePhase) -> tuple[Params, Params]:
    """The current phase as it is, then one period of the new terms with everything else that it has.

    A new interval counts from the second phase's start, which flexible billing mode does not do unasked
    (Stripe, "Subscription schedules").
    """
    current = {**made.phase, "proration_behavior": "none"}
    [item] = current["items"]
    later = {name: value for name, value in made.phase.items() if name not in (*_TIMES, "trial_end")}
    later |= _ahead(item, subject.to)
    if subject.to.interval != subject.from_.interval:
        later["billing_cycle_anchor"] = "phase_start"
    return current, _without(later, made.ended)


def not_as_reviewed(subject: PlanChangeSubject, made: MadePhase) -> tuple[str, ...]:
    """The names of what the subscription has otherwise by now than when the change was approved."""
    [item] = made.phase["items"] if len(made.phase["items"]) == 1 else [{}]
    before = subject.from_
    facts = {
        "price": (item.get("price"), before.price),
        "quantity": (item.get("quantity"), before.seats),
        "end_date": (made.phase.get("end_date"), subject.period_end),
    }
    return tuple(name for name, (found, approved) in facts.items() if found != approved)


def differences(sent: Sequence[Params], found: ScheduleFacts) -> tuple[str, ...]:
    """The names of everything in a schedule that is otherwise than it was sent."""
    settled = {"status": "active", "end_behavior": "release"}
    names = [name for name, value in settled.items() if getattr(found, name) != value]
    if len(found.phases) != len(sent):
        return (*names, "phases")
    for phase, is_ in zip(sent, found.phases, strict=True):
        names += _different(phase, is_, "items", *_TIMES)
        for item, there in zip(phase["items"], is_["items"], strict=False):
            names += [f"items.{name}" for name in _different(item, there)]
        if len(phase["items"]) != len(is_["items"]):
            names.append("items")
    names += [name for name in ("start_date", "end_date") if sent[0][name] != found.phases[0][name]]
    return tuple(dict.fromkeys([*names, *found.uncarried]))


def differently_billed(approved: PlanChangeSubject, will: PlanChangeSubject) -> tuple[str, ...]:
    """The names of what a schedule will do otherwise than was approved."""
    names = [name for name in PlanChangeSubject.model_fields if name not in ("preview", "limits")]
    found = [name for name in names if getattr(approved, name) != getattr(will, name)]
    previews = approved.preview, will.preview
    found += [name for name in Preview.model_fields if len({getattr(one, name) for one in previews}) > 1]
    return tuple(found)


def _different(one: Document, other: Document, *but: str) -> list[str]:
    return [name for name in sorted({*one, *other} - {*but}) if one.get(name) != other.get(name)]


def _ahead(item: Document, to: Terms) -> Params:
    return {
        "items": [{**item, "price": to.price, "quantity": to.seats}],
        "duration": {"interval": to.interval, "interval_count": 1},
        "proration_behavior": "none",
    }


def _without(phase: Params, discounts: Collection[str]) -> Params:
    """Without discounts that are over: Stripe refuses a phase with one. Nothing is left of an empty list."""
    if not discounts:
        return phase

    def left(holder: Document) -> Params:
        kept = [one for one in holder.get("discounts", []) if one.get("discount") not in discounts]
        rest = {name: value for name, value in holder.items() if name != "discounts"}
        return {**rest, "discounts": kept} if kept else rest

    return {**left(phase), "items": [left(item) for item in phase["items"]]}

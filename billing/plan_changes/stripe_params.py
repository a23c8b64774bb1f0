"""A plan change in Stripe's parameters: previewed and applied with the same ones, so that both agree."""

from collections.abc import Sequence
from typing import Any

from .items.others import ItemChange
from .obstacles import PlannedEnd
from .phase_fields import Params, anew
from .phases import MadePhase, new_cycle_phase, schedule_phases
from .subject import PlanChangeSubject, PreviewQuery, Terms

# Stripe's words for charging a change at once, or with the next invoice.
_BEHAVIOR = {"immediately": "always_invoice", "next_invoice": "create_prorations"}


def preview_params(query: PreviewQuery) -> dict[str, Any]:
    """For `create_preview`; at period end, the renewal with what waits for it: nothing is prorated.

    Where a new billing cycle begins with the change, Stripe would preview one that begins now. It is
    previewed as the phase that will be sent, with everything that the subscription has, and without what
    waits. Where another change waits already, its schedule is previewed as it will be rewritten.
    """
    if query.replaces is not None:
        rewritten = _course(query.phases)
        return {"schedule": query.replaces.schedule, "schedule_details": rewritten}
    if query.effective == "now":
        details = _change(
            _items(query.facts.item, query.to, query.changes),
            query.invoicing,
            query.resets_anchor,
            query.proration_date,
        )
        return {"subscription": query.facts.subscription, "subscription_details": details | _kept(query.end)}
    if not query.renews_anew:
        return renewal_preview_params(query)
    return {
        "customer": query.facts.customer,
        "schedule_details": {
            "billing_mode": {"type": query.facts.billing_mode},
            "end_behavior": "release",
            "phases": [new_cycle_phase(query)],
        },
    }


def renewal_preview_params(query: PreviewQuery) -> dict[str, Any]:
    """For `create_preview`: what the renewal after a change that is charged at once will cost.

    Without prorations a preview shows the next period alone (Stripe, "Prorations"); with an anchor reset
    that is the one which begins now, at the price of every later one.
    """
    details: dict[str, Any] = {
        "items": _items(query.facts.item, query.to, query.changes),
        "proration_behavior": "none",
    }
    if query.resets_anchor:
        details["billing_cycle_anchor"] = {"type": "now"}
    return {"subscription": query.facts.subscription, "subscription_details": details | _kept(query.end)}


def apply_params(subject: PlanChangeSubject, *, may_wait: bool = False) -> dict[str, Any]:
    """For `subscriptions.update`, exactly as it was previewed.

    Where it may wait for a payment that does not come through at once, Stripe keeps it as a pending update;
    otherwise `error_if_incomplete` makes a declined card a 402 that leaves everything unchanged (Stripe,
    "Handling payment failures when updating subscriptions").
    """
    change = _change(
        _items(subject.subscription_item, subject.to, subject.changes),
        subject.invoicing,
        subject.resets_anchor,
        subject.proration_date,
    )
    behavior = "pending_if_incomplete" if may_wait else "error_if_incomplete"
    return change | _kept(subject.takes_back) | {"payment_behavior": behavior}


def schedule_params(subject: PlanChangeSubject, made: MadePhase) -> dict[str, Any]:
    """For `subscription_schedules.update`. All phases are sent, the current one with its own dates and the
    trial that it is in: without, Stripe would end the trial and bill it."""
    return _course(schedule_phases(subject, made))


def _course(phases: Sequence[Params]) -> dict[str, Any]:
    return {"end_behavior": "release", "proration_behavior": "none", "phases": list(phases)}


def _kept(end: PlannedEnd | None) -> dict[str, Any]:
    return end.taken_back if end is not None else {}


def _items(item: str, to: Terms, changes: Sequence[ItemChange]) -> list[dict[str, Any]]:
    """The plan's item, and of the others those that change: an item that isn't named stays as it is.

    Without `id` Stripe adds an item, without `quantity` it sets 1.
    """
    return [{"id": item, "price": to.price, "quantity": to.seats}, *map(_other, changes)]


def _other(change: ItemChange) -> dict[str, Any]:
    known = {"id": change.item} if change.item else {}
    if not change.quantity:
        return {**known, "deleted": True}
    return {**known, **anew(change.keeps), "price": change.price, "quantity": change.quantity}


def _change(
    items: list[dict[str, Any]], invoicing: str, resets_anchor: bool, proration_date: int | None
) -> dict[str, Any]:
    params: dict[str, Any] = {
        "items": items,
        "proration_behavior": _BEHAVIOR[invoicing],
    }
    if resets_anchor:
        params["billing_cycle_anchor"] = {"type": "now"}
    if proration_date is not None:
        params["proration_date"] = proration_date
    return params

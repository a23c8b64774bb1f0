"""What a change of a subscription comes to: its items afterwards, the prorations, and what is billed at once.

Planning stores nothing, so a preview and the update that follows it draw the same lines.
https://docs.stripe.com/billing/subscriptions/prorations, …/billing-cycle, …/billing-mode
"""

from dataclasses import dataclass, field
from typing import Any

from ..catalog.catalog import every, is_metered, item_charge, terms_of
from ..catalog.proration import Draft, Worth, recurring, trial
from ..core.kernel import Ctx, Obj, invalid
from ..core.periods import period_after
from .item_changes import Pair, becomes_paid, pairs_of, place_moved_items, place_new_items
from .shapes import in_trial, items_of
from .trials import asked_end
from .usage_lines import outstanding
from .worths import credits_of, debit_of, worths_of

CHANGES_BILLING = ("items", "trial_end", "trial_from_plan", "billing_cycle_anchor")
"""The parameters that change what is billed."""

REFUSE_PRORATION_DATE_WITH_ANCHOR_RESET = False
"""Whether `proration_date` together with a reset of the billing cycle anchor is refused.

Third-party reports say that Stripe does so; it is not confirmed. Accepted here: credits are reckoned at
`proration_date`, the new period starts now."""


@dataclass(slots=True)
class Change:
    """A planned change. `items` are copies; drafts have no ids yet."""

    at: int
    items: list[Obj]
    prorations: list[Draft] = field(default_factory=list)
    recurring: list[Draft] = field(default_factory=list)
    credited: list[str] = field(default_factory=list)
    """Items whose earlier debits this change uses up."""
    metered: list[str] = field(default_factory=list)
    """Items whose usage until now is billed by this change, or dropped."""
    anchor: int | None = None
    trial_end: int | None = None
    ends_trial: bool = False
    always_invoice: bool = False
    waits: bool = False
    """Whether the billing cycle starts anew without an invoice of its own."""
    with_pending: bool = True
    """Whether what already waits goes on the invoice that the change makes."""

    @property
    def resets(self) -> bool:
        """Whether the billing cycle starts anew."""
        return self.anchor is not None

    @property
    def bills_now(self) -> bool:
        """Whether an invoice is made at once."""
        return (self.resets and not self.waits) or (self.always_invoice and bool(self.prorations))


def plan(ctx: Ctx, subscription: Obj, wanted: dict[str, Any]) -> Change:
    """What `items`, `proration_behavior`, `proration_date`, `billing_cycle_anchor`, `trial_end` come to now.

    Raises 400 for unknown items or prices, a proration date outside the current period, and combinations
    that Stripe refuses.
    """
    pairs = pairs_of(ctx, subscription, wanted.get("items") or [])
    behavior = wanted.get("proration_behavior") or "create_prorations"
    at = _proration_date(ctx, subscription, wanted)
    change = Change(at, [pair.new for pair in pairs if pair.new], always_invoice=behavior == "always_invoice")
    trialing = in_trial(subscription, ctx.now)
    until = asked_end(wanted, [item["price"] for item in change.items], ctx.now)
    if until is not None and (trialing or until != "now"):
        _plan_trial(ctx, subscription, pairs, change, until, behavior, trialing)
        return change
    if _resets(ctx, subscription, pairs, wanted, trialing):
        _plan_reset(ctx, subscription, pairs, change, behavior)
        return change
    place_new_items(subscription, pairs, at)
    if not trialing:
        place_moved_items(ctx, subscription, pairs)
    _bill_usage_of_removed(ctx, subscription, pairs, change, behavior)
    if behavior != "none" and not trialing:
        worths = worths_of(ctx, subscription, change.items)
        for pair in pairs:
            if pair.changed:
                _prorate(ctx, subscription, pair, change, worths)
    return change


def _bill_usage_of_removed(
    ctx: Ctx, subscription: Obj, pairs: list[Pair], change: Change, behavior: str
) -> None:
    """What was used of an item that goes is billed now or later, or never, as prorations would be."""
    for pair in pairs:
        if pair.old is None or pair.new is not None or not is_metered(pair.old["price"]):
            continue
        if behavior != "none":
            change.prorations += outstanding(ctx, subscription, ctx.now, item=pair.old["id"])
        change.metered.append(pair.old["id"])


def _prorate(ctx: Ctx, subscription: Obj, pair: Pair, change: Change, worths: dict[str, Worth]) -> None:
    """One credit for each earlier debit (classic: for the current price), one debit for the rest."""
    if pair.old is not None:
        change.prorations += credits_of(ctx, subscription, pair.old, change.at)
        change.credited.append(pair.old["id"])
    if pair.new is not None:
        period = (pair.new["current_period_start"], pair.new["current_period_end"])
        rest = debit_of(ctx, subscription, pair.new, worths[pair.new["id"]], period, change.at)
        change.prorations += [rest] if rest else []


def _plan_reset(ctx: Ctx, subscription: Obj, pairs: list[Pair], change: Change, behavior: str) -> None:
    """Every item is credited for its unused time and starts a full period now."""
    if change.at != ctx.now and REFUSE_PRORATION_DATE_WITH_ANCHOR_RESET:
        raise invalid(
            "You may not pass `proration_date` when resetting the billing cycle anchor.",
            param="proration_date",
        )
    if behavior != "none":
        for pair in pairs:
            if pair.old is not None:
                change.prorations += credits_of(ctx, subscription, pair.old, change.at)
    classic = subscription["billing_mode"]["type"] == "classic"
    alone = not classic and not any(pair.changed for pair in pairs)
    if alone and not change.always_invoice and ctx.switches.anchor_reset == "asked":
        _start_quietly(ctx, subscription, change, behavior)
        return
    _start_anew(ctx, subscription, pairs, change, ctx.now)
    change.with_pending = not (classic and change.always_invoice)


def _plan_trial(
    ctx: Ctx, subscription: Obj, pairs: list[Pair], change: Change, until: Any, behavior: str, trialing: bool
) -> None:
    """A trial that ends now bills full periods; one ahead credits unused time and moves the anchor."""
    if until == "now":
        change.ends_trial = True
        _start_anew(ctx, subscription, pairs, change, ctx.now)
        return
    if behavior != "none" and not trialing:
        for pair in pairs:
            if pair.old is not None:
                change.prorations += credits_of(ctx, subscription, pair.old, change.at)
    change.anchor = change.trial_end = until
    _bill_usage(ctx, subscription, change)
    mode = subscription["billing_mode"]["type"]
    change.credited = [item["id"] for item in items_of(subscription)]
    for item in change.items:
        item["current_period_start"], item["current_period_end"] = ctx.now, until
        change.recurring.append(
            trial(
                item["id"],
                item_charge(ctx.store, item, subscription["currency"]),
                ctx.now,
                until,
                terms_of(item),
                mode,
            )
        )


def _bill_usage(ctx: Ctx, subscription: Obj, change: Change) -> None:
    """All that was used of metered items is billed with the period that ends now."""
    change.recurring += outstanding(ctx, subscription, ctx.now)
    change.metered = list(subscription["_usage"])


def _start_anew(ctx: Ctx, subscription: Obj, pairs: list[Pair], change: Change, now: int) -> None:
    change.anchor = now
    change.credited = [item["id"] for item in items_of(subscription)]
    _bill_usage(ctx, subscription, change)
    for item in change.items:
        start, end = period_after(now, *every(item["price"]), now)
        item["current_period_start"], item["current_period_end"] = start, end
        if is_metered(item["price"]):
            continue
        change.recurring.append(
            recurring(
                item["id"], item_charge(ctx.store, item, subscription["currency"]), start, end, terms_of(item)
            )
        )


def _start_quietly(ctx: Ctx, subscription: Obj, change: Change, behavior: str) -> None:
    """A full period begins, and what that costs waits for the next invoice: see `Switches.anchor_reset`."""
    change.anchor, change.waits = ctx.now, True
    change.credited = [item["id"] for item in items_of(subscription)]
    change.metered = list(subscription["_usage"])
    worths = worths_of(ctx, subscription, change.items)
    for item in change.items:
        period = period_after(ctx.now, *every(item["price"]), ctx.now)
        item["current_period_start"], item["current_period_end"] = period
        if behavior != "none" and not is_metered(item["price"]):
            whole = debit_of(ctx, subscription, item, worths[item["id"]], period, ctx.now)
            change.prorations += [whole] if whole else []
    if behavior != "none":
        change.prorations += outstanding(ctx, subscription, ctx.now)


def _resets(ctx: Ctx, subscription: Obj, pairs: list[Pair], wanted: dict[str, Any], trialing: bool) -> bool:
    """Whether the billing cycle starts anew: as asked; in classic mode by an interval or a first price."""
    asked = (wanted.get("billing_cycle_anchor") or {}).get("type")
    if asked == "now":
        if trialing:
            raise invalid(
                "You can't reset the billing cycle anchor of a subscription in trial; end the trial with "
                "`trial_end=now`.",
                param="billing_cycle_anchor",
            )
        return True
    if subscription["billing_mode"]["type"] == "flexible":
        return False
    moved = any(pair.moved for pair in pairs)
    if moved and asked == "unchanged":
        raise invalid(
            "A change of the billing interval resets the billing cycle anchor; it can't stay unchanged.",
            param="billing_cycle_anchor",
        )
    before = [pair.old for pair in pairs if pair.old]
    after = [pair.new for pair in pairs if pair.new]
    return (moved or becomes_paid(ctx, subscription["currency"], before, after)) and not trialing


def _proration_date(ctx: Ctx, subscription: Obj, wanted: dict[str, Any]) -> int:
    given = wanted.get("proration_date")
    if given is None:
        return ctx.now
    for item in items_of(subscription):
        start, end = item["current_period_start"], item["current_period_end"]
        if not start <= given <= end:
            raise invalid(
                f"Cannot specify a proration date outside the current billing period ({start} - {end}).",
                param="proration_date",
            )
    return int(given)

"""Subscription schedules as objects, and the phases that an update gives them."""

from typing import Any

from ..catalog.catalog import every, price_for
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public
from ..core.periods import shift
from ..discounts import coupons, discounts
from ..payments.payments import payment_method_for
from ..taxes import automatic_tax, tax_rates
from .schedule_phases import discount_entry, phase_item, phase_items
from .shapes import in_trial, items_of, period_end

KIND = "subscription_schedule"
PHASE_NOT_BUILT = (
    "add_invoice_items",
    "application_fee_percent",
    "billing_thresholds",
    "invoice_settings",
    "on_behalf_of",
    "transfer_data",
    "trial",
)


def schedule_of(ctx: Ctx, subscription: Obj) -> Obj:
    start = min(item["current_period_start"] for item in items_of(subscription))
    phase = _phase(
        subscription["currency"],
        start,
        period_end(subscription),
        phase_items(items_of(subscription)),
        trial_end=subscription["trial_end"] if in_trial(subscription, ctx.now) else None,
        automatic_tax=public(subscription["automatic_tax"]),
        default_tax_rates=public(subscription["default_tax_rates"]),
        discounts=[discount_entry(discount=id) for id in subscription["discounts"]],
    )
    return {
        "id": ctx.store.new_id("sub_sched"),
        "object": KIND,
        "application": None,
        "billing_mode": public(subscription["billing_mode"]),
        "canceled_at": None,
        "completed_at": None,
        "created": ctx.now,
        "current_phase": span(phase),
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": public(subscription["automatic_tax"]),
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": subscription["collection_method"],
            "default_payment_method": subscription["default_payment_method"],
            "description": subscription["description"],
            "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}},
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "pause_schedules": [],
        "phases": [phase],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": subscription["test_clock"],
        "_without_discounts": [] if subscription.get("_inherits", True) else [start],
    }


def phases_of(ctx: Ctx, schedule: Obj, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The phases of an update, dated and checked: gapless, and with the current one among them."""
    if not given or "start_date" not in given[0]:
        raise invalid(
            "The subscription schedule update is missing at least one phase with a `start_date` to anchor "
            "end dates to.",
            param="phases",
        )
    currency = schedule["phases"][0]["currency"]
    phases: list[dict[str, Any]] = []
    for index, entry in enumerate(given):
        where = f"phases[{index}]"
        for name in PHASE_NOT_BUILT:
            if entry.get(name):
                raise invalid(f"This stand-in does not support {name} in a phase.", param=f"{where}[{name}]")
        items = [_phase_item(ctx, item, f"{where}[items][{i}]") for i, item in enumerate(entry["items"])]
        start = _date(ctx, entry.get("start_date", phases[-1]["end_date"] if phases else None))
        if phases and start != phases[-1]["end_date"]:
            raise invalid(
                f"Phases must follow each other without gaps: phase {index} starts at {start}, the one "
                "before ends at "
                f"{phases[-1]['end_date']}.",
                param=f"{where}[start_date]",
            )
        end = _end(ctx, entry, items, start)
        if end <= start:
            raise invalid("The end date of a phase must be after its start date.", param=f"{where}[end_date]")
        _check_trial(ctx, schedule, entry, where)
        phases.append(_phase(currency, start, end, items, **_terms(ctx, schedule, entry, where, start)))
        _check_anchor(ctx, schedule, phases, where)
    current = schedule["current_phase"]
    if not any(p["start_date"] == current["start_date"] and p["end_date"] > ctx.now for p in phases):
        raise invalid(
            "The phases of an update must contain the current phase, with its start date "
            f"{current['start_date']} and an end date in the future.",
            param="phases",
        )
    return phases


def span(phase: dict[str, Any]) -> dict[str, int]:
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def phases_without_discounts(phases: list[dict[str, Any]], given: list[dict[str, Any]]) -> list[int]:
    """Where the phases begin that asked for no discount at all, not even the customer's."""
    return [
        phase["start_date"]
        for phase, entry in zip(phases, given, strict=True)
        if "discounts" in entry and not entry["discounts"]
    ]


def _phase(currency: str, start: int, end: int, items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
        **more,
    }


def _terms(ctx: Ctx, schedule: Obj, entry: dict[str, Any], where: str, start: int) -> dict[str, Any]:
    tax = entry.get("automatic_tax")
    method = entry.get("default_payment_method")
    if method:
        method = payment_method_for(ctx, method, schedule["customer"], param="default_payment_method")["id"]
    rates = tax_rates.chosen(
        ctx,
        entry.get("default_tax_rates"),
        param=f"{where}[default_tax_rates]",
        kept=[rate for phase in schedule["phases"] for rate in phase["default_tax_rates"]],
    )
    if rates and tax and tax["enabled"]:
        message = "You may not use `default_tax_rates` together with `automatic_tax[enabled]=true`."
        raise invalid(message, param=f"{where}[default_tax_rates]")
    return {
        "automatic_tax": automatic_tax.of_subscription(tax["enabled"]) if tax else None,
        "default_tax_rates": rates,
        "discounts": _discounts(ctx, entry.get("discounts"), f"{where}[discounts]", start),
        "billing_cycle_anchor": entry.get("billing_cycle_anchor"),
        "collection_method": entry.get("collection_method"),
        "default_payment_method": method,
        "description": entry.get("description") or None,
        "metadata": merge_metadata(None, entry.get("metadata")),
        "proration_behavior": entry.get("proration_behavior", "create_prorations"),
        "trial_end": entry.get("trial_end"),
    }


def _discounts(ctx: Ctx, given: Any, where: str, start: int) -> list[dict[str, Any]]:
    """What a phase asks for, checked now and redeemed when it begins."""
    entries = []
    for index, entry in enumerate(given or []):
        if entry.get("coupon"):
            coupons.usable(ctx, entry["coupon"], param=f"{where}[{index}][coupon]")
        elif entry.get("discount"):
            discounts.require(ctx, entry["discount"], start, param=f"{where}[{index}][discount]")
        elif not entry.get("promotion_code"):
            message = "Each discount must be exactly one of: coupon, discount, promotion_code."
            raise invalid(message, param=f"{where}[{index}]")
        entries.append(discount_entry(**entry))
    return entries


def _check_trial(ctx: Ctx, schedule: Obj, entry: dict[str, Any], where: str) -> None:
    """A phase may keep the trial that there is, or end it by leaving it out."""
    given = entry.get("trial_end")
    subscription = ctx.store.get("subscription", schedule["subscription"])
    if given is not None and given != subscription["trial_end"]:
        raise invalid("This stand-in moves no trial by a phase.", param=f"{where}[trial_end]")


def _check_anchor(ctx: Ctx, schedule: Obj, phases: list[dict[str, Any]], where: str) -> None:
    """Refuses what is undetermined: another interval, in flexible billing mode, on the anchor that is."""
    *_, before, phase = [None, *phases]
    if before is None or schedule["billing_mode"]["type"] == "classic":
        return
    moved = _intervals(ctx, before) != _intervals(ctx, phase)
    if moved and phase["billing_cycle_anchor"] != "phase_start":
        raise invalid(
            "This stand-in does not guess: to change the billing interval of a subscription in flexible "
            "billing mode, send `billing_cycle_anchor=phase_start` with the phase.",
            param=f"{where}[billing_cycle_anchor]",
        )


def _intervals(ctx: Ctx, phase: dict[str, Any]) -> set[tuple[str, int]]:
    return {every(ctx.store.get("price", item["price"])) for item in phase["items"]}


def _phase_item(ctx: Ctx, entry: dict[str, Any], where: str) -> dict[str, Any]:
    price = entry.get("price") or entry.get("plan")
    if not price:
        raise invalid(
            f"Missing required param: {where}[price].", code="parameter_missing", param=f"{where}[price]"
        )
    found = price_for(ctx, price, param=f"{where}[price]")
    return phase_item(
        found["id"],
        entry.get("quantity", 1),
        merge_metadata(None, entry.get("metadata")),
        _discounts(ctx, entry.get("discounts"), f"{where}[discounts]", ctx.now),
        tax_rates.chosen(ctx, entry.get("tax_rates"), param=f"{where}[tax_rates]"),
    )


def _date(ctx: Ctx, given: Any) -> int:
    return ctx.now if given == "now" else int(given)


def _end(ctx: Ctx, entry: dict[str, Any], items: list[dict[str, Any]], start: int) -> int:
    """A phase's end: its date, its duration, or one billing period."""
    if "end_date" in entry and "duration" in entry:
        raise invalid("You may only specify one of these parameters: duration, end_date.", param="phases")
    if "end_date" in entry:
        return _date(ctx, entry["end_date"])
    if "duration" in entry:
        return shift(start, entry["duration"]["interval"], entry["duration"].get("interval_count", 1))
    return shift(start, *every(ctx.store.get("price", items[0]["price"])))

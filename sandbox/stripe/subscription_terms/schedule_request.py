"""The phases and settings of a schedule as a request gives them: dated, checked and complete.

An update sends the current phase and those ahead, with everything that they are to keep: what a phase leaves
out it no longer has. Phases of the past stay as they were, and aren't sent.
https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from collections.abc import Iterable
from typing import Any

from ..catalog.catalog import every
from ..core.kernel import Ctx, Obj, StripeError, invalid
from ..core.periods import shift
from ..core.updates import require_own
from ..payments.payments import payment_method_for
from ..taxes import automatic_tax, tax_rates
from .schedule_items import discounts_asked, extras_asked, item_asked, require_currency
from .schedule_shapes import invoice_settings, phase_shape

MOST_PHASES = 10
"""So many phases may be current or ahead."""
NOT_BUILT = ("application_fee_percent", "billing_thresholds", "on_behalf_of", "transfer_data")
INVOICES_NOT_BUILT = ("account_tax_ids", "custom_fields", "description", "footer")

Phase = dict[str, Any]


def phases_of(ctx: Ctx, schedule: Obj, given: list[Phase], start: int | None = None) -> list[Phase]:
    """All phases of a schedule when these are sent for it; the first begins at `start`, or says when.

    Raises 400 for gaps, for phases that are over, and when the current one isn't the first.
    """
    if not given:
        raise _without_start()
    if start is None and "start_date" not in given[0]:
        raise _without_start()
    current = schedule["current_phase"]
    passed = [one for one in schedule["phases"] if current and one["end_date"] <= current["start_date"]]
    phases: list[Phase] = []
    for index, entry in enumerate(given):
        where = f"phases[{index}]"
        phase = _phase(ctx, schedule, entry, where, phases[-1]["end_date"] if phases else start)
        if phases and phase["start_date"] != phases[-1]["end_date"]:
            raise invalid(
                f"Phases must follow each other without gaps: phase {index} starts at {phase['start_date']}, "
                f"the one before ends at {phases[-1]['end_date']}.",
                param=f"{where}[start_date]",
            )
        _require_ahead(ctx, phase, current, where)
        _check_interval(ctx, schedule, phases, phase, where)
        phases.append(phase)
    first, last = phases[0], phases[-1]
    if current and (first["start_date"] != current["start_date"] or last["end_date"] <= ctx.now):
        raise invalid(
            "The phases of an update must contain the current phase, with its start date "
            f"{current['start_date']} and an end date in the future.",
            param="phases",
        )
    if current and ctx.switches.started_phase == "closed":
        _require_same_items(schedule, first)
    if len(phases) > MOST_PHASES:
        message = f"A subscription schedule can have at most {MOST_PHASES} current and future phases."
        raise invalid(message, param="phases")
    return passed + phases


def without_discounts(phases: Iterable[Phase], given: list[Phase]) -> list[int]:
    """Where those of the sent phases begin that asked for no discount at all, not even the customer's."""
    sent = list(phases)[-len(given) :]
    return [
        phase["start_date"]
        for phase, entry in zip(sent, given, strict=True)
        if "discounts" in entry and not entry["discounts"]
    ]


def take_settings(ctx: Ctx, schedule: Obj, given: dict[str, Any]) -> None:
    """Change a schedule's `default_settings` by what the request says of them."""
    settings = schedule["default_settings"]
    _refuse(given, "default_settings")
    settings.update(_terms(ctx, schedule, given, "default_settings"))
    if "billing_cycle_anchor" in given:
        settings["billing_cycle_anchor"] = given["billing_cycle_anchor"]
    if settings["invoice_settings"] is None:
        settings["invoice_settings"] = invoice_settings(None)


def moment(ctx: Ctx, given: Any) -> int:
    """A date, or `now`."""
    return ctx.now if given == "now" else int(given)


def _phase(ctx: Ctx, schedule: Obj, entry: Phase, where: str, after: int | None) -> Phase:
    _refuse(entry, where)
    if not entry["items"]:
        raise invalid("A phase must have at least one item.", param=f"{where}[items]")
    items = [item_asked(ctx, item, f"{where}[items][{i}]") for i, item in enumerate(entry["items"])]
    start = moment(ctx, entry.get("start_date", after))
    end = _end(ctx, entry, items, start, where)
    if end <= start:
        raise invalid("The end date of a phase must be after its start date.", param=f"{where}[end_date]")
    trial_end = _trial_end(entry, start, end, where)
    anchor = entry.get("billing_cycle_anchor")
    if anchor == "phase_start" and trial_end is not None:
        message = "`billing_cycle_anchor` can't be `phase_start` in a phase with a trial."
        raise invalid(message, param=f"{where}[billing_cycle_anchor]")
    terms = _terms(ctx, schedule, entry, where)
    _require_due_days(schedule, terms, where)
    rates = _default_rates(ctx, schedule, entry, terms, where)
    extras = extras_asked(ctx, entry.get("add_invoice_items") or [], f"{where}[add_invoice_items]")
    currency = _currency(ctx, schedule, entry, items, where)
    discounts = discounts_asked(ctx, entry.get("discounts"), f"{where}[discounts]", start)
    require_currency(ctx, discounts, currency, f"{where}[discounts]")
    for index, item in enumerate(items):
        require_currency(ctx, item["discounts"], currency, f"{where}[items][{index}][discounts]")
    return phase_shape(
        currency,
        start,
        end,
        items,
        **terms,
        add_invoice_items=extras,
        billing_cycle_anchor=anchor,
        default_tax_rates=rates,
        discounts=discounts,
        metadata=dict(entry.get("metadata") or {}),  # an empty value takes the subscription's key away
        proration_behavior=entry.get("proration_behavior", "create_prorations"),
        trial_end=trial_end,
    )


def _terms(ctx: Ctx, schedule: Obj, entry: dict[str, Any], where: str) -> dict[str, Any]:
    """What an entry says of the terms that phases and default settings have in common."""
    terms: dict[str, Any] = {}
    if "automatic_tax" in entry:
        enabled = automatic_tax.asked(entry["automatic_tax"], f"{where}[automatic_tax]")
        terms["automatic_tax"] = automatic_tax.of_subscription(enabled)
    if "collection_method" in entry:
        terms["collection_method"] = entry["collection_method"]
    if "description" in entry:
        terms["description"] = entry["description"] or None
    if "default_payment_method" in entry:
        param = f"{where}[default_payment_method]"
        method = entry["default_payment_method"]
        terms["default_payment_method"] = (
            payment_method_for(ctx, method, schedule["customer"], param=param)["id"] if method else None
        )
    if "invoice_settings" in entry:
        asked = entry["invoice_settings"]
        require_own(asked.get("issuer"), f"{where}[invoice_settings][issuer]")
        for name in INVOICES_NOT_BUILT:
            if asked.get(name):
                param = f"{where}[invoice_settings][{name}]"
                raise invalid(f"This stand-in does not support {name} in a schedule.", param=param)
        terms["invoice_settings"] = invoice_settings(asked.get("days_until_due"))
    return terms


def _require_due_days(schedule: Obj, terms: dict[str, Any], where: str) -> None:
    """Invoices that are sent must say when they are due."""
    settings = {**schedule["default_settings"], **terms}
    if settings["collection_method"] == "send_invoice" and not settings["invoice_settings"]["days_until_due"]:
        raise invalid(
            "If collection_method is `send_invoice`, you must pass `days_until_due`.",
            param=f"{where}[invoice_settings][days_until_due]",
        )


def _refuse(entry: dict[str, Any], where: str) -> None:
    for name in NOT_BUILT:
        if entry.get(name):
            raise invalid(f"This stand-in does not support {name} in a schedule.", param=f"{where}[{name}]")


def _default_rates(
    ctx: Ctx, schedule: Obj, entry: Phase, terms: dict[str, Any], where: str
) -> list[dict[str, Any]]:
    rates = tax_rates.chosen(
        ctx,
        entry.get("default_tax_rates"),
        param=f"{where}[default_tax_rates]",
        kept=[rate for phase in schedule["phases"] for rate in phase["default_tax_rates"]],
    )
    tax = terms.get("automatic_tax") or schedule["default_settings"]["automatic_tax"]
    if rates and tax["enabled"]:
        message = "You may not use `default_tax_rates` together with `automatic_tax[enabled]=true`."
        raise invalid(message, param=f"{where}[default_tax_rates]")
    return rates


def _currency(ctx: Ctx, schedule: Obj, entry: Phase, items: list[dict[str, Any]], where: str) -> str:
    """The currency of a phase, which is that of its prices and of the phases before."""
    currencies = {ctx.store.get("price", item["price"])["currency"] for item in items}
    known = {phase["currency"] for phase in schedule["phases"]}
    asked = entry["currency"].lower() if "currency" in entry else min(known or currencies)
    if currencies != {asked} or known - {asked}:
        other = min((currencies | known) - {asked})
        raise invalid(
            f"The price specified only supports {other}. This doesn't match the expected currency: {asked}.",
            param=f"{where}[currency]" if "currency" in entry else f"{where}[items]",
        )
    return str(asked)


def _trial_end(entry: Phase, start: int, end: int, where: str) -> int | None:
    """Until when a phase is a trial: its own end with `trial`; None without one."""
    given = entry.get("trial_end")
    if entry.get("trial") and given is not None:
        raise invalid("You may only specify one of these parameters: trial, trial_end.", param=where)
    if entry.get("trial"):
        return end
    if given in (None, "now"):
        return None
    if not start < given <= end:
        message = "The trial of a phase must end after the phase's start, and before its end."
        raise invalid(message, param=f"{where}[trial_end]")
    return int(given)


def _end(ctx: Ctx, entry: Phase, items: list[dict[str, Any]], start: int, where: str) -> int:
    """A phase's end: its date, its duration, or one billing period."""
    if "end_date" in entry and "duration" in entry:
        raise invalid("You may only specify one of these parameters: duration, end_date.", param=where)
    if "end_date" in entry:
        return moment(ctx, entry["end_date"])
    if "duration" in entry:
        return shift(start, entry["duration"]["interval"], entry["duration"].get("interval_count", 1))
    return shift(start, *every(ctx.store.get("price", items[0]["price"])))


def _require_ahead(ctx: Ctx, phase: Phase, current: Phase | None, where: str) -> None:
    """Refuses a phase that is over: only the current one may end now, for another to begin."""
    begun = current is not None and phase["start_date"] == current["start_date"]
    if phase["end_date"] < ctx.now or (phase["end_date"] == ctx.now and not begun):
        raise invalid(
            "The end date of a phase is in the past: phases that are over can't be changed, leave them out.",
            param=f"{where}[end_date]",
        )


def _require_same_items(schedule: Obj, first: Phase) -> None:
    """Refuses other items in the phase that has begun: see `Switches.started_phase`."""

    def charged(phase: Phase) -> list[tuple[str, int | None]]:
        return [(item["price"], item.get("quantity")) for item in phase["items"]]

    known = next(one for one in schedule["phases"] if one["start_date"] == first["start_date"])
    if charged(known) != charged(first):
        message = "You cannot modify the items of a phase that has already started."
        raise invalid(message, param="phases[0][items]")


def _check_interval(ctx: Ctx, schedule: Obj, before: list[Phase], phase: Phase, where: str) -> None:
    """Refuses what no page says, unless the account's settings do: in flexible billing mode, another interval
    on the anchor that is."""
    settled = ctx.switches.phase_interval != "refused" or schedule["billing_mode"]["type"] == "classic"
    if not before or settled or _anchor(schedule, phase) == "phase_start":
        return
    if _intervals(ctx, before[-1]) != _intervals(ctx, phase):
        raise invalid(
            "This stand-in does not guess: to change the billing interval of a subscription in flexible "
            "billing mode, send `billing_cycle_anchor=phase_start` with the phase.",
            param=f"{where}[billing_cycle_anchor]",
        )


def _anchor(schedule: Obj, phase: Phase) -> str:
    return str(phase["billing_cycle_anchor"] or schedule["default_settings"]["billing_cycle_anchor"])


def _intervals(ctx: Ctx, phase: Phase) -> set[tuple[str, int]]:
    return {every(ctx.store.get("price", item["price"])) for item in phase["items"]}


def _without_start() -> StripeError:
    return invalid(
        "The subscription schedule update is missing at least one phase with a `start_date` to anchor "
        "end dates to.",
        param="phases",
    )

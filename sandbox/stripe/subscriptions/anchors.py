"""Where the billing cycle of a new subscription is anchored.

https://docs.stripe.com/billing/subscriptions/billing-cycle
"""

import calendar
from datetime import UTC, datetime
from typing import Any

from ..catalog.catalog import every
from ..core.kernel import Ctx, Obj, invalid
from ..core.periods import MONTHS, period_after

CONFIG = "billing_cycle_anchor_config"
PARTS = {"day_of_month": (1, 31), "month": (1, 12), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}


def anchor_of(
    ctx: Ctx, params: dict[str, Any], prices: list[Obj], start: int, trial_end: int | None, mode: str
) -> int:
    """The anchor that the parameters ask for: a time, or a date that returns; else the start.

    Raises 400 for one in the past, or later than the first period's end, and for a date of prices that are
    not billed by months.
    """
    given = params.get("billing_cycle_anchor")
    if CONFIG in params:
        return _by_date(ctx, params, prices, start)
    if isinstance(given, dict):
        given = given.get("timestamp")
    if given is None:
        if start < ctx.now and mode == "classic":
            raise invalid(
                "This stand-in backdates a subscription in classic billing mode only together with "
                "`billing_cycle_anchor`.",
                param="backdate_start_date",
            )
        return trial_end or start
    if given <= ctx.now:
        raise invalid("billing_cycle_anchor must be in the future", param="billing_cycle_anchor")
    natural = min(period_after(start, *every(price), start)[1] for price in prices)
    if given > natural and not trial_end:
        raise invalid(
            f"billing_cycle_anchor cannot be later than next natural billing date ({natural}) for plan",
            param="billing_cycle_anchor",
        )
    return int(given)


def config_of(params: dict[str, Any]) -> Obj | None:
    """The date as the subscription shows it."""
    given = params.get(CONFIG)
    return {name: given.get(name) for name in PARTS} if given else None


def _by_date(ctx: Ctx, params: dict[str, Any], prices: list[Obj], start: int) -> int:
    """The next such date of the cycle that has this very day, so that the cycle returns to it.

    A cycle of two months from February on the 31st bills on 28 February first, and is anchored on 31 August.
    """
    for name in ("billing_cycle_anchor", "backdate_start_date"):
        if name in params:
            raise invalid(f"You may only specify one of these parameters: {CONFIG}, {name}.", param=CONFIG)
    config = params[CONFIG]
    for name, (least, most) in PARTS.items():
        if name in config and not least <= config[name] <= most:
            raise invalid(f"`{name}` must be between {least} and {most}.", param=f"{CONFIG}[{name}]")
    intervals = [every(price) for price in prices]
    if any(unit not in MONTHS for unit, _ in intervals):
        raise invalid(f"`{CONFIG}` is for prices by months or years only.", param=CONFIG)
    step = min(MONTHS[unit] * count for unit, count in intervals)
    begun = datetime.fromtimestamp(start, UTC)
    time = {name: config.get(name, getattr(begun, name)) for name in ("hour", "minute", "second")}

    def at(month: int) -> datetime:
        year, index = divmod(month, 12)
        day = min(config["day_of_month"], calendar.monthrange(year, index + 1)[1])
        return datetime(year, index + 1, day, tzinfo=UTC, **time)

    month = begun.year * 12 + config.get("month", begun.month) - 1
    if at(month) <= begun:
        month += 12 if "month" in config else 1
    same_day = (later for later in range(month, month + 48, step) if at(later).day == config["day_of_month"])
    return int(at(next(same_day, month)).timestamp())

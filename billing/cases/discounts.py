"""What a coupon or promotion code is worth: its value over its duration, at most a year.

Counted when it is noticed, before taxes, from what is billed regularly then:

- A percentage is taken of each item of the subscription and rounded half up; an amount off is taken once an
  invoice, and no more than that invoice comes to.
- That times the most invoices that can fall within its duration: one for `once`; else of N months, of which
  `forever` has twelve and none has more, N for a monthly price, one for a yearly price, one a week or day for
  those, rounded up.
- One redeemed for an item counts on that item. One redeemed for a customer counts on each of their
  subscriptions that has none of its own; with `once`, on the one that loses most by it.
- What has no fixed price (metered, tiered) counts nothing here, and neither do invoices made by hand: an
  amount off then counts once, a percentage nothing. What a discount takes off beyond what was counted, on
  whichever invoice, is counted when that invoice is final.

Stripe, "Coupons": several discounts apply one after the other; here each counts as if it were alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Message

Interval = Literal["day", "week", "month", "year"]
Duration = Literal["once", "repeating", "forever"]

YEAR = 12
"""Months: the longest duration that counts."""
_DAYS_OF_YEAR = 365
_DAYS: Mapping[str, int] = {"day": 1, "week": 7}
_MONTHS: Mapping[str, int] = {"month": 1, "year": 12}


class Coupon(Message):
    """What it takes off: `percent`, or `amount` in minor units of the currency it is counted in."""

    name: str
    percent: Decimal | None = None
    amount: int = 0
    duration: Duration
    months: int | None = None
    """Of `repeating`."""
    products: frozenset[str] | None = None
    """The products that it holds for; None for all."""

    @property
    def words(self) -> str:
        """Its name, which says what it takes off, and for how long it does."""
        if self.duration == "repeating":
            return f"{self.name}, for {self.months} {'month' if self.months == 1 else 'months'}"
        return f"{self.name}, {self.duration}"


class BilledItem(Message):
    """What an item bills regularly: `amount` minor units each `count` intervals."""

    id: str
    product: str
    amount: int
    interval: Interval
    count: int = 1


class BilledSubscription(Message):
    """What a subscription bills regularly; `discounted` where it has discounts of its own."""

    items: tuple[BilledItem, ...]
    discounted: bool = False


def coupon_of(document: Mapping[str, Any], currency: str) -> Coupon:
    """From Stripe's JSON, as it counts in this currency; `applies_to` as far as it is expanded."""
    percent = document.get("percent_off")
    others = document.get("currency_options") or {}
    amount = document["amount_off"] if document.get("currency") == currency else None
    if amount is None:
        amount = (others.get(currency) or {}).get("amount_off")
    products = (document.get("applies_to") or {}).get("products")
    return Coupon(
        name=f"{document.get('name') or document['id']} ({_off(percent, amount, currency)} off)",
        percent=None if percent is None else Decimal(str(percent)),
        amount=amount or 0,
        duration=document["duration"],
        months=document.get("duration_in_months"),
        products=None if products is None else frozenset(products),
    )


def billed_by(subscription: Mapping[str, Any]) -> BilledSubscription:
    """From Stripe's JSON, with its items' prices."""
    items = subscription["items"]["data"]
    return BilledSubscription(
        items=tuple(item for one in items if (item := _billed(one)) is not None),
        discounted=bool(subscription.get("discounts")),
    )


def discount_value(
    coupon: Coupon, subscriptions: Sequence[BilledSubscription], *, item: str | None = None
) -> int:
    """What a discount on these subscriptions, or on one item of them, comes to: minor units."""
    worth = [_worth(coupon, _covered(coupon, one, item)) for one in subscriptions]
    if coupon.percent is None and not any(worth):
        return coupon.amount
    return max(worth, default=0) if coupon.duration == "once" else sum(worth)


def to_count(value: int, counted: Iterable[int]) -> int:
    """What is left to be counted of a discount's value, in minor units, beside what was counted before."""
    return max(value - sum(counted), 0)


def names_coupon(params: Any, coupon: str) -> bool:
    """Whether the parameters of a request ask anywhere for this coupon."""
    match params:
        case Mapping():
            return params.get("coupon") == coupon or any(names_coupon(one, coupon) for one in params.values())
        case list() | tuple():
            return any(names_coupon(one, coupon) for one in params)
    return False


def invoices_within(months: int, interval: Interval, count: int = 1) -> int:
    """The most invoices of a price that can fall within so many months, at most a year."""
    months = min(months, YEAR)
    if interval in _MONTHS:
        return -(-months // (_MONTHS[interval] * count))
    return -(-months * _DAYS_OF_YEAR // (YEAR * _DAYS[interval] * count))


def _worth(coupon: Coupon, items: Sequence[BilledItem]) -> int:
    times = [_times(coupon, one) for one in items]
    if coupon.percent is not None:
        return sum(n * _share(one.amount, coupon.percent) for n, one in zip(times, items, strict=True))
    return max(times, default=0) * min(coupon.amount, sum(one.amount for one in items))


def _times(coupon: Coupon, item: BilledItem) -> int:
    if coupon.duration == "once":
        return 1
    return invoices_within(coupon.months or YEAR, item.interval, item.count)


def _share(amount: int, percent: Decimal) -> int:
    return int((amount * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))


def _covered(coupon: Coupon, subscription: BilledSubscription, item: str | None) -> list[BilledItem]:
    return [
        one
        for one in subscription.items
        if item in (None, one.id) and (coupon.products is None or one.product in coupon.products)
    ]


def _billed(item: Mapping[str, Any]) -> BilledItem | None:
    """None where its price says no amount before it is used."""
    price = item["price"]
    recurring, unit = price["recurring"], price.get("unit_amount_decimal")
    if recurring.get("usage_type") == "metered" or unit is None:
        return None
    product = price["product"]
    amount = Decimal(str(unit)) * (item.get("quantity") or 0)
    return BilledItem(
        id=item["id"],
        product=product["id"] if isinstance(product, Mapping) else product,
        amount=int(amount.quantize(Decimal(1), ROUND_HALF_UP)),
        interval=recurring["interval"],
        count=recurring["interval_count"],
    )


def _off(percent: Any, amount: int | None, currency: str) -> str:
    if percent is not None:
        return f"{Decimal(str(percent)).normalize():f}%"
    return Money(amount_minor=amount or 0, currency=currency).format()

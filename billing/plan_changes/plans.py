"""Plans: what an organization can subscribe to. Stripe keeps them, as a product with metadata and prices.

Metadata of a product: `plixo_plan` (the plan's short name), `seats_included` (the most seats it can hold),
`limit_customers` and `limit_ar_balance` (missing or "unlimited": no limit; the latter in minor units).
A price's own `limit_customers` and `limit_ar_balance` win over its product's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import Field

from ..core.errors import Code, InvalidRequest, PlanMisconfigured
from ..core.money import Currency
from ..core.operations import Message, Problem
from ..core.text import SLUG, Slug

Interval = Literal["month", "year"]
UNLIMITED = "unlimited"
WHOLE = r"[0-9]{1,18}"
"""A whole number that a database's 64 bits hold."""
NOT_WHOLE = "is not a whole number of minor units a seat"
NOT_A_SEAT = ("price_tiered", "price_packaged", "price_decimal")
"""What is wrong with prices that would sell a plan, were they so much a seat."""
LIMITS = ("limit_customers", "limit_ar_balance")


class PlanLimits(Message):
    """The most that a plan allows; None is unlimited. `ar_balance` is in the price's minor units."""

    seats: int | None = Field(default=None, ge=1)
    customers: int | None = Field(default=None, ge=0)
    ar_balance: int | None = Field(default=None, ge=0)


class Price(Message):
    """One Stripe price: minor units per seat and interval."""

    id: str
    interval: Interval
    unit_amount: int = Field(ge=0)
    currency: Currency
    limits: PlanLimits | None = None
    """The limits at this price where its own metadata overrides the plan's; None: the plan's."""


class Plan(Message):
    """A Stripe product that organizations subscribe to. `seats_included` is the most seats it can hold.

    One that is `unavailable`, for that reason, can't be subscribed to: it has what could be read of it.
    """

    plan: Slug
    name: str
    product: str
    seats_included: int = Field(ge=0)
    """0 where it can't be read, which makes the plan unavailable."""
    limits: PlanLimits
    prices: tuple[Price, ...]
    unavailable: str | None = None

    def price(self, interval: str, currency: str) -> Price:
        """Raises InvalidRequest (`currency_unavailable`, `interval_unavailable`) if the plan is not sold
        so."""
        for price in self.prices:
            if price.interval == interval and price.currency == currency:
                return price
        sold = ", ".join(f"{p.interval} in {p.currency.upper()}" for p in self.prices) or "nothing"
        if currency not in {price.currency for price in self.prices}:
            raise InvalidRequest(
                Code.CURRENCY_UNAVAILABLE,
                f"{self.name} is not sold in {currency.upper()}, in which you are billed, only by: {sold}",
                field="plan",
            )
        raise InvalidRequest(
            Code.INTERVAL_UNAVAILABLE,
            f"{self.name} is not sold by the {interval} in {currency.upper()}, only by: {sold}",
            field="interval",
        )

    def limits_at(self, price: Price | None) -> PlanLimits:
        """The limits that hold at a price of this plan: the price's own win."""
        return (price and price.limits) or self.limits


def find_plan(plans: Sequence[Plan], slug: str) -> Plan:
    """Raises InvalidRequest (`unknown_plan`), naming the plans that there are."""
    for plan in plans:
        if plan.plan == slug:
            return plan
    known = ", ".join(sorted(p.plan for p in plans)) or "none"
    raise InvalidRequest(Code.UNKNOWN_PLAN, f"There is no plan {slug!r}; known plans: {known}", field="plan")


def plan_on_sale(plans: Sequence[Plan], slug: str) -> Plan:
    """Raises InvalidRequest, as `find_plan` does, or `plan_unavailable` with the reason."""
    plan = find_plan(plans, slug)
    if plan.unavailable:
        message = f"{plan.name} is currently unavailable. {plan.unavailable}"
        raise InvalidRequest(Code.PLAN_UNAVAILABLE, message, field="plan")
    return plan


def is_plan(product: Mapping[str, Any]) -> bool:
    """Whether a Stripe product is meant to be one of ours: only those have a `plixo_plan`."""
    return "plixo_plan" in (product.get("metadata") or {})


def plan_from_stripe(product: Mapping[str, Any], prices: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan that a Stripe product and its prices describe, both in Stripe's JSON.

    Of the prices, those count that are the product's, active, licensed and charged every month or year.
    Raises PlanMisconfigured, naming the object, the key and the fix.
    """
    product_id: str = product["id"]
    slug = _slug(product)
    seats = _seats(product)
    limits = PlanLimits(
        seats=seats,
        customers=_count(product, "limit_customers"),
        ar_balance=_count(product, "limit_ar_balance"),
    )
    sold = [price for price in prices if _counts(price, product_id)]
    _check_prices(product_id, sold, limits)
    return Plan(
        plan=slug,
        name=product.get("name") or slug,
        product=product_id,
        seats_included=seats,
        limits=limits,
        prices=tuple(_price(price, limits) for price in sold),
    )


def plan_as_it_is(slug: str, price: Mapping[str, Any]) -> Plan:
    """The plan that a price in Stripe's JSON (product expanded) is of, where it was known as `slug`.

    Raises InvalidRequest `plan_unavailable` where it is another one by now, and PlanMisconfigured.
    """
    plan = plan_from_stripe(price["product"], [price])
    if plan.plan != slug:
        message = f"What was sold as {slug} is {plan.name} in Stripe by now"
        raise InvalidRequest(Code.PLAN_UNAVAILABLE, message, field="plan")
    return plan


def read_plan(product: Mapping[str, Any], prices: Sequence[Mapping[str, Any]]) -> Plan:
    """As `plan_from_stripe`, but a plan that is described wrongly is unavailable, and says why.

    Raises PlanMisconfigured only for a product that does not say which plan it is.
    """
    try:
        return plan_from_stripe(product, prices)
    except PlanMisconfigured as wrong:
        slug = _slug(product)
        return Plan(
            plan=slug,
            name=product.get("name") or slug,
            product=product["id"],
            seats_included=_or(0, _seats, product),
            limits=PlanLimits(
                seats=_or(None, _seats, product),
                customers=_or(None, _count, product, "limit_customers"),
                ar_balance=_or(None, _count, product, "limit_ar_balance"),
            ),
            prices=(),
            unavailable=wrong.message,
        )


def price_problem(price: Mapping[str, Any]) -> Problem | None:
    """Why nobody can be on a plan at this price: it is not so much a seat by the month or year. The message
    is what comes after the price's id."""
    recurring = price.get("recurring")
    if not recurring:
        return Problem(code="price_once", message="is charged once")
    interval, count = recurring.get("interval"), recurring.get("interval_count", 1)
    if recurring.get("usage_type", "licensed") != "licensed":
        return Problem(code="price_metered", message="is metered")
    if interval not in get_args(Interval) or count != 1:
        every = interval if count == 1 else f"{count} {interval}s"
        return Problem(code="price_interval", message=f"is charged every {every}")
    if price.get("billing_scheme") == "tiered":
        return Problem(code="price_tiered", message="is tiered")
    if price.get("transform_quantity"):
        return Problem(code="price_packaged", message="is charged by packages of seats")
    if price.get("unit_amount") is None:
        return Problem(code="price_decimal", message=NOT_WHOLE)
    return None


def _or(default: Any, read: Callable[..., Any], *of: Any) -> Any:
    try:
        return read(*of)
    except PlanMisconfigured:
        return default


def _slug(product: Mapping[str, Any]) -> str:
    slug = (product.get("metadata") or {}).get("plixo_plan")
    if not slug or not re.fullmatch(SLUG, slug):
        problem = "is missing" if not slug else f"is {slug!r}"
        raise PlanMisconfigured(
            product["id"], "plixo_plan", problem, "Set a short name of a-z, 0-9, - and _, such as starter."
        )
    return str(slug)


def _count(thing: Mapping[str, Any], key: str) -> int | None:
    """A limit of an object's metadata; None where it is missing or unlimited."""
    text = (thing.get("metadata") or {}).get(key)
    if text is None or text == UNLIMITED:
        return None
    if not re.fullmatch(WHOLE, text):
        raise PlanMisconfigured(thing["id"], key, f"is {text!r}", f'Set a whole number, or "{UNLIMITED}".')
    return int(text)


def _seats(product: Mapping[str, Any]) -> int:
    text = (product.get("metadata") or {}).get("seats_included") or ""
    if not re.fullmatch(WHOLE, text) or int(text) == 0:
        problem = f"is {text!r}" if text else "is missing"
        raise PlanMisconfigured(
            product["id"], "seats_included", problem, "Set the most seats that the plan can hold."
        )
    return int(text)


def _counts(price: Mapping[str, Any], product_id: str) -> bool:
    owner = price.get("product")
    if isinstance(owner, Mapping):
        owner = owner["id"]
    problem = price_problem(price)
    sold = problem is None or problem.code in NOT_A_SEAT
    return owner == product_id and bool(price.get("active")) and sold


def _check_prices(product_id: str, prices: Sequence[Mapping[str, Any]], limits: PlanLimits) -> None:
    seen: dict[tuple[str, str], str] = {}
    for price in prices:
        if price_problem(price) is not None:
            raise PlanMisconfigured(
                price["id"],
                "unit_amount",
                NOT_WHOLE,
                "Deactivate the price or replace it by one per unit.",
            )
        sold_as = (price["recurring"]["interval"], price["currency"])
        if other := seen.get(sold_as):
            raise PlanMisconfigured(
                price["id"],
                "recurring",
                f"is by the {sold_as[0]} in {sold_as[1].upper()}, as is {other}",
                "Deactivate one of the two.",
            )
        seen[sold_as] = price["id"]
    if not prices:
        raise PlanMisconfigured(
            product_id, "prices", "has no active monthly or yearly one", "Add a recurring, licensed price."
        )
    if limits.ar_balance is not None and len({price["currency"] for price in prices}) > 1:
        for price in prices:
            if "limit_ar_balance" not in (price.get("metadata") or {}):
                raise PlanMisconfigured(
                    price["id"],
                    "limit_ar_balance",
                    "is missing, and the product's is in no one currency: it is sold in several",
                    "Set it on each price, in that price's minor units.",
                )


def _price(price: Mapping[str, Any], limits: PlanLimits) -> Price:
    metadata = price.get("metadata") or {}
    interval: Interval = price["recurring"]["interval"]
    own = None
    if any(key in metadata for key in LIMITS):
        own = PlanLimits(
            seats=limits.seats,
            customers=_count(price, "limit_customers") if "limit_customers" in metadata else limits.customers,
            ar_balance=_count(price, "limit_ar_balance")
            if "limit_ar_balance" in metadata
            else limits.ar_balance,
        )
    return Price(
        id=price["id"],
        interval=interval,
        unit_amount=price["unit_amount"],
        currency=price["currency"],
        limits=own,
    )

"""Add-ons: what can be had beside a plan. Stripe keeps them, as a product with metadata and prices.

Metadata of the product: `plixo_add_on` (the add-on's short name). The policy names those that can be
requested (`plan_change.add_ons`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from ...core.errors import Code, InvalidRequest, PlanMisconfigured
from ...core.operations import Message
from ...core.text import SLUG, Slug
from ..plans import Price, price_problem
from .others import OtherItem, in_order

MOST = 1_000_000


class AddOn(Message):
    """A Stripe product that can be had beside a plan, at so much a piece.

    One that is `unavailable`, for that reason, can't be requested.
    """

    add_on: Slug
    name: str
    product: str
    prices: tuple[Price, ...]
    unavailable: str | None = None

    def price(self, interval: str, currency: str) -> Price:
        """Raises InvalidRequest (`add_on_unavailable`) if it is not sold so."""
        if self.unavailable:
            raise _unavailable(f"{self.name} is currently unavailable. {self.unavailable}")
        for price in self.prices:
            if price.interval == interval and price.currency == currency:
                return price
        sold = ", ".join(f"{one.interval} in {one.currency.upper()}" for one in self.prices) or "nothing"
        raise _unavailable(
            f"{self.name} is not sold by the {interval} in {currency.upper()}, only by: {sold}"
        )

    def priced(self, price: Price) -> "PricedAddOn":
        return PricedAddOn(add_on=self.add_on, name=self.name, price=price.id, unit_amount=price.unit_amount)


class AddOnQuantity(Message):
    """How many of an add-on are wanted; 0 takes it away."""

    add_on: Slug
    quantity: int = Field(ge=0, le=MOST)


class PricedAddOn(Message):
    """An add-on at the price at which it comes with a change, in minor units a piece."""

    add_on: Slug
    name: str
    price: str
    unit_amount: int


def is_add_on(product: Mapping[str, Any]) -> bool:
    """Whether a Stripe product is meant to be an add-on."""
    return "plixo_add_on" in (product.get("metadata") or {})


def add_on_of(product: Mapping[str, Any]) -> str | None:
    """The short name that a Stripe product has as an add-on; None where it is none."""
    name = (product.get("metadata") or {}).get("plixo_add_on")
    return str(name) if name and re.fullmatch(SLUG, name) else None


def add_on_from_stripe(product: Mapping[str, Any], prices: Sequence[Mapping[str, Any]]) -> AddOn:
    """The add-on that a product and its active prices describe, both in Stripe's JSON.

    Of the prices, those count that are so much a piece by the month or year. Raises PlanMisconfigured for a
    product that does not say which add-on it is.
    """
    slug = add_on_of(product)
    if slug is None:
        wrong = (product.get("metadata") or {}).get("plixo_add_on")
        raise PlanMisconfigured(
            product["id"],
            "plixo_add_on",
            f"is {wrong!r}" if wrong else "is missing",
            "Set a short name of a-z, 0-9, - and _, such as priority-support.",
        )
    sold = [
        Price(
            id=price["id"],
            interval=price["recurring"]["interval"],
            unit_amount=price["unit_amount"],
            currency=price["currency"],
        )
        for price in prices
        if price_problem(price) is None and price.get("active")
    ]
    ways = [(price.interval, price.currency) for price in sold]
    twice = next((f"{way[0]} in {way[1].upper()}" for way in ways if ways.count(way) > 1), None)
    why = None
    if not sold:
        why = f"{product['id']} has no active price of so much a piece by the month or year."
    elif twice:
        why = f"{product['id']} has two active prices by the {twice}."
    return AddOn(
        add_on=slug,
        name=product.get("name") or slug,
        product=product["id"],
        prices=() if why else tuple(sold),
        unavailable=why,
    )


def find_add_on(add_ons: Sequence[AddOn], offered: Sequence[str], slug: str) -> AddOn:
    """Raises InvalidRequest (`unknown_add_on`), naming those that the policy offers and Stripe has."""
    for add_on in add_ons:
        if add_on.add_on == slug and slug in offered:
            return add_on
    known = ", ".join(sorted(one.add_on for one in add_ons if one.add_on in offered)) or "none"
    raise InvalidRequest(
        Code.UNKNOWN_ADD_ON, f"There is no add-on {slug!r}; known add-ons: {known}", field="add_ons"
    )


def to_be_priced(
    asked: Sequence[AddOnQuantity], now: Sequence[OtherItem], offered: Sequence[str], new_interval: bool
) -> tuple[str, ...]:
    """The add-ons whose price has to be looked up: new ones, and with a new interval all that stay."""
    wanted = {one.add_on: one.quantity for one in asked}
    held = [one.add_on for one in now if one.add_on is not None]
    follow = [slug for slug in held if new_interval and slug in offered and wanted.get(slug, 1)]
    new = [slug for slug, quantity in wanted.items() if quantity and slug not in held]
    return tuple(dict.fromkeys([*follow, *new]))


def price_add_ons(
    add_ons: Sequence[AddOn], offered: Sequence[str], slugs: Sequence[str], interval: str, currency: str
) -> tuple[PricedAddOn, ...]:
    """Raises InvalidRequest: `unknown_add_on`, `add_on_unavailable`."""
    wanted = [find_add_on(add_ons, offered, slug) for slug in slugs]
    return tuple(add_on.priced(add_on.price(interval, currency)) for add_on in wanted)


def priced_as_it_is(
    known: PricedAddOn, price: Mapping[str, Any], interval: str, currency: str
) -> PricedAddOn:
    """An add-on as its price in Stripe's JSON (product expanded) describes it, where it was `known` before.

    Raises InvalidRequest `add_on_unavailable` where it is another one or sold otherwise by now.
    """
    product = price["product"]
    if add_on_of(product) != known.add_on:
        raise _unavailable(f"{known.name} is another add-on in Stripe by now, or none")
    add_on = add_on_from_stripe(product, [{**price, "product": product["id"]}])
    return add_on.priced(add_on.price(interval, currency))


def held_twice(
    now: Sequence[OtherItem], asked: Sequence[AddOnQuantity], new_interval: bool
) -> tuple[OtherItem, ...]:
    """The items of which nobody can say which one is meant: an add-on is asked for, or follows to the new
    interval, and has several."""
    held = [one.add_on for one in now]
    named = {one.add_on for one in asked}
    return tuple(
        one
        for one in now
        if one.add_on is not None and held.count(one.add_on) > 1 and (new_interval or one.add_on in named)
    )


def others_after(
    now: Sequence[OtherItem], asked: Sequence[AddOnQuantity], priced: Sequence[PricedAddOn]
) -> tuple[OtherItem, ...]:
    """What there is beside the plan after the change: add-ons in the quantities asked for, everything else as
    it is. One that was priced is at that price from then on; any other keeps its own."""
    wanted = {one.add_on: one.quantity for one in asked}
    prices = {one.add_on: one for one in priced}
    named, after = set(wanted), []
    for item in now:
        if item.add_on is None:
            after.append(item)
        elif (quantity := wanted.pop(item.add_on, item.quantity)) or item.add_on not in named:
            price = prices[item.add_on].price if item.add_on in prices else item.price
            after.append(item.model_copy(update={"quantity": quantity, "price": price}))
    after += [
        OtherItem(price=prices[slug].price, quantity=quantity, name=prices[slug].name, add_on=slug)
        for slug, quantity in wanted.items()
        if quantity
    ]
    return in_order(after)


def _unavailable(message: str) -> InvalidRequest:
    return InvalidRequest(Code.ADD_ON_UNAVAILABLE, message, field="add_ons")

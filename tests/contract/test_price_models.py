"""Prices by tiers and packages. The figures follow from Stripe's page on pricing models."""

from typing import Any

import pytest
import stripe

from .billing import DAY, MAY, Business, amounts, items_of

TIERS = [
    {"up_to": 5, "unit_amount": 700},
    {"up_to": 10, "unit_amount": 650},
    {"up_to": "inf", "unit_amount": 600},
]


def price(business: Business, **more: Any) -> str:
    product = business.v1.products.create({"name": "Seats"}).id
    given = {"product": product, "currency": "usd", "recurring": {"interval": "month"}, **more}
    return str(business.v1.prices.create(given).id)


def tiered(business: Business, mode: str, tiers: list[dict[str, Any]] = TIERS) -> str:
    return price(business, billing_scheme="tiered", tiers_mode=mode, tiers=tiers)


def bill(business: Business, id: str, quantity: int) -> Any:
    subscription = business.subscribe(items=[{"price": id, "quantity": quantity}])
    return business.invoice(subscription.latest_invoice)


def refused(business: Business, **given: Any) -> str | None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        price(business, **given)
    return caught.value.param


@pytest.mark.parametrize(
    ("mode", "costs"),
    [("graduated", [3500, 4150, 12750, 15750]), ("volume", [3500, 3900, 12000, 15000])],
)
def test_tiers_price_each_unit_in_its_own_tier_or_all_in_the_last_ones(
    business: Business, mode: str, costs: list[int]
) -> None:
    id = tiered(business, mode)
    assert [bill(business, id, quantity).total for quantity in (5, 6, 20, 25)] == costs


def test_a_tier_may_cost_something_by_itself(business: Business) -> None:
    tiers = [{"up_to": 5, "flat_amount": 1000}, {"up_to": "inf", "unit_amount": 100, "flat_amount": 500}]
    id = tiered(business, "graduated", tiers)
    assert [bill(business, id, quantity).total for quantity in (1, 5, 7)] == [1000, 1000, 1700]


@pytest.mark.parametrize(("rounding", "total"), [("up", 3000), ("down", 2000)])
def test_units_may_be_sold_in_packages(business: Business, rounding: str, total: int) -> None:
    id = price(business, unit_amount=1000, transform_quantity={"divide_by": 100, "round": rounding})
    invoice = bill(business, id, 250)
    assert (invoice.total, invoice.lines.data[0].quantity) == (total, 250)


def test_a_fraction_of_a_cent_is_rounded_once_for_the_line(business: Business) -> None:
    assert bill(business, price(business, unit_amount_decimal="0.05"), 1234).total == 62


def test_a_proration_is_of_what_the_item_costs_before_and_after(business: Business) -> None:
    id = tiered(business, "graduated")
    subscription = business.subscribe(items=[{"price": id, "quantity": 5}])
    business.at(MAY - 15 * DAY)
    change = [{"id": items_of(subscription)[0].id, "quantity": 20}]

    preview = business.preview(subscription, items=change, proration_behavior="always_invoice")

    assert amounts(preview) == [-1750, 6375]


def test_tiers_are_shown_on_request_only(business: Business) -> None:
    id = tiered(business, "volume")
    plain = business.v1.prices.retrieve(id)
    shown = business.v1.prices.retrieve(id, {"expand": ["tiers"]})
    assert "tiers" not in plain.to_dict()
    assert (plain.unit_amount, plain.unit_amount_decimal, plain.tiers_mode) == (None, None, "volume")
    assert [(tier.up_to, tier.unit_amount) for tier in shown.tiers] == [(5, 700), (10, 650), (None, 600)]


def test_what_does_not_go_together_is_refused_by_name(business: Business) -> None:
    scheme = {"billing_scheme": "tiered", "tiers_mode": "volume"}
    assert refused(business, **scheme, tiers=TIERS[:2]) == "tiers"
    assert refused(business, **scheme, tiers=[TIERS[1], TIERS[0], TIERS[2]]) == "tiers"
    assert refused(business, billing_scheme="tiered", tiers=TIERS) == "tiers_mode"
    assert refused(business, unit_amount=100, tiers=TIERS, tiers_mode="volume") == "tiers"
    both = {"tiers": TIERS, "transform_quantity": {"divide_by": 10, "round": "up"}}
    assert refused(business, **scheme, **both) == "transform_quantity"


def test_of_nothing_nothing_is_charged_and_the_subscription_goes_on(business: Business) -> None:
    subscription = business.subscribe(items=[{"price": price(business, unit_amount=1000), "quantity": 0}])
    invoice = business.invoice(subscription.latest_invoice)
    assert (subscription.status, amounts(invoice), invoice.status) == ("active", [0], "paid")
    business.at(MAY - 15 * DAY)
    change = {
        "items": [{"id": items_of(subscription)[0].id, "quantity": 2}],
        "proration_behavior": "always_invoice",
    }
    changed = business.v1.subscriptions.update(subscription.id, change)
    assert amounts(business.invoice(changed.latest_invoice)) == [1000]
    assert changed.billing_cycle_anchor == subscription.billing_cycle_anchor

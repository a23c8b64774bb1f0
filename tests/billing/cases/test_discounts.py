"""What a coupon is worth over its duration, to the cent."""

from typing import Any

import pytest

from billing.cases.discounts import (
    BilledItem,
    BilledSubscription,
    Coupon,
    billed_by,
    coupon_of,
    discount_value,
    invoices_within,
    names_coupon,
    to_count,
)


def item(amount: int, interval: str = "month", **more: Any) -> BilledItem:
    return BilledItem.model_validate(
        {"id": "si_1", "product": "prod_1", "amount": amount, "interval": interval} | more
    )


def billed(*items: BilledItem) -> BilledSubscription:
    return BilledSubscription(items=items)


def coupon(**terms: Any) -> Coupon:
    return Coupon.model_validate({"name": "Spring", "duration": "forever"} | terms)


MONTHLY = billed(item(10_000))


@pytest.mark.parametrize(
    ("terms", "subscription", "value"),
    [
        ({"percent": "10", "duration": "once"}, MONTHLY, 1_000),
        ({"percent": "10", "duration": "repeating", "months": 3}, MONTHLY, 3_000),
        ({"percent": "10", "duration": "repeating", "months": 36}, MONTHLY, 12_000),
        ({"percent": "10"}, MONTHLY, 12_000),
        ({"percent": "100"}, MONTHLY, 120_000),
        ({"percent": "10"}, billed(item(120_000, "year")), 12_000),
        ({"percent": "10"}, billed(item(30_000, "month", count=3)), 12_000),
        ({"percent": "10"}, billed(item(50_000, "month", count=5)), 15_000),
        ({"percent": "10"}, billed(item(120_000, "year", count=2)), 12_000),
        ({"percent": "10"}, billed(item(1_000, "week")), 5_300),
        ({"percent": "10"}, billed(item(100, "day")), 3_650),
        ({"percent": "10", "duration": "repeating", "months": 1}, billed(item(1_000, "week")), 500),
        ({"percent": "10", "duration": "repeating", "months": 3}, billed(item(120_000, "year")), 12_000),
        # Each item is rounded by itself, half up.
        ({"percent": "12.5", "duration": "once"}, billed(item(1_004), item(1_004)), 252),
        ({"percent": "33.33", "duration": "once"}, billed(item(999)), 333),
        ({"percent": "10"}, billed(item(10_000), item(120_000, "year")), 24_000),
        ({"amount": 500, "duration": "once"}, MONTHLY, 500),
        ({"amount": 500}, MONTHLY, 6_000),
        ({"amount": 500}, billed(item(1_000), item(2_000)), 6_000),
        ({"amount": 50_000}, MONTHLY, 120_000),
        ({"amount": 500}, billed(), 500),
        ({"percent": "10"}, billed(), 0),
    ],
)
def test_the_value_over_the_duration(
    terms: dict[str, Any], subscription: BilledSubscription, value: int
) -> None:
    assert discount_value(coupon(**terms), [subscription]) == value


def test_one_on_an_item_or_for_some_products_counts_there_alone() -> None:
    two = billed(item(10_000, id="si_1", product="prod_1"), item(4_000, id="si_2", product="prod_2"))
    assert discount_value(coupon(percent="10"), [two], item="si_2") == 4_800
    assert discount_value(coupon(percent="10", products={"prod_1"}), [two]) == 12_000
    assert discount_value(coupon(percent="10", products={"prod_3"}), [two]) == 0


def test_one_of_a_customer_counts_on_each_subscription_and_once_on_the_dearest() -> None:
    several = [MONTHLY, billed(item(4_000))]
    assert discount_value(coupon(percent="10"), several) == 16_800
    assert discount_value(coupon(percent="10", duration="once"), several) == 1_000
    assert discount_value(coupon(amount=500, duration="once"), []) == 500


@pytest.mark.parametrize(
    ("months", "interval", "count", "most"),
    [(12, "month", 1, 12), (13, "month", 1, 12), (1, "day", 1, 31), (2, "week", 2, 5), (6, "year", 1, 1)],
)
def test_the_most_invoices_within_a_duration(months: int, interval: Any, count: int, most: int) -> None:
    assert invoices_within(months, interval, count) == most


def test_what_is_left_to_count_is_never_less_than_nothing() -> None:
    assert (to_count(1_000, [300, 200]), to_count(1_000, [1_500]), to_count(1_000, [])) == (500, 0, 1_000)


PERCENT = {"id": "spring", "percent_off": 12.5, "amount_off": None, "duration": "repeating"}


def test_a_coupon_is_read_from_stripe_in_the_currency_that_is_billed() -> None:
    read = coupon_of(PERCENT | {"duration_in_months": 3}, "usd")
    assert (read.words, str(read.percent)) == ("spring (12.5% off), for 3 months", "12.5")
    document = {
        "id": "c",
        "name": "Welcome",
        "amount_off": 500,
        "currency": "usd",
        "duration": "once",
        "currency_options": {"eur": {"amount_off": 450}},
        "applies_to": {"products": ["prod_1"]},
    }
    euros = coupon_of(document, "eur")
    assert (euros.amount, euros.words) == (450, "Welcome (EUR 4.50 off), once")
    assert euros.products == {"prod_1"}
    assert coupon_of(document, "usd").amount == 500


def _stripe_item(**price: Any) -> dict[str, Any]:
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    given = {"product": {"id": "prod_1"}, "unit_amount_decimal": "1000", "recurring": recurring}
    return {"id": "si_1", "quantity": 6, "price": given | price}


def test_what_is_billed_is_read_from_the_items_that_have_a_fixed_price() -> None:
    metered = {"interval": "month", "interval_count": 1, "usage_type": "metered"}
    items = [
        _stripe_item(),
        _stripe_item(unit_amount_decimal="0.5", product="prod_2"),
        _stripe_item(unit_amount_decimal=None),
        _stripe_item(recurring=metered),
    ]
    read = billed_by({"items": {"data": items}, "discounts": ["di_1"]})
    assert [(one.product, one.amount) for one in read.items] == [("prod_1", 6_000), ("prod_2", 3)]
    assert read.discounted


def test_a_request_names_a_coupon_wherever_it_does() -> None:
    params = {
        "phases": [{"items": [{"discounts": [{"coupon": "spring"}]}], "discounts": [{"discount": "di_1"}]}]
    }
    assert names_coupon(params, "spring")
    assert not names_coupon(params, "autumn")

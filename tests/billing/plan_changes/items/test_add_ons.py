from typing import Any

import pytest

from billing.core.errors import InvalidRequest, PlanMisconfigured
from billing.plan_changes.items.add_ons import (
    AddOn,
    AddOnQuantity,
    PricedAddOn,
    add_on_from_stripe,
    find_add_on,
    is_add_on,
    others_after,
    price_add_ons,
    to_be_priced,
)
from billing.plan_changes.items.others import in_order
from billing.plan_changes.plans import Price

from ...builders import stripe_price
from .test_others import SUPPORT, USAGE, an_item

PRODUCT = {"id": "prod_s", "name": "Support", "metadata": {"plixo_add_on": "support"}}
OFFERED = ("support", "storage")
ADD_ON = AddOn(
    add_on="support",
    name="Support",
    product="prod_s",
    prices=(Price(id="month", interval="month", unit_amount=1500, currency="usd"),),
)


def asked(**quantities: int) -> list[AddOnQuantity]:
    return [AddOnQuantity(add_on=name, quantity=quantity) for name, quantity in quantities.items()]


def priced(name: str, price: str) -> PricedAddOn:
    return PricedAddOn(add_on=name, name=name.title(), price=price, unit_amount=1500)


# --- As Stripe describes them -------------------------------------------------------------------------------


def test_an_add_on_is_a_product_that_says_so_with_prices_a_piece():
    prices = [
        stripe_price(id="month"),
        stripe_price(id="once") | {"recurring": None},
        stripe_price(id="weekly", recurring={"interval": "week"}),
        stripe_price(id="metered", recurring={"usage_type": "metered"}),
        stripe_price(id="former", active=False),
        stripe_price(id="year", recurring={"interval": "year"}),
    ]
    add_on = add_on_from_stripe(PRODUCT, prices)
    assert (is_add_on(PRODUCT), is_add_on({"id": "p", "metadata": {}})) == (True, False)
    assert (add_on.add_on, add_on.name, [one.id for one in add_on.prices]) == (
        "support",
        "Support",
        ["month", "year"],
    )
    assert add_on.unavailable is None


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ([], "no active price"),
        ([stripe_price(id="a"), stripe_price(id="b")], "two active prices by the month"),
    ],
)
def test_one_that_is_sold_wrongly_is_unavailable_and_says_why(prices: list[dict[str, Any]], why: str):
    add_on = add_on_from_stripe(PRODUCT, prices)
    assert why in (add_on.unavailable or "")
    with pytest.raises(InvalidRequest, match=why) as refused:
        add_on.price("month", "usd")
    assert (refused.value.code, refused.value.field) == ("add_on_unavailable", "add_ons")


def test_a_product_that_does_not_say_which_add_on_it_is_is_none():
    with pytest.raises(PlanMisconfigured, match="plixo_add_on is 'Not A Name'"):
        add_on_from_stripe(PRODUCT | {"metadata": {"plixo_add_on": "Not A Name"}}, [])
    with pytest.raises(PlanMisconfigured, match="plixo_add_on is missing"):
        add_on_from_stripe(PRODUCT | {"metadata": {}}, [])


# --- As they are asked for ----------------------------------------------------------------------------------


def test_only_what_the_policy_offers_and_stripe_has_can_be_asked_for():
    assert find_add_on([ADD_ON], OFFERED, "support") is ADD_ON
    for add_ons, offered in (([ADD_ON], ("storage",)), ([], OFFERED)):
        with pytest.raises(InvalidRequest, match="no add-on 'support'; known add-ons: none") as refused:
            find_add_on(add_ons, offered, "support")
        assert (refused.value.code, refused.value.field) == ("unknown_add_on", "add_ons")


@pytest.mark.parametrize(("interval", "currency"), [("year", "usd"), ("month", "eur")])
def test_what_is_not_sold_so_is_refused_with_how_it_is(interval: str, currency: str):
    with pytest.raises(InvalidRequest, match="only by: month in USD") as refused:
        price_add_ons([ADD_ON], OFFERED, ["support"], interval, currency)
    assert refused.value.code == "add_on_unavailable"
    assert price_add_ons([ADD_ON], OFFERED, ["support"], "month", "usd") == (
        PricedAddOn(add_on="support", name="Support", price="month", unit_amount=1500),
    )


@pytest.mark.parametrize(
    ("wanted", "new_interval", "priced"),
    [
        (asked(), False, ()),
        (asked(support=5), False, ()),
        (asked(storage=1), False, ("storage",)),
        (asked(storage=0), False, ()),
        (asked(), True, ("support",)),
        (asked(support=0), True, ()),
        (asked(storage=2), True, ("support", "storage")),
    ],
)
def test_a_price_is_looked_up_for_what_is_new_and_with_a_new_interval_for_what_stays(
    wanted: list[AddOnQuantity], new_interval: bool, priced: tuple[str, ...]
):
    assert to_be_priced(wanted, [SUPPORT, USAGE], OFFERED, new_interval) == priced


def test_an_add_on_that_the_policy_does_not_offer_follows_no_interval():
    assert to_be_priced([], [SUPPORT], ("storage",), new_interval=True) == ()


def test_what_is_not_named_stays_as_it_is():
    now = [SUPPORT, USAGE, an_item("seminar", 3), an_item("nothing", 0)]
    assert others_after(now, [], []) == in_order(now)


def test_what_is_named_is_there_so_often_at_the_price_that_it_has():
    now = [SUPPORT, USAGE]
    assert others_after(now, asked(support=5), []) == in_order([an_item("support", 5), USAGE])
    assert others_after(now, asked(support=0, storage=0), []) == (USAGE,)
    after = others_after(now, asked(storage=4), [priced("storage", "new")])
    assert after == in_order([SUPPORT, USAGE, an_item("new", 4)])
    assert [(one.name, one.add_on) for one in after if one.price == "new"] == [("Storage", "storage")]


def test_what_follows_to_another_interval_is_at_its_price():
    after = others_after([SUPPORT, USAGE], asked(), [priced("support", "yearly")])
    assert after == in_order([an_item("yearly", 2), USAGE])

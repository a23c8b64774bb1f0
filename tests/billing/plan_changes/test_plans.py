import pytest

from billing.core.errors import InvalidRequest, PlanMisconfigured
from billing.core.operations import Problem
from billing.plan_changes.plans import (
    Plan,
    PlanLimits,
    Price,
    find_plan,
    is_plan,
    plan_from_stripe,
    plan_on_sale,
    price_problem,
    read_plan,
)

from ..builders import a_plan, stripe_price, stripe_product


def test_reads_a_plan_from_stripe():
    yearly = stripe_price(id="price_2", unit_amount=10000, recurring={"interval": "year"})
    assert plan_from_stripe(stripe_product(), [stripe_price(), yearly]) == Plan(
        plan="starter",
        name="Starter",
        product="prod_1",
        seats_included=10,
        limits=PlanLimits(seats=10, customers=50, ar_balance=1_000_000),
        prices=(
            Price(id="price_1", interval="month", unit_amount=1000, currency="usd"),
            Price(id="price_2", interval="year", unit_amount=10000, currency="usd"),
        ),
    )


@pytest.mark.parametrize("unlimited", [None, "unlimited"])
def test_a_limit_that_is_missing_or_unlimited_does_not_limit(unlimited):
    product = stripe_product(metadata={"limit_customers": unlimited, "limit_ar_balance": unlimited})
    assert plan_from_stripe(product, [stripe_price()]).limits == PlanLimits(seats=10)


def test_a_prices_own_limits_win():
    price = stripe_price(metadata={"limit_customers": "80"})
    plan = plan_from_stripe(stripe_product(), [price])
    assert plan.limits == PlanLimits(seats=10, customers=50, ar_balance=1_000_000)
    assert plan.limits_at(plan.prices[0]) == PlanLimits(seats=10, customers=80, ar_balance=1_000_000)
    assert plan.limits_at(None) == plan.limits


def test_a_price_may_lift_a_limit():
    price = stripe_price(metadata={"limit_customers": "unlimited", "limit_ar_balance": "unlimited"})
    plan = plan_from_stripe(stripe_product(), [price])
    assert plan.limits_at(plan.prices[0]) == PlanLimits(seats=10)


def test_a_price_whose_product_is_expanded_is_recognised():
    price = stripe_price(product=stripe_product())
    assert [p.id for p in plan_from_stripe(stripe_product(), [price]).prices] == ["price_1"]


@pytest.mark.parametrize(
    "other",
    [
        stripe_price(id="price_x", active=False),
        stripe_price(id="price_x", product="prod_2"),
        stripe_price(id="price_x") | {"recurring": None},
        stripe_price(id="price_x", recurring={"interval": "week"}),
        stripe_price(id="price_x", recurring={"interval_count": 3}),
        stripe_price(id="price_x", recurring={"usage_type": "metered"}),
    ],
    ids=["inactive", "of another product", "one-time", "weekly", "quarterly", "metered"],
)
def test_prices_that_plans_are_not_sold_at_are_left_out(other):
    assert [p.id for p in plan_from_stripe(stripe_product(), [other, stripe_price()]).prices] == ["price_1"]


@pytest.mark.parametrize(
    ("metadata", "key", "message"),
    [
        ({"plixo_plan": None}, "plixo_plan", "prod_1: plixo_plan is missing. Set a short name"),
        ({"plixo_plan": "Big Plan"}, "plixo_plan", "prod_1: plixo_plan is 'Big Plan'. Set a short name"),
        ({"seats_included": None}, "seats_included", "prod_1: seats_included is missing. Set the most"),
        ({"seats_included": "0"}, "seats_included", "prod_1: seats_included is '0'. Set the most"),
        ({"seats_included": "unlimited"}, "seats_included", "is 'unlimited'. Set the most"),
        ({"limit_customers": "many"}, "limit_customers", "is 'many'. Set a whole number"),
        ({"limit_customers": "-1"}, "limit_customers", "is '-1'. Set a whole number"),
        ({"limit_ar_balance": "10.50"}, "limit_ar_balance", "is '10.50'. Set a whole number"),
        ({"limit_ar_balance": ""}, "limit_ar_balance", "is ''. Set a whole number"),
        ({"limit_ar_balance": "9" * 19}, "limit_ar_balance", "Set a whole number"),
    ],
)
def test_wrong_metadata_of_a_product_is_named_with_its_mend(metadata, key, message):
    with pytest.raises(PlanMisconfigured) as wrong:
        plan_from_stripe(stripe_product(metadata=metadata), [stripe_price()])
    assert (wrong.value.object_id, wrong.value.key, wrong.value.code) == ("prod_1", key, "plan_misconfigured")
    assert message in wrong.value.message


@pytest.mark.parametrize(
    ("prices", "object_id", "key"),
    [
        ([], "prod_1", "prices"),
        ([stripe_price(metadata={"limit_customers": "few"})], "price_1", "limit_customers"),
        ([stripe_price(unit_amount=None)], "price_1", "unit_amount"),
        ([stripe_price(), stripe_price(id="price_2")], "price_2", "recurring"),
        ([stripe_price(), stripe_price(id="price_2", currency="eur")], "price_1", "limit_ar_balance"),
    ],
    ids=["none", "wrong limit", "no whole amount", "two alike", "one limit in two currencies"],
)
def test_wrong_prices_are_named_with_their_mend(prices, object_id, key):
    with pytest.raises(PlanMisconfigured) as wrong:
        plan_from_stripe(stripe_product(), prices)
    assert (wrong.value.object_id, wrong.value.key) == (object_id, key)


def test_a_plan_may_be_sold_in_several_currencies_with_a_limit_for_each():
    prices = [
        stripe_price(metadata={"limit_ar_balance": "1000000"}),
        stripe_price(id="price_2", currency="jpy", metadata={"limit_ar_balance": "1500000"}),
    ]
    plan = plan_from_stripe(stripe_product(), prices)
    assert plan.limits_at(plan.price("month", "jpy")).ar_balance == 1_500_000
    assert plan.limits_at(plan.price("month", "usd")).ar_balance == 1_000_000


def test_only_products_with_a_plan_name_are_plans():
    assert is_plan(stripe_product())
    assert not is_plan({"id": "prod_2", "metadata": {}})
    assert not is_plan({"id": "prod_2"})


def test_finds_the_price_of_an_interval_and_currency():
    assert a_plan().price("year", "usd").id == "price_starter_year"


def test_names_what_a_plan_is_sold_for_when_asked_for_something_else():
    with pytest.raises(InvalidRequest) as refused:
        a_plan(prices=a_plan().prices[:1]).price("year", "usd")
    assert (refused.value.code, refused.value.field) == ("interval_unavailable", "interval")
    assert refused.value.message == "Starter is not sold by the year in USD, only by: month in USD"


def test_names_the_currencies_that_a_plan_is_sold_in_when_asked_for_another():
    with pytest.raises(InvalidRequest) as refused:
        a_plan().price("year", "eur")
    assert (refused.value.code, refused.value.field) == ("currency_unavailable", "plan")
    assert refused.value.message == (
        "Starter is not sold in EUR, in which you are billed, only by: month in USD, year in USD"
    )


def test_finds_a_plan_by_its_name():
    growth = a_plan(plan="growth")
    assert find_plan([a_plan(), growth], "growth") is growth


def test_names_the_known_plans_when_asked_for_another():
    with pytest.raises(InvalidRequest) as refused:
        find_plan([a_plan(), a_plan(plan="growth")], "gold")
    assert (refused.value.code, refused.value.field) == ("unknown_plan", "plan")
    assert refused.value.message == "There is no plan 'gold'; known plans: growth, starter"


def test_a_plan_survives_json():
    plan = plan_from_stripe(stripe_product(), [stripe_price(metadata={"limit_customers": "80"})])
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    ("price", "code", "why"),
    [
        ({"recurring": None}, "price_once", "is charged once"),
        ({"recurring": {"interval": "week"}}, "price_interval", "is charged every week"),
        (
            {"recurring": {"interval": "month", "interval_count": 3}},
            "price_interval",
            "is charged every 3 months",
        ),
        ({"recurring": {"interval": "month", "usage_type": "metered"}}, "price_metered", "is metered"),
        ({"unit_amount": None, "billing_scheme": "tiered"}, "price_tiered", "is tiered"),
        (
            {"transform_quantity": {"divide_by": 5, "round": "up"}},
            "price_packaged",
            "is charged by packages of seats",
        ),
        (
            {"unit_amount": None, "unit_amount_decimal": "10.5"},
            "price_decimal",
            "is not a whole number of minor units a seat",
        ),
    ],
)
def test_why_nobody_can_be_on_a_plan_at_a_price(price, code, why):
    assert price_problem(stripe_price() | price) == Problem(code=code, message=why)


def test_a_price_of_so_much_a_seat_is_one_of_a_plan():
    assert price_problem(stripe_price()) is None


@pytest.mark.parametrize(
    ("metadata", "prices", "why"),
    [
        (
            {},
            [stripe_price(recurring={"interval": "week"})],
            "prod_1: prices has no active monthly or yearly",
        ),
        ({}, [stripe_price(recurring={"usage_type": "metered"})], "prod_1: prices has no active monthly or"),
        ({}, [stripe_price(unit_amount=None)], "price_1: unit_amount is not a whole number of minor units"),
        (
            {},
            [stripe_price(transform_quantity={"divide_by": 5, "round": "up"})],
            "price_1: unit_amount is not a whole number of minor units",
        ),
        (
            {},
            [stripe_price(), stripe_price(id="price_2")],
            "price_2: recurring is by the month in USD, as",
        ),
        ({"seats_included": "many"}, [stripe_price()], "prod_1: seats_included is 'many'. "),
        ({"limit_customers": "many"}, [stripe_price()], "prod_1: limit_customers is 'many'. "),
    ],
    ids=[
        "weekly",
        "metered",
        "decimal or tiered",
        "by the five seats",
        "two monthly",
        "no seats",
        "no limit",
    ],
)
def test_a_plan_that_can_not_be_read_whole_is_unavailable_with_what_can(metadata, prices, why):
    plan = read_plan(stripe_product(metadata=metadata), prices)
    assert plan.unavailable is not None
    assert plan.unavailable.startswith(why)
    assert (plan.plan, plan.name, plan.product, plan.prices) == ("starter", "Starter", "prod_1", ())
    assert plan.limits.ar_balance == 1_000_000
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan
    assert find_plan([plan], "starter") is plan
    with pytest.raises(InvalidRequest) as refused:
        plan_on_sale([plan], "starter")
    assert (refused.value.code, refused.value.field) == ("plan_unavailable", "plan")


def test_a_product_that_does_not_say_which_plan_it_is_is_no_plan():
    with pytest.raises(PlanMisconfigured):
        read_plan(stripe_product(metadata={"plixo_plan": "Big Plan"}), [stripe_price()])

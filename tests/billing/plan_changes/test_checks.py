"""What must hold of the items beside a plan before a change is previewed."""

from typing import Any

import pytest

from billing.plan_changes.checks import (
    billed_apart,
    several_alike,
    target_query,
    terms_after,
    usage_discounted,
)
from billing.plan_changes.items.add_ons import AddOnQuantity, PricedAddOn
from billing.plan_changes.items.others import ItemFacts, OtherItem, in_order
from billing.plan_changes.messages import Target
from billing.plan_changes.subject import PreviewQuery, SubscriptionFacts

from ..builders import a_plan, a_query, a_wish, some_facts, some_terms


def held(price: str, quantity: int | None = 1, **more: Any) -> ItemFacts:
    given = {
        "price": price,
        "quantity": quantity,
        "name": price.title(),
        "item": f"si_{price}",
        "interval": "month",
        "interval_count": 1,
        "unit_amount": 900,
    }
    return ItemFacts.model_validate(given | more)


def facts(*others: ItemFacts, **more: Any) -> SubscriptionFacts:
    return some_facts(others=others, terms=some_terms(others=in_order(others)), **more)


def query(of: SubscriptionFacts, *later: OtherItem, **terms: Any) -> PreviewQuery:
    """To Growth, with these beside it from then on."""
    to = some_terms(plan="growth", price="price_growth", others=in_order(later), **terms)
    return a_query(facts=of, to=to)


SUPPORT, USAGE = held("support", 2, add_on="support"), held("usage", None)
OFFERED = ("support",)


def test_items_that_are_billed_with_the_plan_can_change_with_it() -> None:
    assert billed_apart(query(facts(SUPPORT, USAGE), SUPPORT, USAGE)) is None


@pytest.mark.parametrize("apart", [{"interval": "year"}, {"interval_count": 3}])
def test_items_that_are_billed_at_other_times_are_named(apart: dict[str, Any]) -> None:
    other = held("seminar", **apart)
    problem = billed_apart(query(facts(SUPPORT, other), SUPPORT, other))
    assert problem is not None
    assert problem.code == "mixed_intervals"
    assert ("Seminar" in problem.message, "Support" in problem.message) == (True, False)


def test_what_does_not_follow_to_another_interval_is_named() -> None:
    yearly = OtherItem(price="support_year", quantity=2, name="Support", add_on="support")
    left = billed_apart(query(facts(SUPPORT, USAGE), yearly, USAGE, interval="year"))
    assert left is not None
    assert left.code == "mixed_intervals"
    assert ("Usage" in left.message, "Support" in left.message) == (True, False)
    assert billed_apart(query(facts(SUPPORT), yearly, interval="year")) is None
    assert billed_apart(query(facts(SUPPORT), interval="year")) is None


def some_support(quantity: int) -> AddOnQuantity:
    return AddOnQuantity(add_on="support", quantity=quantity)


@pytest.mark.parametrize("price", ["support", "former"])
@pytest.mark.parametrize(
    "wish",
    [{"add_ons": (some_support(9),)}, {"add_ons": (some_support(0),)}, {"interval": "year"}],
    ids=["changed", "taken away", "following"],
)
def test_of_two_alike_nobody_can_say_which_one_is_meant(wish: dict[str, Any], price: str) -> None:
    twice = facts(SUPPORT, held(price, 3, add_on="support", item="si_2", name="Support"))
    problem = several_alike(a_wish(plan="growth", **wish), twice.terms)
    assert problem is not None
    assert (problem.code, "Support" in problem.message) == ("add_on_twice", True)
    assert several_alike(a_wish(plan="growth"), twice.terms) is None
    assert several_alike(a_wish(plan="growth", **wish), facts(SUPPORT).terms) is None


def test_a_discount_that_is_spread_over_usage_is_named() -> None:
    spread = usage_discounted(query(facts(USAGE, spread=("LAUNCH",)), USAGE))
    assert spread is not None
    assert (spread.code, "LAUNCH" in spread.message) == ("usage_discounted", True)
    assert usage_discounted(query(facts(USAGE), USAGE)) is None
    assert usage_discounted(query(facts(SUPPORT, spread=("LAUNCH",)), SUPPORT)) is None


def test_prices_are_looked_up_for_what_comes_and_what_follows() -> None:
    wish = a_wish(plan="growth", interval="year")
    asked = target_query(facts(SUPPORT, USAGE), wish, OFFERED)
    assert (asked.interval, asked.add_ons, asked.offered) == ("year", ("support",), OFFERED)
    assert target_query(facts(SUPPORT, USAGE), a_wish(plan="growth"), OFFERED).add_ons == ()


def test_the_terms_after_a_change_have_everything_else_as_it_was() -> None:
    wish = a_wish(plan="growth", add_ons=(AddOnQuantity(add_on="storage", quantity=4),))
    storage = PricedAddOn(add_on="storage", name="Storage", price="storage", unit_amount=700)
    target = Target(plan=a_plan(plan="growth"), price="price_growth", add_ons=(storage,))
    after = terms_after(facts(SUPPORT, USAGE), wish, target)
    new = OtherItem(price="storage", quantity=4, name="Storage")
    assert after.others == in_order([SUPPORT, USAGE, new])
    assert after.prices == {"price_growth", "support", "usage", "storage"}
    assert after.metered == {"usage"}

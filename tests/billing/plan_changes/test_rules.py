import pytest

from billing.core.errors import InvalidRequest
from billing.plan_changes.items.add_ons import AddOn, AddOnQuantity
from billing.plan_changes.items.others import OtherItem
from billing.plan_changes.plans import Price
from billing.plan_changes.rules import validate_change

from ..builders import a_plan, a_wish, some_terms, some_usage

GROWTH = a_plan(plan="growth", name="Growth", seats_included=25)


def test_what_is_left_out_stays_as_it_is():
    assert validate_change(some_terms(), a_wish(plan="growth"), GROWTH, some_usage()) == (5, "month")


def test_what_is_asked_for_is_taken():
    wish = a_wish(plan="growth", seats=20, interval="year")
    assert validate_change(some_terms(), wish, GROWTH, some_usage()) == (20, "year")


@pytest.mark.parametrize("wish", [a_wish(seats=6), a_wish(seats=4), a_wish(interval="year")])
def test_the_plan_may_stay_if_seats_or_interval_change(wish):
    seats, interval = validate_change(some_terms(), wish, a_plan(), some_usage())
    assert (seats, interval) == (wish.seats or 5, wish.interval or "month")


def test_seats_left_out_are_cut_to_what_the_plan_holds():
    current = some_terms(plan="growth", seats=25)
    assert validate_change(current, a_wish(), a_plan(), some_usage(seats=12)).seats == 10


@pytest.mark.parametrize("wish", [a_wish(), a_wish(seats=5), a_wish(interval="month")])
def test_a_change_that_changes_nothing_is_refused(wish):
    with pytest.raises(InvalidRequest, match="Nothing would change") as refused:
        validate_change(some_terms(), wish, a_plan(), some_usage())
    assert (refused.value.code, refused.value.field) == ("same_plan", "plan")


@pytest.mark.parametrize(("seats", "used"), [(2, 3), (0, 0), (-1, 0)])
def test_fewer_seats_than_are_in_use_are_refused(seats, used):
    with pytest.raises(InvalidRequest, match=f"{used} seats are in use") as refused:
        validate_change(some_terms(), a_wish(seats=seats), a_plan(), some_usage(seats=used))
    assert (refused.value.code, refused.value.field) == ("seats_below_usage", "seats")


def test_as_many_seats_as_are_in_use_are_enough():
    assert validate_change(some_terms(), a_wish(seats=3), a_plan(), some_usage(seats=3)).seats == 3


def test_more_seats_than_the_plan_holds_are_refused():
    with pytest.raises(InvalidRequest, match="at most 10 seats, 11 were requested") as refused:
        validate_change(some_terms(), a_wish(seats=11), a_plan(), some_usage())
    assert (refused.value.code, refused.value.field) == ("seats_above_plan", "seats")


def test_an_interval_that_the_plan_is_not_sold_for_is_refused():
    monthly = a_plan(prices=a_plan().prices[:1])
    with pytest.raises(InvalidRequest) as refused:
        validate_change(some_terms(), a_wish(interval="year"), monthly, some_usage())
    assert (refused.value.code, refused.value.field) == ("interval_unavailable", "interval")


def test_an_interval_that_changes_now_is_not_left_to_the_next_invoice():
    wish = a_wish(interval="year", invoicing="next_invoice")
    with pytest.raises(InvalidRequest, match="billing by the month to billing by the year") as refused:
        validate_change(some_terms(), wish, a_plan(), some_usage())
    assert (refused.value.code, refused.value.field) == ("interval_bills_now", "invoicing")


@pytest.mark.parametrize(
    "wish",
    [
        a_wish(interval="year", invoicing="next_invoice", effective="period_end"),
        a_wish(interval="year", invoicing="immediately"),
        a_wish(interval="month", seats=6, invoicing="next_invoice"),
    ],
)
def test_what_is_billed_when_it_can_be_is_fine(wish):
    assert validate_change(some_terms(), wish, a_plan(), some_usage()).interval == wish.interval


def test_an_interval_left_out_must_exist_on_the_new_plan_too():
    monthly = a_plan(plan="growth", prices=a_plan().prices[:1])
    with pytest.raises(InvalidRequest, match="is not sold by the year"):
        validate_change(some_terms(interval="year"), a_wish(plan="growth"), monthly, some_usage())


SUPPORT = AddOn(
    add_on="support",
    name="Support",
    product="prod_s",
    prices=(Price(id="support_month", interval="month", unit_amount=1500, currency="usd"),),
)
HELD = OtherItem(price="support_month", quantity=2, name="Support", add_on="support")


def some_of(*quantities):
    return tuple(AddOnQuantity(add_on=name, quantity=quantity) for name, quantity in quantities)


@pytest.mark.parametrize("asked", [some_of(("support", 5)), some_of(("support", 0))])
def test_the_plan_may_stay_if_an_add_on_changes(asked):
    current = some_terms(others=(HELD,))
    wish = a_wish(add_ons=asked)
    assert validate_change(current, wish, a_plan(), some_usage(), [SUPPORT], ["support"]) == (5, "month")


@pytest.mark.parametrize(
    ("held", "asked"), [((HELD,), some_of(("support", 2))), ((), some_of(("support", 0)))]
)
def test_add_ons_as_they_are_change_nothing(held, asked):
    current, wish = some_terms(others=held), a_wish(add_ons=asked)
    with pytest.raises(InvalidRequest, match="Nothing would change"):
        validate_change(current, wish, a_plan(), some_usage(), [SUPPORT], ["support"])


@pytest.mark.parametrize(
    ("wish", "offered", "code"),
    [
        ({"add_ons": some_of(("gold", 1))}, ["support"], "unknown_add_on"),
        ({"add_ons": some_of(("support", 1), ("support", 2))}, ["support"], "add_on_twice"),
        ({"add_ons": some_of(("support", 3))}, [], "unknown_add_on"),
        ({"add_ons": some_of(("gold", 0))}, ["support"], "unknown_add_on"),
        ({"interval": "year"}, ["support"], "add_on_unavailable"),
    ],
)
def test_add_ons_that_cannot_be_had_are_refused(wish, offered, code):
    current = some_terms(others=(HELD,))
    with pytest.raises(InvalidRequest) as refused:
        validate_change(current, a_wish(**wish), a_plan(), some_usage(), [SUPPORT], offered)
    assert (refused.value.code, refused.value.field) == (code, "add_ons")


@pytest.mark.parametrize("known", [[SUPPORT], []])
@pytest.mark.parametrize("quantity", [0, 1, 2])
def test_of_an_add_on_that_is_offered_no_more_there_can_be_fewer_or_none(quantity, known):
    current = some_terms(others=(HELD,))
    wish = a_wish(seats=6, add_ons=some_of(("support", quantity)))
    assert validate_change(current, wish, a_plan(), some_usage(), known, []) == (6, "month")


FORMER = OtherItem(price="support_former", quantity=1, name="Support", add_on="support")


@pytest.mark.parametrize(
    "wish", [{"add_ons": some_of(("support", 3))}, {"add_ons": some_of(("support", 0))}, {"interval": "year"}]
)
def test_of_an_add_on_at_two_prices_nobody_can_say_which_one_is_meant(wish):
    current = some_terms(others=(HELD, FORMER))
    with pytest.raises(InvalidRequest, match="Support") as refused:
        validate_change(current, a_wish(**wish), a_plan(), some_usage(), [SUPPORT], ["support"])
    assert (refused.value.code, refused.value.field) == ("add_on_twice", "add_ons")
    stays = a_wish(seats=6)
    assert validate_change(current, stays, a_plan(), some_usage(), [SUPPORT], ["support"]) == (6, "month")

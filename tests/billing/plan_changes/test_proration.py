import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.plan_changes.proration import Difference, Line, Period, compare, lines_hash, own_lines, sides

from ..builders import APRIL_END, MID_APRIL, a_line

CREDIT = a_line(kind="credit", amount_minor=-500, price="price_starter_month")
DEBIT = a_line()
RENEWAL = a_line(kind="renewal", amount_minor=2000, start=APRIL_END, end=APRIL_END + 31 * 86400)

lines = st.builds(
    Line,
    kind=st.sampled_from(["credit", "debit", "renewal"]),
    description=st.sampled_from(["a", "b"]),
    amount_minor=st.integers(-2, 2),
    period=st.builds(Period, start=st.integers(0, 1), end=st.integers(2, 3)),
    price=st.sampled_from(["price_1", "price_2"]),
    quantity=st.integers(1, 2),
)
some_lines = st.lists(lines, max_size=6)


def identities(some: list[Line]) -> list[tuple[object, ...]]:
    return sorted(line.identity() for line in some)


def test_the_hash_ignores_order_and_wording():
    reworded = CREDIT.model_copy(update={"description": "Ungenutzte Zeit"})
    assert lines_hash([CREDIT, DEBIT], "usd") == lines_hash([DEBIT, reworded], "usd")


def test_the_hash_is_the_same_on_every_machine():
    assert lines_hash([CREDIT, DEBIT], "usd") == (
        "ecb7c48d3337ba5f786c3568383165ba4b60c1d229d112cef6cbc66a51f1bff6"
    )


@pytest.mark.parametrize(
    "update",
    [
        {"kind": "renewal"},
        {"amount_minor": 1001},
        {"period": Period(start=MID_APRIL + 1, end=APRIL_END)},
        {"period": Period(start=MID_APRIL, end=APRIL_END + 1)},
        {"price": "price_other"},
        {"quantity": 2},
    ],
    ids=lambda update: next(iter(update)),
)
def test_the_hash_knows_every_field(update):
    assert lines_hash([CREDIT, DEBIT.model_copy(update=update)], "usd") != lines_hash([CREDIT, DEBIT], "usd")


def test_the_hash_knows_the_currency_and_how_often_a_line_occurs():
    assert lines_hash([DEBIT], "usd") != lines_hash([DEBIT], "eur")
    assert lines_hash([DEBIT], "usd") != lines_hash([DEBIT, DEBIT], "usd")
    assert lines_hash([], "usd") != lines_hash([DEBIT], "usd")


def test_equal_lines_in_another_order_do_not_differ():
    assert compare([CREDIT, DEBIT, RENEWAL], [RENEWAL, CREDIT, DEBIT]) == ()


def test_a_line_that_is_not_there_is_missing():
    assert compare([CREDIT, DEBIT], [CREDIT]) == (Difference(what="missing", line=DEBIT),)


def test_a_line_that_was_not_approved_is_unexpected():
    assert compare([CREDIT], [CREDIT, DEBIT]) == (Difference(what="unexpected", line=DEBIT),)


def test_another_amount_is_one_line_missing_and_one_unexpected():
    dearer = DEBIT.model_copy(update={"amount_minor": 1001})
    assert compare([CREDIT, DEBIT], [CREDIT, dearer]) == (
        Difference(what="missing", line=DEBIT),
        Difference(what="unexpected", line=dearer),
    )


def test_a_line_that_occurs_twice_is_not_covered_by_one():
    assert compare([DEBIT, DEBIT], [DEBIT]) == (Difference(what="missing", line=DEBIT),)
    assert compare([DEBIT], [DEBIT, DEBIT]) == (Difference(what="unexpected", line=DEBIT),)


def test_the_lines_of_a_change_are_those_of_its_second():
    earlier = a_line(start=MID_APRIL - 86400)
    assert own_lines([earlier, CREDIT, DEBIT, RENEWAL], MID_APRIL) == (CREDIT, DEBIT)


def test_a_period_that_an_anchor_reset_starts_is_the_changes_own():
    new_period = RENEWAL.model_copy(update={"period": Period(start=MID_APRIL, end=MID_APRIL + 31536000)})
    assert own_lines([CREDIT, new_period], MID_APRIL) == (CREDIT, new_period)


@given(some_lines, some_lines)
def test_nothing_differs_exactly_when_both_hold_the_same_lines(approved, actual):
    assert (compare(approved, actual) == ()) == (identities(approved) == identities(actual))


@given(some_lines, some_lines)
def test_what_differs_turns_the_approved_into_the_actual(approved, actual):
    differences = compare(approved, actual)
    missing = [d.line for d in differences if d.what == "missing"]
    unexpected = [d.line for d in differences if d.what == "unexpected"]
    assert identities([*approved, *unexpected]) == identities([*actual, *missing])


@given(some_lines, st.randoms(use_true_random=False))
def test_no_order_changes_the_hash(some: list[Line], shuffler: random.Random):
    shuffled = list(some)
    shuffler.shuffle(shuffled)
    assert lines_hash(shuffled, "usd") == lines_hash(some, "usd")


@given(some_lines, some_lines)
def test_the_hashes_agree_exactly_when_nothing_differs(approved, actual):
    assert (lines_hash(approved, "usd") == lines_hash(actual, "usd")) == (compare(approved, actual) == ())


def test_what_is_given_back_and_what_is_charged_are_apart_with_their_totals():
    credits, debits = sides([DEBIT, CREDIT, RENEWAL], "usd")
    assert (credits.lines, credits.total.amount_minor) == ((CREDIT,), -500)
    assert debits.lines == (DEBIT, RENEWAL)
    assert debits.total.amount_minor == DEBIT.amount_minor + 2000
    assert sides([], "usd")[0].total.amount_minor == 0

"""The arithmetic of prorations, without a server."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.stripe.catalog.proration import (
    Charge,
    Debit,
    Terms,
    Worth,
    credit_of_debit,
    credits,
    debit_of_price,
    recurring,
)
from sandbox.stripe.catalog.scales import Scale
from sandbox.stripe.core.amounts import nearest, share, text

APRIL = (1775001600, 1777593600)


def charge(amount: int, currency: str = "usd", quantity: int = 1, name: str = "Silver") -> Charge:
    return Charge("price_1", "prod_1", name, Scale(Decimal(amount)), currency, "month", 1, quantity)


def worth(amount: int, quantity: int = 1) -> Worth:
    return Worth(Decimal(amount) * quantity)


def debited(amount: int, start: int = APRIL[0], end: int = APRIL[1]) -> Debit:
    return Debit(amount, start, end, charge(amount), None, "in_1", "il_1")


@pytest.mark.parametrize(
    ("old", "new", "period", "at", "credit", "debit"),
    [
        (1000, 3252, (1596749288, 1599427688), 1598982148, -166, 541),
        (1000, 2000, APRIL, 1776297600, -500, 1000),
        (10000, 1000, APRIL, 1776297600, -5000, 500),
        (2999, 4999, APRIL, 1775889000, -1972, 3288),
        (1000, 1980, APRIL, 1775822400, -683, 1353),
        (9900, 1900, APRIL, 1776297600, -4950, 950),
    ],
)
@pytest.mark.parametrize("mode", ["classic", "flexible"])
def test_a_changed_price_credits_the_unused_and_debits_the_remaining_time(
    mode: str, old: int, new: int, period: tuple[int, int], at: int, credit: int, debit: int
) -> None:
    lines = credits(mode, "si_1", charge(old), worth(old), period, at, [debited(old, *period)], period[1])
    assert [line.amount for line in lines] == [credit]
    remaining = debit_of_price("si_1", charge(new), worth(new), period, at, period[1])
    assert remaining is not None
    assert remaining.amount == debit
    assert (remaining.start, remaining.end) == (at, period[1])


def test_flexible_credits_what_was_debited_and_classic_the_current_price() -> None:
    apr_21 = 1776729600
    flexible = credits(
        "flexible", "si_1", charge(2000), worth(2000), APRIL, apr_21, [debited(1000)], APRIL[1]
    )
    classic = credits("classic", "si_1", charge(2000), worth(2000), APRIL, apr_21, [debited(1000)], APRIL[1])
    assert ([line.amount for line in flexible], [line.amount for line in classic]) == ([-333], [-667])


def test_flexible_writes_one_credit_for_each_debit() -> None:
    debits = [debited(1000), debited(300, 1775865600)]
    lines = credits("flexible", "si_1", charge(1300), worth(1300), APRIL, 1776297600, debits, APRIL[1])
    assert [line.amount for line in lines] == [-500, -225]


def test_nothing_is_drafted_in_the_last_second_of_a_long_month() -> None:
    march = (1772323200, 1775001600)
    last, old = march[1] - 1, [debited(1000, *march)]
    assert credits("flexible", "si_1", charge(1000), worth(1000), march, last, old, march[1]) == []
    assert debit_of_price("si_1", charge(2000), worth(2000), march, last, march[1]) is None


def test_descriptions_name_the_product_the_day_and_a_quantity_above_one() -> None:
    credit = credit_of_debit("si_1", debited(1000, 1596749288, 1599427688), 1598982148)
    assert credit is not None
    assert credit.description == "Unused time on Silver after 01 Sep 2020"
    debit = debit_of_price("si_1", charge(1000, quantity=3), worth(1000, 3), APRIL, 1776297600, APRIL[1])
    assert debit is not None
    assert debit.description == "Remaining time on 3 × Silver after 16 Apr 2026"
    assert recurring("si_1", charge(1000), *APRIL, Terms()).description == "1 × Silver (at $10.00 / month)"


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (1000, "usd", "$10.00"),
        (1980, "jpy", "¥1980"),
        (12345, "kwd", "KWD 12.345"),
        (Decimal("0.5"), "usd", "$0.005"),
    ],
)
def test_amounts_are_written_in_their_currencys_decimals(
    amount: int | Decimal, currency: str, written: str
) -> None:
    assert text(amount, currency) == written


@given(amount=st.integers(-(10**12), 10**12), whole=st.integers(1, 10**8), data=st.data())
def test_integer_and_decimal_shares_round_alike_and_never_exceed_the_amount(
    amount: int, whole: int, data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, whole))
    assert (
        share(amount, part, whole)
        == nearest(Decimal(amount) * part / whole)
        == share(Decimal(amount), part, whole)
    )
    assert abs(share(amount, part, whole)) <= abs(amount)


@given(amount=st.integers(1, 10**9), at=st.integers(0, 2**33))
def test_a_credit_never_exceeds_the_debit_it_is_drawn_from(amount: int, at: int) -> None:
    credit = credit_of_debit("si_1", debited(amount), at)
    assert credit is None or 0 < -credit.amount <= amount

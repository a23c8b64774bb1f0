import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from billing.core.errors import CurrencyMismatch, InvalidRequest
from billing.core.money import (
    CURRENCIES,
    MAX_MINOR,
    STEPS,
    THREE_DECIMAL,
    ZERO_DECIMAL,
    Money,
    decimals,
    minor_units,
    most_minor,
    step_problem,
)
from sandbox.stripe.core.currencies import SUPPORTED

amounts = st.integers(min_value=-(10**24), max_value=10**24)


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def eur(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="eur")


def test_adds_subtracts_and_negates_within_one_currency():
    assert usd(1250) + usd(-300) == usd(950)
    assert usd(100) - usd(250) == usd(-150)
    assert -usd(541) == usd(-541)
    assert abs(usd(-166)) == usd(166)
    assert Money.zero("usd") == usd(0)


def test_compares_within_one_currency():
    assert usd(1) < usd(2) <= usd(2) < usd(3)
    assert usd(3) > usd(2) >= usd(2)
    assert max(usd(5), usd(7), usd(6)) == usd(7)


def test_equal_amounts_of_two_currencies_are_not_equal():
    assert usd(100) != eur(100)
    assert len({usd(100), eur(100), usd(100)}) == 2


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
    ],
)
def test_two_currencies_cannot_be_combined(combine):
    with pytest.raises(CurrencyMismatch, match="USD and EUR") as refused:
        combine(usd(1), eur(1))
    assert refused.value.code == "currency_mismatch"


@pytest.mark.parametrize("amount", [True, 1.0, 1.5, "100", Decimal(1), None])
def test_an_amount_that_is_not_an_integer_is_refused(amount):
    with pytest.raises(ValidationError):
        Money(amount_minor=amount, currency="usd")


@pytest.mark.parametrize("text", ["true", "1.0", '"100"', "1e2"])
def test_an_amount_in_json_that_is_not_an_integer_is_refused(text):
    with pytest.raises(ValidationError):
        Money.model_validate_json(f'{{"amount_minor": {text}, "currency": "usd"}}')


@pytest.mark.parametrize("currency", ["USD", "us", "usdt", "u$d", "", "ügx", "usd\n"])
def test_a_currency_that_is_not_three_lower_case_letters_is_refused(currency):
    with pytest.raises(ValidationError):
        Money(amount_minor=1, currency=currency)
    with pytest.raises(InvalidRequest) as refused:
        decimals(currency)
    assert (refused.value.code, refused.value.field) == ("unknown_currency", "currency")


@pytest.mark.parametrize(
    ("amount", "currency", "major"),
    [
        (1250, "usd", "12.50"),
        (-1, "usd", "-0.01"),
        (0, "usd", "0.00"),
        (1980, "jpy", "1980"),
        (5, "xof", "5"),
        (5120, "kwd", "5.120"),
        (-7, "tnd", "-0.007"),
        (500, "isk", "5.00"),
        (500, "ugx", "5.00"),
        (10**30 + 1, "usd", "10000000000000000000000000000.01"),
    ],
)
def test_major_units_are_exact_for_every_kind_of_currency(amount, currency, major):
    decimal = Money(amount_minor=amount, currency=currency).decimal
    assert str(decimal) == major


def test_every_currency_has_the_decimals_that_stripe_gives_it():
    assert (len(ZERO_DECIMAL), len(THREE_DECIMAL)) == (15, 5)
    assert {decimals(c) for c in ZERO_DECIMAL} == {0}
    assert {decimals(c) for c in THREE_DECIMAL} == {3}
    assert decimals("usd") == decimals("isk") == decimals("ugx") == decimals("huf") == 2


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "usd", "USD 12.50"),
        (125000, "usd", "USD 1,250.00"),
        (-166, "usd", "USD -1.66"),
        (0, "cad", "CAD 0.00"),
        (1980, "jpy", "JPY 1,980"),
        (-5, "krw", "KRW -5"),
        (5120, "kwd", "KWD 5.120"),
        (500, "isk", "ISK 5.00"),
    ],
)
def test_is_written_with_its_code_and_its_own_decimals(amount, currency, text):
    assert Money(amount_minor=amount, currency=currency).format() == text


def test_is_written_with_the_separators_of_a_locale():
    assert usd(123456789).format("de") == "USD 1.234.567,89"
    assert usd(-123456789).format("fr_CH") == "USD -1\u202f234\u202f567,89"


@given(amounts, st.sampled_from(["usd", "jpy", "kwd"]))
def test_major_units_and_back_is_the_same_amount(amount, currency):
    money = Money(amount_minor=amount, currency=currency)
    assert int(Fraction(money.decimal) * 10 ** decimals(currency)) == amount
    assert Money.model_validate_json(money.model_dump_json()) == money


@given(amounts, amounts)
def test_adding_and_subtracting_undo_each_other(a, b):
    assert usd(a) + usd(b) - usd(b) == usd(a)
    assert usd(a) - usd(b) == -(usd(b) - usd(a))


def test_money_is_formatted_without_opening_a_file() -> None:
    """Inside a workflow the sandbox forbids it; what is needed is read when the module is loaded."""
    script = (
        "from billing.core.money import Money; import builtins; del builtins.open; "
        "print(Money(amount_minor=123456789, currency='usd').format())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("USD 1,234,567.89\n", "")


def test_stripe_takes_eight_digits_and_in_rupiah_twelve() -> None:
    assert [most_minor(currency) for currency in ("usd", "jpy", "kwd", None)] == [99_999_999] * 4
    assert most_minor("idr") == MAX_MINOR == 999_999_999_999


def test_the_currencies_are_those_that_the_stand_in_charges_in():
    assert set(SUPPORTED) == CURRENCIES
    assert ZERO_DECIMAL <= CURRENCIES
    assert STEPS.keys() <= CURRENCIES


@pytest.mark.parametrize(
    ("amount", "currency", "near"),
    [
        (1234, "kwd", "1230 (KWD 1.230) or 1240 (KWD 1.240)"),
        (12345, "isk", "12300 (ISK 123.00) or 12400 (ISK 124.00)"),
        (1, "ugx", "100 (UGX 1.00)"),
        (1, "bhd", "10 (BHD 0.010)"),
    ],
)
def test_an_amount_between_stripes_steps_is_named_with_its_neighbours(amount, currency, near):
    problem = step_problem(Money(amount_minor=amount, currency=currency))
    assert problem is not None
    assert problem.endswith(f"minor units, such as {near}.")


@given(st.integers(1, 10**8), st.sampled_from(sorted(CURRENCIES)))
def test_only_currencies_with_steps_refuse_any_amount(amount, currency):
    refused = step_problem(Money(amount_minor=amount, currency=currency)) is not None
    assert refused is (amount % STEPS.get(currency, 1) != 0)


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("13", "usd", 1300),
        ("13.00", "usd", 1300),
        (" 13.5 ", "usd", 1350),
        ("0.01", "usd", 1),
        ("1,250.00", "usd", 125_000),
        ("1,234,567", "usd", 123_456_700),
        ("1250", "jpy", 1250),
        ("1.234", "kwd", 1234),
        ("1.2", "kwd", 1200),
    ],
)
def test_an_amount_is_read_as_people_type_it(typed: str, currency: str, minor: int):
    assert minor_units(typed, currency) == minor


@pytest.mark.parametrize(
    ("typed", "currency"),
    [
        ("13.005", "usd"),
        ("13.5", "jpy"),
        ("13,50", "usd"),
        ("12,50.00", "usd"),
        ("1,2345", "usd"),
        ("-13", "usd"),
        ("USD 13", "usd"),
        ("$13", "usd"),
        ("1e3", "usd"),
        (".5", "usd"),
        ("13.", "usd"),
        ("１３", "usd"),
        ("", "usd"),
    ],
)
def test_what_is_no_amount_or_would_have_to_be_rounded_is_not_read(typed: str, currency: str):
    assert minor_units(typed, currency) is None


@given(st.integers(min_value=0, max_value=MAX_MINOR), st.sampled_from(sorted(CURRENCIES)))
def test_every_amount_that_is_shown_can_be_typed_again(amount: int, currency: str):
    shown = Money(amount_minor=amount, currency=currency).format().removeprefix(currency.upper()).strip()
    assert minor_units(shown, currency) == amount

"""What somebody typed to find something, in every way in which it can be meant."""

from decimal import Decimal

import pytest

from billing.core.search_terms import in_minor_units, search_term
from billing.core.text import folded


@pytest.mark.parametrize(
    ("typed", "amounts", "currency"),
    [
        ("1250", ["1250"], None),
        ("1,250.00", ["1250.00"], None),
        ("1.250,00", ["1250.00"], None),
        ("1,250", ["1250", "1.250"], None),
        ("1 250,5", ["1250.5"], None),
        ("13.00", ["13.00"], None),
        ("USD 13", ["13"], "usd"),
        ("13.5 eur", ["13.5"], "eur"),
        ("€13", ["13"], None),
        ("1.2.3", [], None),
        ("usd 13 eur", [], None),
        ("9" * 16, [], None),
        ("BLUE-0042", [], None),
    ],
)
def test_amounts_are_read_as_people_write_them(typed: str, amounts: list[str], currency: str | None) -> None:
    term = search_term(typed)
    assert (list(term.amounts), term.currency) == ([Decimal(one) for one in amounts], currency)
    assert term.id is None


def test_an_amount_is_as_many_minor_units_as_its_currency_has() -> None:
    assert in_minor_units(Decimal("13")) == {0: 13, 2: 1300, 3: 13_000}
    assert in_minor_units(Decimal("13.505")) == {3: 13_505}


@pytest.mark.parametrize("typed", ["in_1", "cus_R3t4Y5", " pi_3SVx ", "op_01JD0V4M2B7P6Q5R4S3T2V1WXY"])
def test_an_id_is_told_from_words(typed: str) -> None:
    assert search_term(typed).id == typed.strip()


def test_words_are_found_without_accents_in_any_case() -> None:
    assert search_term("  Café   MÜLLER ") == ("cafe muller", None, (), None)
    assert folded("Straße") == "strasse"

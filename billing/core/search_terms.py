"""What somebody typed to find something, read in every way in which it can be meant."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from .money import THREE_DECIMAL, ZERO_DECIMAL
from .text import folded

_ID = re.compile(r"[A-Za-z]{2,5}_[A-Za-z0-9_-]+")
_AMOUNT = re.compile(
    r"(?P<before>[A-Za-z]{3}|[^\w\s.,'-])?\s*(?P<number>\d[\d.,' ]*)\s*(?P<after>[A-Za-z]{3}|[^\w\s.,'-])?"
)
_GROUPED = re.compile(r"\d{1,3}([.,' ])\d{3}(\1\d{3})*")
_MOST_DIGITS = 15


class SearchTerm(NamedTuple):
    """`text` is folded. `id` is set if it is one, ours or Stripe's; `amounts` are major units in which it can
    be read, in `currency` if it names one."""

    text: str
    id: str | None = None
    amounts: tuple[Decimal, ...] = ()
    currency: str | None = None


def search_term(typed: str) -> SearchTerm:
    """Everything that the text can mean."""
    text = typed.strip()
    if _ID.fullmatch(text):
        return SearchTerm(folded(text), id=text)
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return SearchTerm(folded(text))
    codes = [one.lower() for one in (found["before"], found["after"]) if one and one.isalpha()]
    if len(codes) > 1:
        return SearchTerm(folded(text))
    return SearchTerm(
        folded(text), amounts=_readings(found["number"].strip()), currency=codes[0] if codes else None
    )


def in_minor_units(amount: Decimal) -> Mapping[int, int]:
    """The amount in minor units by how many decimals a currency has, of those in which it is whole."""
    scaled = {places: amount.scaleb(places) for places in (0, 2, 3)}
    return {places: int(minor) for places, minor in scaled.items() if minor == minor.to_integral_value()}


CURRENCIES_OF = {0: ZERO_DECIMAL, 3: THREE_DECIMAL}
"""By how many decimals they have; all others have two."""


def _readings(number: str) -> tuple[Decimal, ...]:
    """1,250 is both one thousand and one and a quarter; 1,250.00 and 1.250,00 are the same."""
    digits = re.sub(r"\D", "", number)
    if len(digits) > _MOST_DIGITS:
        return ()
    readings = [Decimal(digits)] if number.isdigit() or _GROUPED.fullmatch(number) else []
    whole, mark, fraction = re.fullmatch(r"(.*?)(?:([.,])(\d{1,3}))?", number, re.DOTALL).groups()  # type: ignore[union-attr]
    if mark and mark not in whole and (whole.isdigit() or _GROUPED.fullmatch(whole)):
        readings.append(Decimal(f"{re.sub(r'[^0-9]', '', whole)}.{fraction}"))
    return tuple(dict.fromkeys(readings))

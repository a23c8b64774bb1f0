"""Conditions that find rows by what somebody typed."""

from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from billing.core.search_terms import CURRENCIES_OF, SearchTerm, in_minor_units

from ..tables import Customer

_NOT_OF_TWO = [code for codes in CURRENCIES_OF.values() for code in codes]


def contains(column: Mapped[Any], term: SearchTerm) -> ColumnElement[bool]:
    """Whether a column of letters in ASCII has the text in it; % and _ stand for themselves."""
    return func.lower(column).contains(term.text, autoescape=True)


def of_customers(customer_id: Mapped[str], organization_id: str, term: SearchTerm) -> ColumnElement[bool]:
    """Whether it is of a customer whose name, mail address or id has the text in it."""
    found = select(Customer.id).where(
        Customer.organization_id == organization_id,
        col(Customer.folded).contains(term.text, autoescape=True),
    )
    return customer_id.in_(found)


def is_amount(term: SearchTerm, currency: Mapped[Any], *amounts: Mapped[Any]) -> ColumnElement[bool]:
    """Whether one of the columns, in minor units of the currency, is one of the amounts that were meant."""
    readings: list[ColumnElement[bool]] = [
        and_(_has_decimals(currency, places), or_(*(one == minor for one in amounts)))
        for amount in term.amounts
        for places, minor in in_minor_units(amount).items()
    ]
    found = or_(false(), *readings)
    return and_(found, currency == term.currency) if term.currency else found


def _has_decimals(currency: Mapped[Any], places: int) -> ColumnElement[bool]:
    codes = CURRENCIES_OF.get(places)
    return currency.in_(codes) if codes else currency.not_in(_NOT_OF_TWO)

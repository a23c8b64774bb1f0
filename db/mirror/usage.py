"""What an organization uses of its plan, as columns of a query."""

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from ..tables import Customer, Invoice, Person


def columns(organization: Any, currency: Any) -> tuple[ColumnElement[int], ColumnElement[int], Any]:
    """Active people, customers, and what open invoices in `currency` leave unpaid, in minor units."""
    seats = _count(Person.id, col(Person.organization_id) == organization, col(Person.active))
    customers = _count(
        Customer.id, col(Customer.organization_id) == organization, col(Customer.deleted).is_(False)
    )
    balance = (
        select(func.coalesce(func.sum(Invoice.amount_remaining), 0))
        .where(
            col(Invoice.organization_id) == organization,
            Invoice.status == "open",
            col(Invoice.currency) == currency,
        )
        .scalar_subquery()
    )
    return seats, customers, balance


def _count(key: Any, *conditions: Any) -> ColumnElement[int]:
    return select(func.count(key)).where(*conditions).scalar_subquery()

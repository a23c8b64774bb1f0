"""What an organization's customer owes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, func, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money

from ..tables import Invoice


class Receivable(NamedTuple):
    """Of one currency: what is open, what of that is overdue, and of how many invoices each is."""

    open: Money
    open_invoices: int
    overdue: Money
    overdue_invoices: int


async def of_customer(
    session: AsyncSession, organization_id: str, customer_id: str, at: datetime
) -> list[Receivable]:
    """By currency."""
    late, remaining = col(Invoice.due_date) < at, col(Invoice.amount_remaining)
    connection = await session.connection()
    found = await connection.execute(
        select(
            col(Invoice.currency),
            func.sum(remaining),
            func.count(),
            func.sum(case((late, remaining), else_=0)),
            func.sum(case((late, 1), else_=0)),
        )
        .where(
            col(Invoice.organization_id) == organization_id,
            col(Invoice.customer_id) == customer_id,
            col(Invoice.status) == "open",
        )
        .group_by(col(Invoice.currency))
        .order_by(col(Invoice.currency))
    )
    return [
        # PostgreSQL sums whole numbers to a decimal.
        Receivable(
            Money(amount_minor=int(total), currency=currency),
            count,
            Money(amount_minor=int(overdue), currency=currency),
            int(overdue_count),
        )
        for currency, total, count, overdue, overdue_count in found
    ]

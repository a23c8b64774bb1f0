"""What a customer was given: refunds and credits that somebody's authority covers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind

from ..tables import Commitment

MAX_ANSWERS = 50


@dataclass(frozen=True)
class GrantedAmount:
    """What one operation gave, and whose authority it counts in; nobody's for a case of which nobody has said
    who made it."""

    operation: str
    kind: Kind
    amount: Money
    decided_at: datetime
    authority_of: str | None


async def granted_since(
    session: AsyncSession, organization_id: str, customer_id: str, after: datetime, *, excluding: str
) -> list[GrantedAmount]:
    """The newest first, at most `MAX_ANSWERS`; without the operation `excluding`."""
    decided_at = func.max(Commitment.decided_at)
    connection = await session.connection()
    found = await connection.execute(
        select(
            col(Commitment.operation_id),
            col(Commitment.kind),
            col(Commitment.currency),
            func.sum(Commitment.amount_minor),
            decided_at,
            func.max(Commitment.authority_of),
        )
        .where(
            col(Commitment.organization_id) == organization_id,
            col(Commitment.customer_id) == customer_id,
            col(Commitment.decided_at) > after,
            col(Commitment.released_at).is_(None),
            col(Commitment.operation_id) != excluding,
        )
        .group_by(col(Commitment.operation_id), col(Commitment.kind), col(Commitment.currency))
        .order_by(decided_at.desc(), col(Commitment.operation_id).desc())
        .limit(MAX_ANSWERS)
    )
    return [
        # PostgreSQL sums whole numbers to a decimal.
        GrantedAmount(operation, Kind(kind), Money(amount_minor=int(total), currency=currency), at, person)
        for operation, kind, currency, total, at, person in found
        if at is not None
    ]

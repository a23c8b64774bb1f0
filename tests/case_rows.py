"""Cases as whoever writes the mirror opens them."""

from datetime import datetime
from typing import Any

from sqlmodel import select

from billing.policy import Policy
from db import case_notice, cases, mirror
from db.session import Database
from db.tables import Operation, RefundRow

from .builders import NOW
from .money_rows import a_refund


async def noticed(database: Database, refund: RefundRow, at: datetime = NOW) -> None:
    """A reading of the refund is mirrored."""
    async with database.transaction() as session:
        await mirror.store_money(session, refund)
        await case_notice.notice(session, [refund], at)


async def a_case(database: Database, policy: Policy, organization: str, **fields: Any) -> Operation:
    """The case of a refund that somebody made in Stripe."""
    cases.watch(database, policy)
    refund = a_refund(organization, "pi_1", **fields)
    await noticed(database, refund)
    async with database.reading() as session:
        found = await session.exec(select(Operation).where(Operation.product_key == f"case:{refund.id}"))
        return found.one()

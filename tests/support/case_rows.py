"""Cases as whoever writes the mirror opens them."""

from datetime import datetime
from typing import Any

from sqlmodel import select

from billing.policy.policy import Policy
from db.cases import money_cases
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import mirror
from db.tables import Operation, RefundRow

from .builders import NOW
from .case_rules import case_rules
from .money_rows import a_refund


async def noticed(
    database: Database, refund: RefundRow, at: datetime = NOW, rules: CaseRules | None = None
) -> None:
    """A reading of the refund is mirrored."""
    async with database.transaction() as session:
        await mirror.store_money(session, refund)
        await money_cases.notice(session, rules or case_rules(), [refund], at)


async def a_case(database: Database, policy: Policy, organization: str, **fields: Any) -> Operation:
    """The case of a refund that somebody made in Stripe."""
    refund = a_refund(organization, **{"payment_intent": "pi_1"} | fields)
    await noticed(database, refund, rules=CaseRules.of(policy))
    async with database.reading() as session:
        found = await session.exec(select(Operation).where(Operation.product_key == f"case:{refund.id}"))
        return found.one()

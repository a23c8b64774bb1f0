"""Opens cases for disputes that were lost: the customer's bank has taken the payment back for good.

Call it after all rows of the transaction are written, as `external` says.
"""

from collections.abc import Iterable

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import CaseFound, CaseObject
from billing.core.money import Money
from billing.money.dispute import LOST

from ..tables import DisputeRow
from .cases import CaseRules
from .external import ExternalChange, came_to_nothing, new, open_counted


async def notice(session: AsyncSession, rules: CaseRules, rows: Iterable[DisputeRow]) -> None:
    """Opens a case for each that is lost, by what the mirror has; one that was won after all gave nothing."""
    for row in rows:
        made = _lost(row)
        if row.status == LOST:
            for one in await new(session, row.organization_id, [made]):
                await open_counted(session, rules, one, row.synced_at)
        else:
            await came_to_nothing(session, made, row.synced_at)


def _lost(row: DisputeRow) -> ExternalChange:
    found = CaseFound(
        object_kind=CaseObject.DISPUTE,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=row.amount, currency=row.currency),
        payment_intent=row.payment_intent,
        reason=row.reason,
        status=row.status,
        bearer=row.charge,
    )
    return ExternalChange(row.organization_id, found)

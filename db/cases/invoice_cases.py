"""Opens cases for what of invoices was given away in Stripe itself: voids, write-offs, negative items, and
what discounts took off beyond what was counted of them.

By what the mirror has: a reading that came late may be older than that. Call it after all rows of the
transaction are written, as `external` says.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import ENDS, CaseFound, CaseObject
from billing.cases.given import GivenOnInvoice
from billing.core.money import Money

from ..stripe import ours
from ..tables import Invoice
from . import cases, discount_cases
from .cases import CaseRules
from .external import ExternalChange, came_to_nothing, new, open_counted

PAID = "paid"


async def notice(session: AsyncSession, rules: CaseRules, invoices: Collection[str], at: datetime) -> None:
    """Opens a case for what no operation of its organization did, however often it is seen; a write-off of
    what was paid through Stripe since came to nothing."""
    wanted = select(Invoice).where(col(Invoice.id).in_(invoices))
    found = await session.exec(
        wanted.order_by(col(Invoice.organization_id), col(Invoice.id)).execution_options(
            populate_existing=True
        )
    )
    for organization, rows in groupby(found.all(), lambda row: row.organization_id):
        await _of_organization(session, rules, organization, list(rows), at)


async def _of_organization(
    session: AsyncSession, rules: CaseRules, organization: str, rows: Sequence[Invoice], at: datetime
) -> None:
    given = [(row, GivenOnInvoice.model_validate(one)) for row in rows for one in row.given or ()]
    still = {one.object for _, one in given if one.kind is CaseObject.WRITE_OFF}
    paid = [_written_off(row) for row in rows if row.status == PAID and row.id not in still]
    cased = await cases.of_objects(session, organization, {one.key for one in paid})
    for one in paid:
        if one.key in cased:
            await came_to_nothing(session, one, at)
    made = await new(
        session,
        organization,
        [_change(row, one) for row, one in given if one.kind is not CaseObject.DISCOUNT],
    )
    if made:
        ended = await ours.enders(session, organization, {one.found.object for one in made})
        for one in made:
            if (one.found.object, ENDS.get(one.found.object_kind)) not in ended:
                await open_counted(session, rules, one, at)
    uses = [(row, one) for row, one in given if one.kind is CaseObject.DISCOUNT]
    await discount_cases.notice_uses(session, rules, organization, uses, at)


def _change(row: Invoice, given: GivenOnInvoice) -> ExternalChange:
    found = CaseFound(
        object_kind=given.kind,
        object=given.object,
        made_at=given.at,
        customer=row.customer_id,
        amount=Money(amount_minor=given.amount, currency=row.currency),
        invoice=row.id,
        bearer=row.id,
    )
    return ExternalChange(row.organization_id, found, object_id=f"{given.object}:{given.kind}")


def _written_off(row: Invoice) -> ExternalChange:
    found = CaseFound(object_kind=CaseObject.WRITE_OFF, object=row.id, status=row.status)
    return ExternalChange(row.organization_id, found, gone=True, object_id=f"{row.id}:{CaseObject.WRITE_OFF}")

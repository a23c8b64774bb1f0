"""Reads the changes of customers' balances from Stripe: of them no event tells, and no list has them all.

Only those customers are asked for whose balance is not what the changes that the mirror has come to.
"""

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import ObjectKind
from db.cases import money_cases
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.tables import BalanceTransactionRow, Customer, Invoice

from ..stripe.failures import concerns_everybody
from .objects.customer import balance_transaction_rows, unseen_changes
from .page_store import RunPage, store_rows
from .pages import MirrorAccess, MirroredPage

CUSTOMERS = 10
"""So many are asked for by one activity: each takes a request, the first time perhaps several."""


async def balances_page(
    access: MirrorAccess, after: str | None = None, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the balance's changes of the next customers, by id, of whom the mirror does not have the newest.

    A customer's are stored at once: one that was half done would look done.
    """
    async with access.database.reading() as session:
        customers = await _moved(session, after or "")

    async def one(found: tuple[str, str]) -> int:
        customer, organization = found
        read_at = utc_now()
        changes = await unseen_changes(access.client, access.database, customer)
        async with access.database.transaction() as session:
            rows = await balance_transaction_rows(session, changes, organization, read_at)
            page = RunPage(of.reconciliation, customer) if of else None
            await store_rows(session, ObjectKind.BALANCE_TRANSACTION, rows, page)
            await money_cases.notice(session, access.rules, rows, read_at)
        return len(rows)

    mirror_of = Alone(access.database, "mirror of balances", concerns_everybody)
    stored = sum(await mirror_of.each(customers, one, lambda found: Unit(*found)))
    return MirroredPage(stored, customers[-1][0] if len(customers) == CUSTOMERS else None)


async def _moved(session: AsyncSession, after: str) -> list[tuple[str, str]]:
    """Customers and their organizations, of whom the mirror has not each change.

    All changes add up to the balance; the newest alone says nothing of those before it, since what we make
    ourselves is mirrored at once. A credit that an invoice used up leaves the balance as it was: then the
    invoice shows it.
    """
    change = BalanceTransactionRow
    known = (
        select(func.coalesce(func.sum(col(change.amount)), 0))
        .where(change.customer_id == Customer.id)
        .scalar_subquery()
    )
    told = select(change.id).where(change.invoice_id == Invoice.id).exists()
    used = (
        select(Invoice.id)
        .where(Invoice.customer_id == Customer.id, Invoice.from_balance != 0, ~told)
        .exists()
    )
    wanted = select(Customer.id, Customer.organization_id).where(
        col(Customer.deleted).is_(False), Customer.id > after, or_(Customer.balance != known, used)
    )
    return list(await session.exec(wanted.order_by(col(Customer.id)).limit(CUSTOMERS)))

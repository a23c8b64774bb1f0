"""Reads the changes of customers' balances from Stripe: of them no event tells, and no list has them all.

Only those customers are asked for whose balance is not what the newest change that the mirror has says.
"""

from sqlalchemy.orm import aliased
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
    """Customers and their organizations. Of changes in the same second, any may be the newest.

    A credit that an invoice used up at once leaves the balance as it was: then the invoice shows it.
    """
    change, other = BalanceTransactionRow, aliased(BalanceTransactionRow)
    newest = select(func.max(col(other.created_at))).where(other.customer_id == Customer.id).scalar_subquery()
    any_ = select(change.id).where(change.customer_id == Customer.id).exists()
    told = (
        select(change.id)
        .where(
            change.customer_id == Customer.id,
            change.created_at == newest,
            change.ending_balance == Customer.balance,
        )
        .exists()
    )
    never = ~any_ & (col(Customer.balance) == 0)
    used = (
        select(Invoice.id)
        .where(
            Invoice.customer_id == Customer.id,
            Invoice.from_balance != 0,
            or_(~any_, col(Invoice.finalized_at) > newest),
        )
        .exists()
    )
    wanted = select(Customer.id, Customer.organization_id).where(
        col(Customer.deleted).is_(False), Customer.id > after, or_(~or_(told, never), used)
    )
    return list(await session.exec(wanted.order_by(col(Customer.id)).limit(CUSTOMERS)))

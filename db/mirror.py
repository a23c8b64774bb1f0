"""The mirror of what Stripe holds. An older reading never overwrites a newer one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, or_, update
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from billing.limits import Usage
from billing.plans import Plan

from .pages import DEFAULT_LIMIT, Page, read_page
from .statements import insert_into
from .tables import Customer, Invoice, Organization, Person, PlanRow


async def store_subscription(
    session: AsyncSession, organization_id: str, subscription: Mapping[str, Any], *, synced_at: datetime
) -> None:
    """Mirror an organization's subscription as it was read from Stripe at `synced_at`."""
    await session.exec(
        update(Organization)
        .where(
            col(Organization.id) == organization_id,
            or_(col(Organization.synced_at).is_(None), col(Organization.synced_at) <= synced_at),
        )
        .values(subscription=dict(subscription), synced_at=synced_at)
        .execution_options(synchronize_session=False)
    )


async def store_plan(session: AsyncSession, plan: Plan, *, synced_at: datetime) -> None:
    """Mirror a plan as it was read from Stripe at `synced_at`."""
    document = plan.model_dump(mode="json")
    row = PlanRow(plan=plan.plan, product=plan.product, document=document, synced_at=synced_at)
    await _store(session, row, key=col(PlanRow.plan))


async def store_customer(session: AsyncSession, customer: Customer) -> None:
    """Mirror a customer as it was read from Stripe at its `synced_at`."""
    await _store(session, customer, key=col(Customer.id))


async def store_invoice(session: AsyncSession, invoice: Invoice) -> None:
    """Mirror an invoice as it was read from Stripe at its `synced_at`."""
    await _store(session, invoice, key=col(Invoice.id))


async def _store(session: AsyncSession, row: PlanRow | Customer | Invoice, *, key: Any) -> None:
    table: type[SQLModel] = type(row)
    insert = insert_into(session, table).values(**row.model_dump())
    fresh = insert.excluded
    await session.exec(
        insert.on_conflict_do_update(
            index_elements=[key],
            set_={column.key: column for column in fresh if column.key != key.key},
            where=type(row).synced_at <= fresh.synced_at,
        )
    )


async def organization(session: AsyncSession, organization_id: str) -> Organization:
    """The organization with its subscription as last read. Raises LookupError when there is none."""
    found = await session.get(Organization, organization_id)
    if found is None:
        raise LookupError(f"no organization {organization_id}")
    return found


async def plans(session: AsyncSession) -> list[Plan]:
    """Every plan as last read, by name of the slug."""
    rows = await session.exec(select(PlanRow).order_by(col(PlanRow.plan)))
    return [Plan.model_validate(row.document) for row in rows]


async def customers_page(
    session: AsyncSession, organization_id: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[Customer]:
    """An organization's customers that are not deleted, the newest first.

    Raises InvalidRequest `invalid_cursor`.
    """
    wanted = select(Customer).where(
        Customer.organization_id == organization_id, col(Customer.deleted).is_(False)
    )
    return await read_page(
        session, wanted, col(Customer.created_at), col(Customer.id), limit=limit, cursor=cursor
    )


async def invoices_page(
    session: AsyncSession,
    organization_id: str,
    *,
    status: str | None = None,
    customer_id: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Invoice]:
    """An organization's invoices, the newest first. Raises InvalidRequest `invalid_cursor`."""
    wanted = select(Invoice).where(Invoice.organization_id == organization_id)
    if status:
        wanted = wanted.where(Invoice.status == status)
    if customer_id:
        wanted = wanted.where(Invoice.customer_id == customer_id)
    return await read_page(
        session, wanted, col(Invoice.created_at), col(Invoice.id), limit=limit, cursor=cursor
    )


async def invoice(session: AsyncSession, organization_id: str, invoice_id: str) -> Invoice | None:
    """The invoice, if it is this organization's."""
    found = await session.get(Invoice, invoice_id)
    return found if found and found.organization_id == organization_id else None


async def usage(session: AsyncSession, organization_id: str, currency: str) -> Usage:
    """What an organization uses of its plan: active people, customers, and what its open invoices in
    `currency` leave unpaid, in minor units.
    """
    asked = {"organization": organization_id, "currency": currency}
    row = (await session.exec(_USAGE, params=asked)).one()
    return Usage(seats=row[0], customers=row[1], ar_balance=int(row[2]), currency=currency)


def _usage_statement() -> Select[int, int, Any]:
    ours: BindParameter[str] = bindparam("organization")
    seats = _count(Person.id, col(Person.organization_id) == ours, col(Person.active))
    customers = _count(Customer.id, col(Customer.organization_id) == ours, col(Customer.deleted).is_(False))
    balance = (
        select(func.coalesce(func.sum(Invoice.amount_remaining), 0))
        .where(
            col(Invoice.organization_id) == ours,
            Invoice.status == "open",
            col(Invoice.currency) == bindparam("currency"),
        )
        .scalar_subquery()
    )
    return select(seats, customers, balance)


def _count(key: Any, *conditions: Any) -> ColumnElement[int]:
    return select(func.count(key)).where(*conditions).scalar_subquery()


# Made once: building the statement costs more than carrying it out.
_USAGE = _usage_statement()

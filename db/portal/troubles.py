"""Troubles with the mini-portal: one at a time for each invoice, on the clock of a business day."""

from datetime import datetime
from typing import Literal

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows, order
from ..core.statements import is_sqlite
from ..tables import Invoice, Operation, PortalTrouble

TroubleSort = Literal["noticed_at", "-noticed_at", "deadline", "-deadline"]

_KEYS = {
    "noticed_at": (col(PortalTrouble.noticed_at), col(PortalTrouble.operation_id)),
    "deadline": (col(PortalTrouble.deadline), col(PortalTrouble.operation_id)),
}


async def lock(session: AsyncSession, invoice_id: str) -> None:
    """Let nobody else open a trouble of this invoice before this transaction ends; `open_one` then holds.

    The same lock as of its links: whoever needs both asks for it once.
    """
    if not is_sqlite(session):
        await session.exec(select(Invoice.id).where(Invoice.id == invoice_id).with_for_update(key_share=True))


async def open_one(session: AsyncSession, invoice_id: str) -> PortalTrouble | None:
    """The invoice's trouble that is not closed; there is at most one."""
    found = await session.exec(
        select(PortalTrouble).where(
            PortalTrouble.invoice_id == invoice_id, col(PortalTrouble.closed_at).is_(None)
        )
    )
    return found.one_or_none()


async def of_operations(session: AsyncSession, operation_ids: list[str]) -> dict[str, Operation]:
    """Operations by their ids."""
    found = await session.exec(select(Operation).where(col(Operation.id).in_(operation_ids)))
    return {operation.id: operation for operation in found}


def paged(
    organization_id: str,
    *,
    open: bool | None = None,
    invoice_id: str | None = None,
    customer_id: str | None = None,
    sort: TroubleSort = "-noticed_at",
) -> PagedRows[PortalTrouble]:
    """An organization's troubles; `open` is whether they are not closed."""
    wanted = select(PortalTrouble).where(PortalTrouble.organization_id == organization_id)
    if open is not None:
        closed_at = col(PortalTrouble.closed_at)
        wanted = wanted.where(closed_at.is_(None) if open else closed_at.is_not(None))
    if invoice_id is not None:
        wanted = wanted.where(PortalTrouble.invoice_id == invoice_id)
    if customer_id is not None:
        wanted = wanted.where(PortalTrouble.customer_id == customer_id)
    return PagedRows(wanted, *order(_KEYS, sort))


async def escalate(session: AsyncSession, operation_id: str, *, at: datetime) -> None:
    """The controller hears of it; the first time stays. A closed one stays as it is."""
    await session.exec(
        update(PortalTrouble)
        .where(
            col(PortalTrouble.operation_id) == operation_id,
            col(PortalTrouble.escalated_at).is_(None),
            col(PortalTrouble.closed_at).is_(None),
        )
        .values(escalated_at=at)
        .execution_options(synchronize_session="fetch")
    )


async def close(session: AsyncSession, operation_id: str, *, how: str, at: datetime) -> None:
    """It is over; how it was first said to be stays."""
    await session.exec(
        update(PortalTrouble)
        .where(col(PortalTrouble.operation_id) == operation_id, col(PortalTrouble.closed_at).is_(None))
        .values(closed_at=at, how=how)
        .execution_options(synchronize_session="fetch")
    )


async def waiting_for(session: AsyncSession, organization_id: str, invoice_id: str) -> tuple[str, ...]:
    """The workflow of the invoice's open trouble, if it has one."""
    found = await session.exec(
        select(Operation.workflow_id)
        .join(PortalTrouble, col(PortalTrouble.operation_id) == col(Operation.id))
        .where(
            PortalTrouble.invoice_id == invoice_id,
            PortalTrouble.organization_id == organization_id,
            col(PortalTrouble.closed_at).is_(None),
        )
    )
    return tuple(found)

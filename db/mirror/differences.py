"""What our mirror had otherwise than Stripe, as it was found and corrected."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import ObjectKind

from ..core.pages import PagedRows, order
from ..core.statements import insert_if_new
from ..stripe.events import PENDING
from ..tables import BalanceTransactionRow, DifferenceRow, PaymentRow, StripeEvent

DifferenceSort = Literal["found_at", "-found_at"]

_KEYS = {"found_at": (col(DifferenceRow.found_at), col(DifferenceRow.id))}

UNDER_WAY = timedelta(minutes=1)
"""So long after it has happened, Stripe may still be about to tell of it for the first time."""
STILL_TAKEN_BACK = timedelta(hours=1)
"""So long after it was found, a difference may turn out to have only been under way."""


async def under_way(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Those Stripe ids of which an event tells that is not followed to its end yet."""
    if not ids:
        return set()
    pending = select(StripeEvent.object_id).where(
        col(StripeEvent.object_id).in_(ids), StripeEvent.state == PENDING
    )
    return {found for found in await session.exec(pending) if found is not None}


async def add(session: AsyncSession, rows: Sequence[DifferenceRow]) -> None:
    """Note what a run has found; what it finds of the same object again joins what it has found before."""
    for row in rows:
        if await insert_if_new(session, row) is not None:
            continue
        wanted = select(DifferenceRow).where(
            DifferenceRow.reconciliation_id == row.reconciliation_id,
            DifferenceRow.object_kind == row.object_kind,
            DifferenceRow.object_id == row.object_id,
        )
        earlier = (await session.exec(wanted)).one()
        if earlier.correction != "added":
            earlier.fields = [*earlier.fields, *row.fields]
            earlier.correction = row.correction


async def take_back(session: AsyncSession, at: datetime) -> None:
    """Drop what of late was taken for a difference, and Stripe was just about to tell.

    That is: its event came by itself after we had looked, of what had happened shortly before.
    """
    statement = select(DifferenceRow.id, StripeEvent.created_at, StripeEvent.received_at).where(
        col(DifferenceRow.found_at) > at - STILL_TAKEN_BACK,
        col(StripeEvent.created_at) <= col(DifferenceRow.found_at),
        col(StripeEvent.received_at) >= col(DifferenceRow.found_at),
        col(StripeEvent.missed).is_(False),
    )
    object_id, event = col(DifferenceRow.object_id), col(StripeEvent.object_id)
    payment, change = PaymentRow, BalanceTransactionRow
    taken: set[str] = set()
    for ways in (
        statement.where(event == object_id),
        statement.join(payment, col(payment.id) == object_id).where(event == col(payment.charge)),
        statement.join(change, col(change.id) == object_id).where(event == col(change.customer_id)),
    ):
        found = await session.exec(ways)
        taken |= {id_ for id_, happened, received in found if received - happened <= UNDER_WAY}
    gone = delete(DifferenceRow).where(col(DifferenceRow.id).in_(taken))
    await session.exec(gone.execution_options(synchronize_session=False))


def paged(
    organization_id: str,
    *,
    reconciliation: str | None = None,
    object_kind: ObjectKind | None = None,
    object_id: str | None = None,
    sort: DifferenceSort = "-found_at",
) -> PagedRows[DifferenceRow]:
    """An organization's differences."""
    wanted = select(DifferenceRow).where(DifferenceRow.organization_id == organization_id)
    if reconciliation:
        wanted = wanted.where(DifferenceRow.reconciliation_id == reconciliation)
    if object_kind:
        wanted = wanted.where(DifferenceRow.object_kind == object_kind.value)
    if object_id:
        wanted = wanted.where(DifferenceRow.object_id == object_id)
    return PagedRows(wanted, *order(_KEYS, sort))


async def counts(
    session: AsyncSession, organization_id: str, reconciliations: Collection[str]
) -> dict[str, dict[str, int]]:
    """How many differences of an organization these runs found: by run and kind of object."""
    found = await session.exec(
        select(DifferenceRow.reconciliation_id, DifferenceRow.object_kind, func.count())
        .where(
            DifferenceRow.organization_id == organization_id,
            col(DifferenceRow.reconciliation_id).in_(reconciliations),
        )
        .group_by(DifferenceRow.reconciliation_id, DifferenceRow.object_kind)
    )
    counted: dict[str, dict[str, int]] = {}
    for run, kind, number in found:
        counted.setdefault(run, {})[kind] = number
    return counted

"""Runs that hold our mirror against Stripe."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, or_, update
from sqlmodel import SQLModel, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Problem
from billing.mirror.reconciliation import WHOLE, RollingPage, RunState

from ..core.pages import PagedRows, order
from ..tables import (
    CreditNoteRow,
    Customer,
    DifferenceRow,
    DisputeRow,
    Invoice,
    Organization,
    PaymentRow,
    Reconciliation,
    RefundRow,
)

ReconciliationSort = Literal["started_at", "-started_at"]

_KEYS = {"started_at": (col(Reconciliation.started_at), col(Reconciliation.id))}

RUNNING: RunState = "running"
ROLLING = "rolling"
KEPT = 100
"""Of the runs by schedule, so many stay that found nothing: those of about four days."""


async def running(session: AsyncSession, organization_id: str | None = None) -> list[Reconciliation]:
    """Runs that have not ended, of those that an organization asked for if one is named; the oldest first."""
    wanted = select(Reconciliation).where(Reconciliation.state == RUNNING)
    if organization_id is not None:
        wanted = wanted.where(Reconciliation.organization_id == organization_id)
    key = (col(Reconciliation.started_at), col(Reconciliation.id))
    return list(await session.exec(wanted.order_by(*key)))


async def alone(session: AsyncSession, organization_id: str) -> None:
    """Until the transaction ends, nobody else of the organization passes here."""
    await session.exec(
        select(Organization.id).where(Organization.id == organization_id).with_for_update(key_share=True)
    )


async def of_workflow(session: AsyncSession, workflow_id: str) -> Reconciliation | None:
    """The run that this workflow carries out."""
    wanted = select(Reconciliation).where(Reconciliation.workflow_id == workflow_id)
    return (await session.exec(wanted)).one_or_none()


async def begin(session: AsyncSession, reconciliation_id: str, at: datetime) -> None:
    """What the mirror has read before this moment is what the run has to look at."""
    await session.exec(
        update(Reconciliation)
        .where(col(Reconciliation.id) == reconciliation_id)
        .values(state=RUNNING, started_at=at, ended_at=None)
        .execution_options(synchronize_session=False)
    )


async def reach(session: AsyncSession, reconciliation_id: str, stage: str) -> None:
    """Note what the run is comparing now."""
    await session.exec(
        update(Reconciliation)
        .where(col(Reconciliation.id) == reconciliation_id)
        .values(stage=stage)
        .execution_options(synchronize_session=False)
    )


async def count(
    session: AsyncSession, reconciliation_id: str, page: str, kind: str, compared: Mapping[str, int]
) -> None:
    """Add how many of a kind were compared on a page, by organization; the same page again adds nothing."""
    wanted = (
        select(Reconciliation).where(Reconciliation.id == reconciliation_id).with_for_update(key_share=True)
    )
    run = (await session.exec(wanted.execution_options(populate_existing=True))).one()
    if run.counted == page:
        return
    counts = dict(run.counts)
    for organization, number in compared.items():
        before = counts.get(organization, {})
        counts[organization] = before | {kind: before.get(kind, 0) + number}
    run.counts, run.counted = counts, page


# --- The rolling one --------------------------------------------------------------------------------------


async def rolling(session: AsyncSession) -> Reconciliation | None:
    """The one that goes on."""
    wanted = select(Reconciliation).where(Reconciliation.scope == ROLLING, Reconciliation.state == RUNNING)
    return (await session.exec(wanted)).first()


async def roll_on(session: AsyncSession, to: RollingPage, stage: str) -> None:
    """A page is done, and this one is next; the same again adds nothing."""
    run = await session.get_one(Reconciliation, to.reconciliation)
    place = to.model_dump(mode="json")
    if run.place != place:
        run.place, run.stage, run.pages = place, stage, run.pages + 1


async def expected_pages(session: AsyncSession, of: int) -> int:
    """How many pages of so many objects everything has: as many as the last time, or by what we have."""
    last = (
        select(Reconciliation.pages)
        .where(Reconciliation.scope == ROLLING, Reconciliation.state == "completed")
        .order_by(col(Reconciliation.started_at).desc())
        .limit(1)
    )
    if (pages := (await session.exec(last)).first()) is not None:
        return pages
    return sum([-(-await _rows(session, one) // of) for one in _LISTED])


_LISTED: tuple[type[SQLModel], ...] = (
    Organization,
    Customer,
    Invoice,
    PaymentRow,
    RefundRow,
    CreditNoteRow,
    DisputeRow,
)


async def _rows(session: AsyncSession, table: type[SQLModel]) -> int:
    return (await session.exec(select(func.count()).select_from(table))).one()


async def never_whole(session: AsyncSession) -> bool:
    """Whether everything has yet to be compared for the first time."""
    whole = select(Reconciliation.id).where(
        col(Reconciliation.scope).in_(WHOLE), Reconciliation.state == "completed"
    )
    return (await session.exec(whole.limit(1))).first() is None


async def end(
    session: AsyncSession, ids: Sequence[str], at: datetime, problem: Problem | None, missed: int = 0
) -> None:
    """Runs are over, for `problem` where there is one; what had ended before stays so.

    `missed` is how many events had not arrived.
    """
    state: RunState = "failed" if problem else "completed"
    await session.exec(
        update(Reconciliation)
        .where(col(Reconciliation.id).in_(ids), col(Reconciliation.state) == RUNNING)
        .values(
            state=state, ended_at=at, error=problem.model_dump() if problem else None, events_missed=missed
        )
        .execution_options(synchronize_session=False)
    )


async def forget(session: AsyncSession) -> None:
    """Delete runs by schedule that were completed and found nothing, but for the newest `KEPT` and those that
    have compared everything."""
    by_schedule = col(Reconciliation.scope) == "recent"
    newest = (
        select(Reconciliation.id)
        .where(by_schedule)
        .order_by(col(Reconciliation.started_at).desc(), col(Reconciliation.id).desc())
        .limit(KEPT)
        .subquery()
    )
    found = select(DifferenceRow.id).where(col(DifferenceRow.reconciliation_id) == col(Reconciliation.id))
    await session.exec(
        delete(Reconciliation)
        .where(
            by_schedule,
            col(Reconciliation.state) == "completed",
            ~found.exists(),
            col(Reconciliation.id).not_in(select(newest.c.id)),
        )
        .execution_options(synchronize_session=False)
    )


async def get(session: AsyncSession, organization_id: str, reconciliation_id: str) -> Reconciliation | None:
    """The run, if it is by schedule or this organization's."""
    found = await session.get(Reconciliation, reconciliation_id)
    return found if found and found.organization_id in (None, organization_id) else None


def paged(
    organization_id: str, *, state: RunState | None = None, sort: ReconciliationSort = "-started_at"
) -> PagedRows[Reconciliation]:
    """Runs by schedule and those that the organization asked for."""
    asked_by = col(Reconciliation.organization_id)
    wanted = select(Reconciliation).where(or_(asked_by.is_(None), asked_by == organization_id))
    if state:
        wanted = wanted.where(Reconciliation.state == state)
    return PagedRows(wanted, *order(_KEYS, sort))

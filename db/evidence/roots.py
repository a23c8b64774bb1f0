"""Daily roots, and the heads that they stand for."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import exists, insert
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.evidence.seals.archive import ListedHead
from billing.evidence.seals.roots import Root, SealedHead, SignedRoot
from billing.evidence.seals.signing import PublicKey, PublicKeys

from ..core.pages import PagedRows
from ..core.statements import insert_if_new
from ..tables import (
    Approval,
    Decision,
    HeadRow,
    Intent,
    Operation,
    Organization,
    RootRow,
    SigningKeyRow,
    TimelineEvent,
)

AT_ONCE = 500
"""Heads of one statement."""


class MovedHeads(NamedTuple):
    """Operations that have gone on since their last roots, and the heads that they had in those."""

    heads: list[SealedHead]
    last: dict[str, SealedHead]


async def due(session: AsyncSession, day: date) -> list[str]:
    """The organizations that have no root of the day, nor of a later one."""
    later = exists().where(col(RootRow.organization_id) == Organization.id, col(RootRow.day) >= day)
    return list(await session.exec(select(Organization.id).where(~later).order_by(Organization.id)))


async def last(session: AsyncSession, organization_id: str) -> SignedRoot | None:
    """The organization's last root."""
    rows = await session.exec(
        select(RootRow)
        .where(RootRow.organization_id == organization_id)
        .order_by(col(RootRow.number).desc())
        .limit(1)
    )
    row = rows.first()
    return root_of(row) if row is not None else None


async def moved(session: AsyncSession, organization_id: str, after: str, limit: int) -> MovedHeads:
    """Up to so many operations, by their ids, after that one; `session` is a snapshot, or what is counted
    would not be of the same moment."""
    newest = (
        select(func.max(TimelineEvent.seq))
        .where(TimelineEvent.operation_id == Operation.id)
        .correlate(Operation)
        .scalar_subquery()
    )
    sealed = (
        select(func.max(HeadRow.events))
        .where(HeadRow.operation_id == Operation.id)
        .correlate(Operation)
        .scalar_subquery()
    )
    events = list(
        await session.exec(
            select(TimelineEvent)
            .join(Operation, col(Operation.id) == TimelineEvent.operation_id)
            .where(
                Operation.organization_id == organization_id,
                col(Operation.id) > after,
                TimelineEvent.seq == newest,
                TimelineEvent.seq > func.coalesce(sealed, 0),
            )
            .order_by(col(Operation.id))
            .limit(limit)
        )
    )
    ids = [event.operation_id for event in events]
    counts = [await _counted(session, column, ids) for column in (Approval.operation_id, Intent.operation_id)]
    decided = await _decided(session, ids)
    heads = [
        SealedHead(
            operation=event.operation_id,
            events=event.seq,
            head=event.hash,
            approvals=counts[0].get(event.operation_id, 0),
            decisions=decided.get(event.operation_id, 0),
            intents=counts[1].get(event.operation_id, 0),
        )
        for event in events
    ]
    return MovedHeads(heads, await last_heads(session, ids))


async def _counted(session: AsyncSession, column: Any, ids: Collection[str]) -> Mapping[str, int]:
    rows = await session.exec(select(column, func.count()).where(col(column).in_(ids)).group_by(column))
    return dict(list(rows))


async def _decided(session: AsyncSession, ids: Collection[str]) -> Mapping[str, int]:
    rows = await session.exec(
        select(Approval.operation_id, func.count())
        .join(Decision, col(Decision.approval_id) == Approval.id)
        .where(col(Approval.operation_id).in_(ids))
        .group_by(col(Approval.operation_id))
    )
    return dict(list(rows))


async def last_heads(session: AsyncSession, operation_ids: Collection[str]) -> dict[str, SealedHead]:
    """The head that each operation had in the last root that has one."""
    rows = await session.exec(
        select(HeadRow).where(col(HeadRow.operation_id).in_(operation_ids)).order_by(col(HeadRow.events))
    )
    return {row.operation_id: head_of(row) for row in rows}


async def keep(session: AsyncSession, root: SignedRoot, heads: Sequence[SealedHead], key: PublicKey) -> bool:
    """Write a root with its heads; False where another worker has written one meanwhile."""
    row = RootRow(
        organization_id=root.organization,
        number=root.number,
        day=root.day,
        sealed_at=root.sealed_at,
        root=root.model_dump(mode="json"),
    )
    if await insert_if_new(session, row) is None:
        return False
    await insert_if_new(session, SigningKeyRow(id=key.kid, x=key.x, first_used_at=root.sealed_at))
    for start in range(0, len(heads), AT_ONCE):
        values = [_row(root, head) for head in heads[start : start + AT_ONCE]]
        await session.exec(insert(HeadRow).values(values))
    return True


def _row(root: Root, head: SealedHead) -> dict[str, Any]:
    content = head.model_dump(exclude={"operation"})
    return content | {
        "operation_id": head.operation,
        "organization_id": root.organization,
        "number": root.number,
    }


def listed(
    organization_id: str,
    *,
    first: date | None = None,
    last: date | None = None,
    newest_first: bool = False,
) -> PagedRows[RootRow]:
    """The roots of these days."""
    rows = select(RootRow).where(RootRow.organization_id == organization_id)
    if first is not None:
        rows = rows.where(col(RootRow.day) >= first)
    if last is not None:
        rows = rows.where(col(RootRow.day) <= last)
    return PagedRows(rows, (col(RootRow.number),), descending=newest_first)


def heads(
    organization_id: str, *, numbers: tuple[int, int] | None = None, newest_first: bool = False
) -> PagedRows[HeadRow]:
    """The heads of the roots with these numbers, from the first to the last; of all unless they are given."""
    rows = select(HeadRow).where(HeadRow.organization_id == organization_id)
    if numbers is not None:
        rows = rows.where(col(HeadRow.number).between(*numbers))
    key = (col(HeadRow.number), col(HeadRow.operation_id))
    return PagedRows(rows, key, descending=newest_first)


async def root(session: AsyncSession, organization_id: str, number: int) -> SignedRoot | None:
    """A root by its number."""
    row = await session.get(RootRow, (organization_id, number))
    return root_of(row) if row is not None else None


async def heads_of(session: AsyncSession, organization_id: str, number: int) -> list[SealedHead]:
    """All heads of a root."""
    rows = await session.exec(
        select(HeadRow)
        .where(HeadRow.organization_id == organization_id, HeadRow.number == number)
        .order_by(col(HeadRow.operation_id))
    )
    return [head_of(row) for row in rows]


async def last_seal(session: AsyncSession, operation_id: str) -> HeadRow | None:
    """The last head of an operation that a root stands for."""
    rows = await session.exec(
        select(HeadRow)
        .where(HeadRow.operation_id == operation_id)
        .order_by(col(HeadRow.events).desc())
        .limit(1)
    )
    return rows.first()


async def keys(session: AsyncSession) -> PublicKeys:
    """Every public key that was ever signed with, the oldest first."""
    rows = await session.exec(select(SigningKeyRow).order_by(col(SigningKeyRow.first_used_at)))
    return PublicKeys(keys=[PublicKey(kid=row.id, x=row.x) for row in rows])


async def lost(session: AsyncSession, limit: int) -> list[HeadRow]:
    """Heads whose event is not there any more, or is another one: what was removed or rewritten."""
    still = exists().where(
        col(TimelineEvent.operation_id) == HeadRow.operation_id,
        col(TimelineEvent.seq) == HeadRow.events,
        col(TimelineEvent.hash) == HeadRow.head,
    )
    rows = await session.exec(
        select(HeadRow).where(~still).order_by(col(HeadRow.operation_id), col(HeadRow.events)).limit(limit)
    )
    return list(rows)


def root_of(row: RootRow) -> SignedRoot:
    """As it was signed."""
    return SignedRoot.model_validate(row.root)


def head_of(row: HeadRow) -> SealedHead:
    return SealedHead(
        operation=row.operation_id,
        **row.model_dump(include={"events", "head", "approvals", "decisions", "intents"}),
    )


def listed_head(row: HeadRow) -> ListedHead:
    """With the number of its root."""
    return ListedHead(root=row.number, **dict(head_of(row)))

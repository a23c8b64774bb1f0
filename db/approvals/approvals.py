"""Approvals and the decisions of people on them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.ladder import Signature

from ..core import timeline
from ..core.pages import FirstOf, PagedRows, order
from ..core.pending import reads, store_later
from ..core.record_hashes import wrote
from ..operations.heads import is_unreviewed
from ..tables import Approval, Decision

OPEN, APPROVED = "open", "approved"


async def create(session: AsyncSession, approval: Approval) -> Approval:
    """Store an approval that is not there yet; the transaction fails where it is at the same moment."""
    await store_later(session, approval)
    wrote(session, approval.operation_id, approval)
    return approval


async def get(session: AsyncSession, organization_id: str, approval_id: str) -> Approval | None:
    """The approval, if it is this organization's."""
    approval = await session.get(Approval, approval_id)
    return approval if approval and approval.organization_id == organization_id else None


async def several(session: AsyncSession, approval_ids: Collection[str]) -> list[Approval]:
    """Those that there are of these."""
    if not approval_ids:
        return []
    return list(await session.exec(select(Approval).where(col(Approval.id).in_(approval_ids))))


async def get_any(session: AsyncSession, approval_id: str) -> Approval:
    """The approval of whatever organization. Raises LookupError when there is none."""
    approval = await session.get(Approval, approval_id)
    if approval is None:
        raise LookupError(f"no approval {approval_id}")
    return approval


ApprovalSort = Literal["operation", "-operation", "deadline", "-deadline", "amount", "-amount"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "operation": (col(Approval.id),),
    "deadline": (col(Approval.deadline), col(Approval.id)),
    "amount": (FirstOf(col(Approval.amount_minor), 0), col(Approval.id)),
}


def paged(
    organization_id: str,
    *,
    state: str | None = None,
    open: bool | None = None,
    operation_id: str | None = None,
    waits_for: str | None = None,
    keep: Callable[[Approval], bool] = lambda approval: True,
    sort: ApprovalSort = "-operation",
) -> PagedRows[Approval]:
    """An organization's approvals, in the order in which their operations were begun, by the deadline of the
    rung that is asked, or by amount, whatever the currency; what has none comes as 0.

    With `waits_for` only what is open and was not asked for by this person; of it only what `keep` lets
    pass, which says whether they may decide.
    """
    wanted = select(Approval).where(Approval.organization_id == organization_id)
    if state:
        wanted = wanted.where(Approval.state == state)
    if open is not None:
        wanted = wanted.where(Approval.state == OPEN if open else Approval.state != OPEN)
    if operation_id:
        wanted = wanted.where(Approval.operation_id == operation_id)
    if waits_for:
        wanted = wanted.where(Approval.state == OPEN, Approval.requested_by != waits_for)
    if "deadline" in sort:
        wanted = wanted.where(col(Approval.deadline).is_not(None))  # every round that is opened has one
    key, descending = order(_KEYS, sort)
    return PagedRows(wanted, key, descending, keep)


async def climb(
    session: AsyncSession,
    approval_id: str,
    *,
    rung: int,
    ladder: Sequence[Mapping[str, Any]],
    deadline: datetime | None,
) -> None:
    """Note which rung an open approval is on, with the ladder as it then looks."""
    climbed = await session.scalar(
        update(Approval)
        .where(col(Approval.id) == approval_id, col(Approval.state) == OPEN)
        .values(rung=rung, ladder=list(ladder), deadline=deadline)
        .returning(Approval)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if climbed is not None:
        wrote(session, climbed.operation_id, climbed)


async def close(
    session: AsyncSession, approval_id: str, *, state: str, at: datetime, decided_by: str | None = None
) -> Approval:
    """Close an approval; the first to close it wins. Returns it as it then is."""
    approval = await lock(session, approval_id)
    if approval.state == OPEN:
        approval.state, approval.closed_at, approval.decided_by = state, at, decided_by
        await store_later(session, approval)
        wrote(session, approval.operation_id, approval)
    return approval


async def open_of(session: AsyncSession, operation_id: str) -> list[str]:
    """The ids of an operation's open approvals."""
    if is_unreviewed(session, operation_id):
        return []
    found = await session.exec(
        select(Approval.id).where(Approval.operation_id == operation_id, Approval.state == OPEN),
        execution_options=reads(Approval),
    )
    return list(found)


async def decisions(session: AsyncSession, approval_id: str) -> list[Decision]:
    """The decisions on an approval, the earliest first."""
    found = await session.exec(
        select(Decision).where(Decision.approval_id == approval_id).order_by(col(Decision.decided_at)),
        execution_options=reads(Decision),
    )
    return list(found)


async def people_of(session: AsyncSession, operation_id: str) -> set[str]:
    """Those who have decided on an operation."""
    found = await session.exec(
        select(Decision.person_id)
        .join(Approval, col(Approval.id) == Decision.approval_id)
        .where(Approval.operation_id == operation_id)
    )
    return set(found)


async def latest(session: AsyncSession, operation_id: str) -> Approval | None:
    """The last round of an operation; None when nobody was asked."""
    found = await session.exec(
        select(Approval)
        .where(Approval.operation_id == operation_id)
        .order_by(col(Approval.round).desc())
        .limit(1)
        .execution_options(populate_existing=True, **reads(Approval))
    )
    return found.one_or_none()


async def yeses(session: AsyncSession, operation_id: str) -> list[Signature]:
    """Who said yes to what the operation was last approved on; nobody where it went without an approval."""
    last = await latest(session, operation_id)
    if last is None or last.state != APPROVED:
        return []
    return [Signature.model_validate(one) for one in last.signatures]


async def lock(session: AsyncSession, approval_id: str) -> Approval:
    """The approval, which nobody else can change before this transaction ends. Raises LookupError."""
    approval = await lock_if_there(session, approval_id)
    if approval is None:
        raise LookupError(f"no approval {approval_id}")
    return approval


async def lock_own(session: AsyncSession, organization_id: str, approval_id: str) -> Approval | None:
    """As `lock`, if it is this organization's."""
    approval = await lock_if_there(session, approval_id)
    return approval if approval and approval.organization_id == organization_id else None


async def lock_if_there(session: AsyncSession, approval_id: str) -> Approval | None:
    """As `lock`, of one that may not have been opened."""
    if timeline.holds(session):
        raise timeline.Overtaken
    wanted: Any = (
        select(Approval, *timeline.head_of(col(Approval.operation_id)))
        .where(col(Approval.id) == approval_id)
        .with_for_update(of=Approval, key_share=True)
        .execution_options(populate_existing=True)
    )
    row = (await session.exec(wanted)).one_or_none()
    if row is None:
        return None
    approval: Approval
    approval, *head = row
    timeline.learn_head(session, approval.operation_id, *head)
    return approval

"""Approvals and the decisions of people on them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.ladder import Signature
from billing.core.errors import Conflict

from ..core.pages import FirstOf, PagedRows, order
from ..core.record_hashes import wrote
from ..core.statements import insert_if_new
from ..tables import Approval, Decision

OPEN, APPROVED = "open", "approved"
PENDING, ACCEPTED, REFUSED = "pending", "accepted", "refused"


async def create(session: AsyncSession, approval: Approval) -> tuple[Approval, bool]:
    """Store a new approval, and whether it is new: otherwise it is the one that has its id already."""
    created = await insert_if_new(session, approval)
    if created:
        wrote(session, created.operation_id, created)
    return created or await get_any(session, approval.id), created is not None


async def get(session: AsyncSession, organization_id: str, approval_id: str) -> Approval | None:
    """The approval, if it is this organization's."""
    approval = await session.get(Approval, approval_id)
    return approval if approval and approval.organization_id == organization_id else None


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
        await session.flush()
        wrote(session, approval.operation_id, approval)
    return approval


async def of_workflow(session: AsyncSession, workflow_id: str) -> Approval | None:
    """The approval that is, or was until a moment ago, decided in this workflow.

    A review that was ended from outside goes on in another one, whose id begins as that of the first.
    """
    approval_id = workflow_id.removeprefix("approval-").partition("-again-")[0]
    return await session.get(Approval, approval_id)


async def open_of(session: AsyncSession, operation_id: str) -> list[str]:
    """The ids of an operation's open approvals."""
    found = await session.exec(
        select(Approval.id).where(Approval.operation_id == operation_id, Approval.state == OPEN)
    )
    return list(found)


async def record(session: AsyncSession, decision: Decision) -> tuple[Decision, bool]:
    """Store a decision before it is passed on, and whether it is new: the same id again answers the first.

    Raises Conflict `approval_closed` when nothing is left to decide, and `already_decided` to whoever has
    decided before. While a decision is on its way, so it is to everybody else, of two at the same moment the
    first wins; but where somebody of each of several roles is asked, one yes does not stop the others.
    """
    approval = await lock(session, decision.approval_id)
    earlier = await session.get(Decision, decision.id)
    if earlier:
        return earlier, False
    if approval.state != OPEN:
        raise Conflict(
            "approval_closed", f"approval {approval.id} is {approval.state}: there is nothing to decide"
        )
    others = await session.exec(
        select(Decision).where(
            Decision.approval_id == approval.id, col(Decision.state).in_([PENDING, ACCEPTED])
        )
    )
    for other in others:
        if other.person_id == decision.person_id or not _leaves_room(approval, other):
            raise Conflict(
                "already_decided", f"{other.person_id} has just decided approval {approval.id}; read it again"
            )
    session.add(decision)
    await session.flush()
    return decision, True


def _leaves_room(approval: Approval, earlier: Decision) -> bool:
    """Whether others may have their say beside this decision. One accepted on an open approval is a
    signature; one that is on its way closes it, unless it may be one of several that are needed.
    """
    if earlier.state == ACCEPTED:
        return True
    several = any(rung.get("needs") == "all" for rung in approval.ladder[: approval.rung + 1])
    return several and earlier.decision == "approve"


async def get_decision(session: AsyncSession, decision_id: str) -> Decision:
    """The decision. Raises LookupError when there is none."""
    decision = await session.get(Decision, decision_id)
    if decision is None:
        raise LookupError(f"no decision {decision_id}")
    return decision


async def settle_accepted(
    session: AsyncSession,
    decision_id: str,
    *,
    approval_state: str,
    at: datetime,
    signature: Mapping[str, Any] | None = None,
    for_person: str | None = None,
) -> Decision:
    """Accept a decision and move its approval on with it, unless the approval was closed in the meantime:
    then the decision is refused with `approval_closed`. Settling again changes nothing.

    An `approval_state` of "open" leaves it to others, with the `signature` so far.
    """
    decision = await get_decision(session, decision_id)
    approval = await lock(session, decision.approval_id)
    await session.refresh(decision)
    if decision.state != PENDING:
        return decision
    decision.settled_at = at
    if approval.state == OPEN:
        decision.state, decision.for_person = ACCEPTED, for_person
        if signature is not None:
            approval.signatures = [*approval.signatures, dict(signature)]
        if approval_state != OPEN:
            approval.state, approval.closed_at, approval.decided_by = approval_state, at, decision.person_id
    else:
        decision.state = REFUSED
        decision.refusal = {"code": "approval_closed", "message": f"the approval is {approval.state}"}
    await session.flush()
    wrote(session, approval.operation_id, approval, decision)
    return decision


async def settle_refused(
    session: AsyncSession, decision_id: str, *, refusal: Mapping[str, Any], at: datetime
) -> Decision:
    """Note why a decision was refused (a `Problem` as JSON). Settling again changes nothing."""
    decision = await get_decision(session, decision_id)
    approval = await lock(session, decision.approval_id)
    await session.refresh(decision)
    if decision.state == PENDING:
        decision.state, decision.refusal, decision.settled_at = REFUSED, dict(refusal), at
        await session.flush()
        wrote(session, approval.operation_id, decision)
    return decision


async def decisions(session: AsyncSession, approval_id: str) -> list[Decision]:
    """The decisions on an approval, the earliest first."""
    found = await session.exec(
        select(Decision).where(Decision.approval_id == approval_id).order_by(col(Decision.created_at))
    )
    return list(found)


async def people_of(session: AsyncSession, operation_id: str) -> set[str]:
    """Those whose decisions on an operation were accepted."""
    found = await session.exec(
        select(Decision.person_id)
        .join(Approval, col(Approval.id) == Decision.approval_id)
        .where(Approval.operation_id == operation_id, Decision.state == ACCEPTED)
    )
    return set(found)


async def latest(session: AsyncSession, operation_id: str) -> Approval | None:
    """The last round of an operation; None when nobody was asked."""
    found = await session.exec(
        select(Approval)
        .where(Approval.operation_id == operation_id)
        .order_by(col(Approval.round).desc())
        .limit(1)
        .execution_options(populate_existing=True)
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


async def lock_if_there(session: AsyncSession, approval_id: str) -> Approval | None:
    """As `lock`, of one that may not have been opened."""
    found = await session.exec(
        select(Approval)
        .where(Approval.id == approval_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.one_or_none()

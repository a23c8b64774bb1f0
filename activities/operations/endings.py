"""How an operation ends: one function, whoever ends it.

Its workflow, the reaper of workflows that ended early, an operator's command: each ends it here, in one
transaction, so that nothing that only an open operation may hold is left behind and nobody waits for it.
"""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.ladder import ApprovalState
from billing.core.events import EventCode
from billing.core.operations import SYSTEM, State
from billing.evidence.event_words import words
from billing.operations.messages import Progress
from db.approvals import approvals
from db.approvals.decisions import decided_key
from db.core import timeline
from db.money import commitments
from db.operations import operations
from db.operations.operations import UNCHANGED
from db.tables import Approval, Operation

from .end_mails import tell_ended


async def end_operation(session: AsyncSession, ending: Progress) -> bool:
    """Closes the operation with this event, and with it everything that only an open one may hold.

    Its open approvals are dismissed, and with `releases` the money set aside for it is free again, but for
    the payments in `keeps`. False, and nothing is done, when it is closed already: the first end stands,
    whoever brings another. An approval's row is locked before its operation's.
    """
    assert ending.ends, "only a final state that does not stay open ends an operation"
    if timeline.holds(session):
        await operations.lock(session, ending.operation)  # says as well whether anything is open
    closed = await _close_open(session, ending)
    moved = await _moved(session, ending, if_open=True)
    if moved is None:
        return False
    # One that was being opened is there by now; none can be opened any more.
    for approval in [*closed, *await _close_open(session, ending)]:
        if approval.state == ApprovalState.DISMISSED and approval.closed_at == ending.at:
            await _tell_dismissed(session, ending, approval)
    if ending.releases:
        await commitments.release(session, ending.operation, at=ending.at, keep=ending.keeps)
    await timeline.append(
        session,
        ending.operation,
        key=ending.key,
        event=ending.event,
        actor=ending.actor,
        at=ending.at,
        detail=ending.detail,
    )
    await tell_ended(session, moved, ending)
    return True


async def _close_open(session: AsyncSession, ending: Progress) -> list[Approval]:
    return [
        await approvals.close(session, one, state=ApprovalState.DISMISSED, at=ending.at)
        for one in await approvals.open_of(session, ending.operation)
    ]


async def _tell_dismissed(session: AsyncSession, ending: Progress, approval: Approval) -> None:
    """The same event as when the review itself ends so."""
    reason = f"The request has ended: {words(ending.event, ending.detail)}."
    signatures = {"signatures": approval.signatures} if approval.signatures else {}
    await timeline.append(
        session,
        ending.operation,
        key=decided_key(approval.id),
        event=EventCode.REVIEW_DISMISSED,
        actor=SYSTEM,
        at=ending.at,
        detail={"approval": approval.id, "reason": reason} | signatures,
    )


async def move(session: AsyncSession, progress: Progress, *, new: bool = False) -> Operation:
    """The operation's row, moved on; `progress` names a state, and its event is `new` for sure, or may have
    been told before."""
    moved = await _moved(session, progress, new=new)
    return moved or await operations.get_one(session, progress.operation)


async def _moved(
    session: AsyncSession, progress: Progress, *, if_open: bool = False, new: bool = False
) -> Operation | None:
    assert progress.state is not None
    changes: dict[str, Any] = {
        "subject": progress.subject.document() if progress.subject else None,
        "approval_id": progress.approval,
        "result": progress.result.document() if progress.result else None,
        "error": progress.error.model_dump() if progress.error else None,
        "allowed_actions": list(progress.allowed_actions) if progress.allowed_actions is not None else None,
    }
    given = {name: UNCHANGED if value is None else value for name, value in changes.items()}
    if progress.error is None and (progress.subject is not None or progress.state is State.RUNNING):
        given["error"] = None  # what was wrong before is being seen to
    return await operations.move_on(
        session,
        progress.operation,
        state=State(progress.state),
        stage=progress.stage,
        at=progress.at,
        stays_open=progress.stays_open,
        if_open=if_open,
        unless_told=None if new else progress.key,
        **given,
    )

"""Whether an approval is closed, and by what, in words for whoever comes too late."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.ladder import ApprovalState
from billing.core.events import EventCode
from billing.core.operations import State

from ..core import timeline
from ..operations import operations
from ..tables import Approval
from . import approvals, deciders

_DECIDED = {"approved": "approved it", "rejected": "rejected it", "changes_requested": "asked for changes"}
_ENDED_UNDECIDED = (EventCode.REVIEW_DISMISSED, EventCode.REVIEW_SUPERSEDED)


def state_at(approval: Approval, at: datetime) -> str:
    """Its state. One that is open has expired as soon as the time of its last rung is over: silence binds
    also while no worker runs that would write it down."""
    if approval.state == approvals.OPEN and at >= deciders.ladder_of(approval)[-1].deadline:
        return ApprovalState.EXPIRED
    return approval.state


async def why_closed(session: AsyncSession, approval: Approval, at: datetime) -> str | None:
    """Who did what, as a sentence, also of one whose review is just being dismissed; None where the records
    don't say."""
    if approval.state in _DECIDED:
        return f"{approval.decided_by} has already {_DECIDED[approval.state]}."
    if state_at(approval, at) == ApprovalState.EXPIRED:
        return "It has expired: nobody answered in time."
    events = await timeline.read(session, approval.operation_id)
    if approval.state != "superseded":
        refused = {event.detail["command"] for event in events if event.code == EventCode.COMMAND_REFUSED}
        cancelled = [
            event.actor
            for event in events
            if event.code == EventCode.CANCELLATION_REQUESTED and event.key not in refused
        ]
        operation = await operations.get_fresh(session, approval.operation_id)
        if cancelled and (operation.state == State.CANCELLED or operation.closed_at is None):
            return f"{cancelled[0]} has cancelled the request."
    reasons = (
        str(event.detail["reason"])
        for event in events
        if event.code in _ENDED_UNDECIDED and event.detail["approval"] == approval.id
    )
    return next(reasons, None)

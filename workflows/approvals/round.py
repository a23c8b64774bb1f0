"""One round of a review: ask, remind, escalate, expire. Silence never approves.

People decide through the API, whose transaction settles it; the workflow is told, and carries on.
"""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.approvals.approvals import Approvals
    from billing.approvals.ladder import Rung
    from billing.approvals.marks import FORGED, FORGED_MESSAGE
    from billing.approvals.messages import (
        ApprovalInput,
        ApprovalOutcome,
        ClimbApproval,
        CloseApproval,
        CloseOpenRound,
        OpenedApproval,
        ReadOutcome,
        RemindApproval,
    )
    from billing.core.operations import Problem, State
    from billing.mail.steps import OpenApproval, Step
    from billing.policy.phrases import roles

from ..core import search
from ..core.commands import PendingCommands
from ..core.outcome import OperationEnded, Outcome, refused
from ..core.recorded import recorded
from ..core.waiting import by
from .object_end import ObjectEnd


class ReviewRound:
    """What the approvers make of exactly one subject; `outcome` waits for it."""

    def __init__(
        self,
        commands: PendingCommands[Any, Any],
        end: ObjectEnd,
        request: ApprovalInput,
        step: Step | None = None,
    ) -> None:
        """`step` is recorded as the round opens."""
        self._commands, self._end, self._request, self._step = commands, end, request, step
        self._rungs: tuple[Rung, ...] = ()
        self._number = 0
        self._ended: Outcome | None = None
        self._decided: ApprovalOutcome | None = None

    async def outcome(self) -> ApprovalOutcome:
        """The first decision that ends it wins. A cancellation on the way dismisses it, and so does the end
        of what it is about: of that OperationEnded is raised."""
        outcome = await self._outcome()
        if outcome.state == "approved" and outcome.subject_hash != self._request.subject_hash:
            # The records say something else than what this workflow has asked about.
            raise refused(Problem(code=FORGED, message=FORGED_MESSAGE))
        return outcome

    async def _outcome(self) -> ApprovalOutcome:
        opened = await self._open()
        if opened.outcome is not None:
            return opened.outcome
        self._stand_at(opened)
        asking = True
        while asking and not await self._over():
            asking = await self._climb()
        if self._decided is not None:
            return self._decided
        if self._ended is not None:
            outcome = await self._close("dismissed", self._ended.why.message)
            if outcome.state == "dismissed":
                raise OperationEnded(self._ended)
            return outcome
        if self._commands.cancel.received is not None:
            return await self._close("dismissed", "The request was taken back.")
        return await self._close("expired", "Nobody on the ladder answered in time.")

    # --- The ladder -----------------------------------------------------------------------------------

    async def _open(self) -> OpenedApproval:
        order = OpenApproval(request=self._request, at=workflow.now(), step=self._step)
        opened: OpenedApproval = await recorded(Approvals.open_approval, order)
        return opened

    def _stand_at(self, opened: OpenedApproval) -> None:
        """The rung that is open now waits for an answer."""
        self._rungs, self._number = opened.rungs, opened.rung
        search.show(State.AWAITING_APPROVAL)

    async def _over(self) -> bool:
        """Waits for an end until the rung's deadline, with its reminders on the way."""
        rung = self._rungs[self._number]
        for count, remind_at in enumerate(rung.remind_at):
            if await self._over_by(remind_at):
                return True
            await self._remind(count)
        return await self._over_by(rung.deadline)

    async def _over_by(self, deadline: datetime) -> bool:
        while True:
            left = max(deadline - workflow.now(), timedelta())
            self._ended = await self._end.before(self._waits_for(), self._answered, left)
            if self._request.approval not in self._commands.decided:
                return self._ended is not None or self._answered()
            self._commands.decided.discard(self._request.approval)
            order = ReadOutcome(approval=self._request.approval, at=workflow.now())
            self._decided = await recorded(Approvals.read_outcome, order)
            if self._decided is not None:
                return True

    def _waits_for(self) -> str:
        rung = self._rungs[self._number]
        asked = roles(rung.roles, "and" if rung.needs == "all" else "or")
        return f"Waits for {asked} to decide until {by(rung.deadline)}."

    def _answered(self) -> bool:
        return self._request.approval in self._commands.decided or self._commands.cancel.received is not None

    async def _climb(self) -> bool:
        """Asks the next rung; False when there is none, or nothing left to ask."""
        following = self._number + 1
        if following == len(self._rungs):
            return False
        order = ClimbApproval(
            approval=self._request.approval,
            operation=self._request.operation,
            rung=following,
            at=workflow.now(),
            request=self._request,
        )
        climbed: OpenedApproval = await recorded(Approvals.climb_approval, order)
        if climbed.rung < following:
            return False
        self._stand_at(climbed)
        return True

    async def _remind(self, count: int) -> None:
        order = RemindApproval(
            approval=self._request.approval,
            operation=self._request.operation,
            rung=self._number,
            number=count,
            at=workflow.now(),
        )
        await recorded(Approvals.record_reminder, order)

    async def _close(self, state: str, reason: str) -> ApprovalOutcome:
        """A decision that the records took just before stands."""
        order = CloseApproval.model_validate(
            {
                "approval": self._request.approval,
                "operation": self._request.operation,
                "state": state,
                "reason": reason,
                "at": workflow.now(),
            }
        )
        outcome: ApprovalOutcome = await recorded(Approvals.close_approval, order)
        return outcome


async def close_open_round(operation: str) -> ApprovalOutcome | None:
    """Supersedes the round that an earlier run has left open, so that nobody decides on it in vain; gives the
    rejection that the earlier run did not come to hear of."""
    order = CloseOpenRound(operation=operation, at=workflow.now())
    rejected: ApprovalOutcome | None = await recorded(Approvals.close_open_round, order)
    return rejected

"""The review of one subject: ask, remind, escalate, expire. Silence never approves."""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.approvals.approvals import Approvals
    from billing.approvals.ladder import Rung
    from billing.approvals.messages import (
        ApprovalInput,
        ApprovalOutcome,
        Audience,
        ClimbApproval,
        CloseApproval,
        Decide,
        DecisionResult,
        OpenApproval,
        OpenedApproval,
        RemindApproval,
        SettleDecision,
    )

from ..core import ids
from ..core.recorded import recorded
from .mails import ApprovalMails


@workflow.defn(name=ids.APPROVAL)
class ApprovalWorkflow:
    """One round. The first decision that ends it wins; the parent may dismiss it."""

    @workflow.init
    def __init__(self, request: ApprovalInput) -> None:
        self._request = request
        self._rungs: tuple[Rung, ...] = ()
        self._number = 0
        self._outcome: ApprovalOutcome | None = None
        self._dismissed: str | None = None
        self._mails = ApprovalMails(request)

    @workflow.run
    async def run(self, request: ApprovalInput) -> ApprovalOutcome:
        asking = True
        opened = await self._open()
        if opened.outcome is not None:
            return opened.outcome
        self._ask(opened)
        while asking and not await self._answered():
            asking = await self._climb()
        if self._dismissed is None:
            await self._close("expired", "Nobody on the ladder answered in time.")
        else:
            await self._close("dismissed", self._dismissed)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._decided()

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def decide(self, decide: Decide) -> ApprovalOutcome | None:
        """Settles a decision whose row was written first; refusals carry their code.

        None for a yes beside which others are still needed.
        """
        await workflow.wait_condition(lambda: bool(self._rungs))
        order = SettleDecision(
            approval=self._request.approval,
            operation=self._request.operation,
            decide=decide,
            at=workflow.now(),
        )
        settled: DecisionResult = await recorded(Approvals.settle_decision, order)
        if settled.refusal is not None:
            raise ApplicationError(settled.refusal.message, type=settled.refusal.code, non_retryable=True)
        if settled.outcome is not None:
            self._outcome = settled.outcome
        return settled.outcome

    @decide.validator
    def _check(self, decide: Decide) -> None:
        """Who may decide is looked up when it is settled: here nobody knows who acts for whom."""
        if self._outcome is not None or self._dismissed is not None:
            why = self._dismissed or "It has already been decided."
            raise ApplicationError(why, type="approval_closed")
        if decide.subject_hash != self._request.subject_hash:
            raise ApplicationError("It has changed since it was looked at.", type="stale_subject")

    @workflow.signal
    def dismiss(self, reason: str) -> None:
        """The request was taken back, or its subject has changed."""
        self._dismissed = reason

    # --- The ladder -----------------------------------------------------------------------------------

    async def _open(self) -> OpenedApproval:
        order = OpenApproval(request=self._request, workflow=workflow.info().workflow_id, at=workflow.now())
        opened: OpenedApproval = await recorded(Approvals.open_approval, order)
        return opened

    def _ask(self, opened: OpenedApproval) -> None:
        """The rung that is open now waits for an answer."""
        self._rungs, self._number = opened.rungs, opened.rung
        template = "review_escalated" if opened.rung > 0 else "review_requested"
        rung = self._rungs[self._number]
        self._mails.ask(
            f"rung:{self._number}", template, rung, opened.audience, following=self._following, why=opened.why
        )

    @property
    def _following(self) -> Rung | None:
        """The rung that is asked after this one."""
        return self._rungs[self._number + 1] if self._number + 1 < len(self._rungs) else None

    async def _answered(self) -> bool:
        """Waits for an answer until the rung's deadline, with its reminders on the way."""
        rung = self._rungs[self._number]
        for count, remind_at in enumerate(rung.remind_at):
            if await self._answer_by(remind_at):
                return True
            await self._remind(count)
        return await self._answer_by(rung.deadline)

    async def _answer_by(self, deadline: datetime) -> bool:
        try:
            await workflow.wait_condition(
                lambda: self._outcome is not None or self._dismissed is not None,
                timeout=max((deadline - workflow.now()).total_seconds(), 0),
            )
        except TimeoutError:
            # A decision that is just being settled was in time.
            await workflow.wait_condition(workflow.all_handlers_finished)
        return self._outcome is not None or self._dismissed is not None

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
        self._ask(climbed)
        return True

    async def _remind(self, count: int) -> None:
        order = RemindApproval(
            approval=self._request.approval,
            operation=self._request.operation,
            rung=self._number,
            number=count,
            at=workflow.now(),
        )
        audience: Audience = await recorded(Approvals.record_reminder, order)
        key, rung = f"reminder:{self._number}:{count}", self._rungs[self._number]
        self._mails.ask(key, "review_reminder", rung, audience, following=self._following)

    async def _close(self, state: str, reason: str) -> None:
        """A decision that was accepted at the same moment stands."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._outcome is None:
            order = CloseApproval.model_validate(
                {
                    "approval": self._request.approval,
                    "operation": self._request.operation,
                    "state": state,
                    "reason": reason,
                    "at": workflow.now(),
                }
            )
            self._outcome = await recorded(Approvals.close_approval, order)

    def _decided(self) -> ApprovalOutcome:
        assert self._outcome is not None
        return self._outcome

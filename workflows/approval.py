"""The review of one subject: ask, remind, escalate, expire. Silence never approves."""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.approvals import Approvals
    from activities.mail import Mailer
    from billing.approval import Rung
    from billing.messages import (
        ApprovalInput,
        ApprovalOutcome,
        ClimbApproval,
        CloseApproval,
        Decide,
        MailRequest,
        OpenApproval,
        OpenedApproval,
        RemindApproval,
        Settled,
        SettleDecision,
    )

from . import ids, options


@workflow.defn(name=ids.APPROVAL)
class ApprovalWorkflow:
    """One round. The first decision wins; the parent may dismiss it."""

    @workflow.init
    def __init__(self, request: ApprovalInput) -> None:
        self._request = request
        self._rungs: tuple[Rung, ...] = ()
        self._outcome: ApprovalOutcome | None = None
        self._dismissed: str | None = None
        self._mails: list[workflow.ActivityHandle[object]] = []

    @workflow.run
    async def run(self, request: ApprovalInput) -> ApprovalOutcome:
        self._rungs = await self._open()
        for number, rung in enumerate(self._rungs):
            if number > 0:
                await self._climb(number)
            self._mail(f"rung:{number}", "review_escalated" if number else "review_requested", rung)
            if await self._answered(number, rung):
                break
        else:
            await self._close("expired", "Nobody on the ladder answered in time.")
        if self._outcome is None:
            await self._close("dismissed", self._dismissed or "")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._decided()

    @workflow.update
    async def decide(self, decide: Decide) -> ApprovalOutcome:
        """Settles a decision whose row was written first; refusals carry their code."""
        await workflow.wait_condition(lambda: bool(self._rungs))
        order = SettleDecision(
            approval=self._request.approval,
            operation=self._request.operation,
            decide=decide,
            at=workflow.now(),
        )
        settled: Settled = await workflow.execute_local_activity_method(
            Approvals.settle_decision, order, **options.RECORD
        )
        if settled.refusal is not None:
            raise ApplicationError(settled.refusal.message, type=settled.refusal.code, non_retryable=True)
        assert settled.outcome is not None
        self._outcome = settled.outcome
        return settled.outcome

    @decide.validator
    def _check(self, decide: Decide) -> None:
        if self._outcome is not None or self._dismissed is not None:
            raise ApplicationError("It has already been decided.", type="approval_closed")
        if decide.person == self._request.requested_by:
            raise ApplicationError("Nobody decides their own request.", type="own_request")
        if decide.subject_hash != self._request.subject_hash:
            raise ApplicationError("It has changed since it was looked at.", type="stale_subject")

    @workflow.signal
    def dismiss(self, reason: str) -> None:
        """The request was taken back, or its subject has changed."""
        self._dismissed = reason

    async def _open(self) -> tuple[Rung, ...]:
        order = OpenApproval(request=self._request, workflow=workflow.info().workflow_id, at=workflow.now())
        opened: OpenedApproval = await workflow.execute_local_activity_method(
            Approvals.open_approval, order, **options.RECORD
        )
        return opened.rungs

    async def _answered(self, number: int, rung: Rung) -> bool:
        """Waits for an answer until the rung's deadline, with its reminders on the way."""
        for count, remind_at in enumerate(rung.remind_at):
            if await self._answer_by(remind_at):
                return True
            await self._remind(number, count, rung)
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

    async def _climb(self, number: int) -> None:
        order = ClimbApproval(
            approval=self._request.approval,
            operation=self._request.operation,
            rung=number,
            at=workflow.now(),
        )
        await workflow.execute_local_activity_method(Approvals.climb_approval, order, **options.RECORD)

    async def _remind(self, number: int, count: int, rung: Rung) -> None:
        order = RemindApproval(
            approval=self._request.approval,
            operation=self._request.operation,
            rung=number,
            number=count,
            at=workflow.now(),
        )
        await workflow.execute_local_activity_method(Approvals.note_reminder, order, **options.RECORD)
        self._mail(f"reminder:{number}:{count}", "review_reminder", rung)

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
            self._outcome = await workflow.execute_local_activity_method(
                Approvals.close_approval, order, **options.RECORD
            )

    def _mail(self, key: str, template: str, rung: Rung) -> None:
        """Not awaited: a mail server that is down must not keep anybody from deciding."""
        request = MailRequest(
            organization=self._request.organization,
            operation=self._request.operation,
            key=f"{self._request.approval}:{key}",
            template=template,
            roles=rung.roles,
            context={
                "approval": self._request.approval,
                "subject": self._request.subject,
                "subject_hash": self._request.subject_hash,
                "requested_by": self._request.requested_by,
                "reason": self._request.reason,
                "deadline": rung.deadline.isoformat(),
            },
        )
        self._mails.append(workflow.start_activity_method(Mailer.send, request, **options.MAIL))

    def _decided(self) -> ApprovalOutcome:
        assert self._outcome is not None
        return self._outcome

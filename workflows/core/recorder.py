"""What every operation records and tells in the same way: its steps, its end, notices, mails."""

import asyncio
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.records import Records
    from billing.approvals.notice_messages import NoticeInput
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import SYSTEM, Problem, Role, State
    from billing.mail.messages import MailContext, MailRequest
    from billing.mail.steps import Step
    from billing.operations.payloads import OperationResult, OperationSubject
    from billing.operations.standing import (
        Abandon,
        RecordedEnd,
        Standing,
        StandingQuery,
    )
    from billing.policy.policy import Policy

from . import search
from .outcome import Outcome
from .recorded import recorded


class OperationRecorder:
    """What one operation's workflow writes into its records, and whom it tells."""

    def __init__(self, *, organization: str, operation: str, requested_by: str, policy: Policy) -> None:
        self.organization = organization
        self.operation = operation
        self.requested_by = requested_by
        self.policy = policy

    async def standing(self) -> Standing:
        """Where the records say that the operation stands, as this run begins."""
        return await recorded(Records.read_standing, StandingQuery(operation=self.operation))

    async def abandon(self) -> None:
        """Its workflow was cancelled in Temporal: the operation ends with it, if nothing was begun in Stripe.

        Otherwise it stays open, and the reaper has it run again.
        """
        order = Abandon(
            operation=self.operation,
            at=workflow.now(),
            state=State.CANCELLED,
            code="workflow_cancelled",
            event=EventCode.WORKFLOW_CANCELLED,
            message="An operator cancelled its workflow before anything was sent to Stripe.",
        )
        await asyncio.shield(recorded(Records.abandon_operation, order))

    async def record_progress(self, key: str, event: EventCode, **step: Any) -> None:
        """Records a `step`: its event, what changes with it, and whom it tells."""
        progress = self.step(key, event, **step)
        await recorded(Records.record_progress, progress)
        if progress.state is not None:
            search.show(progress.state, progress.stage)

    def step(
        self,
        key: str,
        event: EventCode,
        *,
        actor: str = SYSTEM,
        detail: dict[str, Any] | None = None,
        state: State | None = None,
        stage: str = "",
        subject: OperationSubject | None = None,
        result: OperationResult | None = None,
        error: Problem | None = None,
        allowed_actions: tuple[str, ...] | None = None,
        stays_open: bool = False,
        notice: NoticeInput | None = None,
        mails: tuple[MailRequest, ...] = (),
    ) -> Step:
        """A step as of now, for whoever records it with something else."""
        return Step(
            operation=self.operation,
            key=key,
            event=event,
            at=workflow.now(),
            actor=actor,
            detail=detail or {},
            state=state,
            stage=stage,
            subject=subject,
            result=result,
            error=error,
            allowed_actions=allowed_actions,
            stays_open=stays_open,
            notice=notice,
            mails=mails,
        )

    async def end(self, outcome: Outcome) -> RecordedEnd:
        """Records the end: the last event, the final state, and what the operation lets go with it."""
        ending = Step(
            operation=self.operation,
            key="ended",
            event=outcome.event,
            at=workflow.now(),
            actor=outcome.person or SYSTEM,
            state=outcome.state,
            stage="done",
            result=outcome.result,
            error=outcome.problem,
            allowed_actions=(),
            detail=(outcome.problem.model_dump() if outcome.problem else {})
            | ({"comment": outcome.comment} if outcome.comment else {}),
            releases=outcome.releases,
            keeps=outcome.keeps or (),
            notice=outcome.notice,
        )
        end = await recorded(Records.end_operation, ending)
        search.show(end.state)
        return end

    def notice(
        self,
        kind: NoticeKind,
        subject: OperationSubject,
        number: int = 1,
        *,
        result: OperationResult | None = None,
        problem: Problem | None = None,
    ) -> NoticeInput:
        """What Finance must acknowledge, for the step that brings it."""
        return NoticeInput.under(
            self.policy,
            kind,
            organization=self.organization,
            operation=self.operation,
            subject=subject,
            number=number,
            result=result,
            problem=problem,
        )

    def to_requester(self, key: str, template: str, context: MailContext) -> MailRequest:
        """A mail to whoever asked for it, for the step that tells them."""
        return self._mail(key, template, context, person=self.requested_by)

    def to_roles(self, key: str, template: str, roles: tuple[Role, ...], context: MailContext) -> MailRequest:
        """Likewise, to everybody with one of these roles."""
        return self._mail(key, template, context, roles=roles)

    def _mail(self, key: str, template: str, context: MailContext, **to: Any) -> MailRequest:
        return MailRequest(
            organization=self.organization,
            operation=self.operation,
            key=key,
            template=template,
            context=context,
            **to,
        )

"""What every operation's story does in the same way: tell, perform, flag Finance, ask for review."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.effects.perform import StripeEffects
    from activities.mail.mailer import Mailer
    from activities.operations.records import Records
    from billing.approvals.messages import ApprovalOutcome, RevisionSummary
    from billing.approvals.notice_messages import NoticeInput
    from billing.approvals.subject_changes import SinceLastRound
    from billing.core.events import EventCode
    from billing.core.messages import Cancel, Progress
    from billing.core.money import Money
    from billing.core.notices import NoticeKind
    from billing.core.operations import SYSTEM, Kind, Problem, State
    from billing.core.standing import (
        NOTES,
        OPERATION_CLOSED,
        Abandon,
        RecordedEnd,
        SettleBegun,
        Standing,
        StandingQuery,
    )
    from billing.mail.messages import MailRequest
    from billing.policy.policy import Policy
    from billing.stripe.effects import Effect, EffectKind, Performed

from . import ids, options
from .recorded import recorded
from .stripe_calls import StripeCalls

TROUBLE = (ActivityError, ChildWorkflowError, ApplicationError)
"""What a step may raise that is no bug: what went wrong, by `problem_of`."""


class Ended(Exception):
    """How an operation ended: returned, or raised where the story stops early.

    `person` is who brought the end about, with what comment; nobody did when it is None. With `keeps`
    only the money of these payments stays set aside; without, all of it does when it was completed, and none
    otherwise. A failure is `settled` when a person has said so, or nothing can come of it any more.
    """

    def __init__(
        self,
        state: State,
        event: EventCode,
        problem: Problem | None = None,
        *,
        result: dict[str, Any] | None = None,
        person: str | None = None,
        comment: str | None = None,
        keeps: tuple[str, ...] | None = None,
        settled: bool = False,
    ) -> None:
        super().__init__(event)
        self.state, self.event, self.problem = state, event, problem
        self.result, self.person, self.comment = result, person, comment
        self.settled = settled
        self.releases = keeps is not None or state is not State.COMPLETED
        self.keeps = keeps or ()

    @classmethod
    def cancelled(cls, cancel: Cancel | None) -> Self:
        """The end that a cancellation leads to."""
        if cancel is None:
            return cls(State.CANCELLED, EventCode.CANCELLED)
        return cls(State.CANCELLED, EventCode.CANCELLED, person=cancel.person, comment=cancel.comment)


@dataclass(frozen=True)
class Asked:
    """What is put before the approvers, and which ladder and calendar ask them.

    With an `amount`, whoever approves needs an authority that covers it; `rule` says why they are asked,
    `revised` how it came out of an earlier round and `since` what is new since then.
    """

    kind: Kind
    subject: dict[str, Any]
    subject_hash: str
    reason: str
    ladder: str
    calendar: str
    amount: Money | None = None
    customer: str | None = None
    rule: str = ""
    revised: RevisionSummary | None = None
    since: SinceLastRound | None = None


class Story:
    """One operation's narrator: everything it does leaves its event on the timeline."""

    def __init__(self, *, organization: str, operation: str, requested_by: str, policy: Policy) -> None:
        self.organization = organization
        self.operation = operation
        self.requested_by = requested_by
        self.policy = policy
        self.calls = StripeCalls(organization, operation)
        """For what the story reads in Stripe; what it does there is performed."""
        self.in_doubt = False
        """Whether Stripe may have made something of it: then only a person says that it came to nothing."""
        self._begun: set[tuple[str, int]] = set()

    async def standing(self) -> Standing:
        """Where the records say that it stands, as this run begins.

        A run may follow one that was ended from outside. What that one has begun in Stripe is brought to its
        end as it was begun, whatever this run would have sent.
        """
        standing = await recorded(Records.standing, StandingQuery(operation=self.operation))
        self._begun = {(one.step, one.version) for one in standing.begun}
        self.in_doubt = any(one.state != "refused" for one in standing.begun)
        return standing

    async def stopped(self) -> None:
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
        await asyncio.shield(recorded(Records.abandon, order))

    async def tell(
        self,
        key: str,
        event: EventCode,
        *,
        actor: str = SYSTEM,
        detail: dict[str, Any] | None = None,
        state: State | None = None,
        stage: str = "",
        subject: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        error: Problem | None = None,
        allowed_actions: tuple[str, ...] | None = None,
        stays_open: bool = False,
    ) -> None:
        """Records a step: its event, and what changes with it."""
        progress = Progress(
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
        )
        await recorded(Records.tell, progress)

    async def end(self, end: Ended) -> RecordedEnd:
        """Records the end: the last event, the final state, and what the operation lets go with it."""
        ending = Progress(
            operation=self.operation,
            key="ended",
            event=end.event,
            at=workflow.now(),
            actor=end.person or SYSTEM,
            state=end.state,
            stage="done",
            result=end.result,
            error=end.problem,
            allowed_actions=(),
            detail=(end.problem.model_dump() if end.problem else {})
            | ({"comment": end.comment} if end.comment else {}),
            releases=end.releases,
            keeps=end.keeps,
        )
        return await recorded(Records.end, ending)

    async def perform(
        self, step: str, kind: EffectKind, target: str, params: dict[str, Any], version: int = 1
    ) -> Performed:
        """Does one thing to Stripe, at most once; a higher `version` is a person's deliberate next try."""
        doubted, moves_something = self.in_doubt, not kind.endswith(NOTES)
        self.in_doubt = doubted or moves_something
        performed = await self._performed(step, kind, target, params, version)
        if performed.outcome == "refused":
            self.in_doubt = doubted
        return performed

    async def _performed(
        self, step: str, kind: EffectKind, target: str, params: dict[str, Any], version: int
    ) -> Performed:
        if (step, version) in self._begun:
            order = SettleBegun(operation=self.operation, step=step, version=version)
            return await self.calls.call(StripeEffects.settle, order, options.STRIPE_EFFECT)
        effect = Effect(
            organization=self.organization,
            operation=self.operation,
            step=step,
            kind=kind,
            target=target,
            params=params,
            version=version,
        )
        try:
            return await self.calls.call(StripeEffects.perform, effect, options.STRIPE_EFFECT)
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == OPERATION_CLOSED:
                # It ended while this was on its way: nothing was sent, and the end that it has stands.
                raise Ended(State.FAILED, EventCode.ENDED_BEFORE, settled=True) from error
            raise

    async def flag_finance(self, kind: NoticeKind, subject: dict[str, Any], number: int = 1) -> None:
        """Starts a notice that outlives this story until Finance has acknowledged it."""
        notice = ids.notice_id(self.operation, kind.value, number)
        request = NoticeInput(
            notice=notice,
            organization=self.organization,
            operation=self.operation,
            kind=kind.value,
            subject=subject,
            calendar=self.policy.calendars[self.policy.notices.calendar],
            acknowledge_within=self.policy.notices.acknowledge_within,
        )
        try:
            # By name: the class's module would be loaded anew in the sandbox of every story.
            await workflow.start_child_workflow(
                ids.FINANCE_NOTICE,
                request,
                id=ids.notice_workflow(notice),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
            )
        except WorkflowAlreadyStartedError:
            # A story that runs again tells nobody twice.
            return

    async def await_revision(self, round_: int, subject: dict[str, Any], outcome: ApprovalOutcome) -> None:
        """Tells the requester that an approver asked for changes."""
        await self.tell(
            f"changes_requested:{round_}",
            EventCode.AWAITING_REVISION,
            state=State.AWAITING_APPROVAL,
            stage="changes_requested",
            allowed_actions=("revise", "cancel"),
        )
        context = {"subject": subject, "comment": outcome.comment, "person": outcome.person}
        await self.mail_requester(f"changes_requested:{round_}", "changes_requested", context)

    async def mail_requester(self, key: str, template: str, context: dict[str, Any]) -> None:
        """Tries for days if it must; an undeliverable mail does not change how the operation ended."""
        request = MailRequest(
            organization=self.organization,
            operation=self.operation,
            key=key,
            template=template,
            person=self.requested_by,
            context=context,
        )
        try:
            await workflow.execute_activity_method(Mailer.send, request, **options.MAIL)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("mail %s of %s was given up", key, self.operation)


def problem_of(error: ActivityError | ChildWorkflowError | ApplicationError) -> Problem:
    """Why the story was given up, for the admin. Raises CancelledError where that is why."""
    if is_cancelled_exception(error):
        raise asyncio.CancelledError from error
    cause = error if isinstance(error, ApplicationError) else error.cause
    if isinstance(cause, ApplicationError):
        return Problem(code=cause.type or "failed", message=cause.message)
    return Problem(code="gave_up", message="Stripe or the database could not be reached for days.")


def refused(problem: Problem) -> ApplicationError:
    """An update's refusal, by which its sender learns the code."""
    return ApplicationError(problem.message, type=problem.code, non_retryable=True)


def seconds_until(at: int) -> timedelta:
    """From Temporal's now to a UTC second; never negative."""
    return timedelta(seconds=max(0.0, at - workflow.now().timestamp()))

"""What every operation's story does in the same way: tell, perform, flag Finance, ask for review."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.effects import StripeEffects
    from activities.mail import Mailer
    from activities.records import Records
    from billing.effects import Effect, EffectKind, Performed
    from billing.messages import (
        ApprovalInput,
        ApprovalOutcome,
        Cancel,
        MailRequest,
        NoticeInput,
        Progress,
        Revised,
    )
    from billing.money import Money
    from billing.notices import NoticeKind
    from billing.operations import SYSTEM, Kind, Problem, State
    from billing.policy import Policy

from . import ids, options
from .stripe_calls import StripeCalls


class Ended(Exception):
    """How an operation ended: returned, or raised where the story stops early.

    `person` is who brought the end about, with what comment; nobody did when it is None. With `keeps`
    only the money of these payments stays set aside; without, all of it does when it was completed, and none
    otherwise.
    """

    def __init__(
        self,
        state: State,
        event: str,
        problem: Problem | None = None,
        *,
        result: dict[str, Any] | None = None,
        person: str | None = None,
        comment: str | None = None,
        keeps: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(event)
        self.state, self.event, self.problem = state, event, problem
        self.result, self.person, self.comment = result, person, comment
        self.releases = keeps is not None or state is not State.COMPLETED
        self.keeps = keeps or ()

    @classmethod
    def cancelled(cls, cancel: Cancel | None) -> Self:
        """The end that a cancellation leads to."""
        if cancel is None:
            return cls(State.CANCELLED, "cancelled")
        return cls(State.CANCELLED, "cancelled", person=cancel.person, comment=cancel.comment)


@dataclass(frozen=True)
class Asked:
    """What is put before the approvers, and which ladder and calendar ask them.

    With an `amount`, whoever approves needs an authority that covers it; `rule` says why they are asked,
    `revised` how it came out of an earlier round.
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
    revised: Revised | None = None


class Story:
    """One operation's narrator: everything it does leaves its event on the timeline."""

    def __init__(self, *, organization: str, operation: str, requested_by: str, policy: Policy) -> None:
        self.organization = organization
        self.operation = operation
        self.requested_by = requested_by
        self.policy = policy
        self.calls = StripeCalls(organization, operation)
        """For what the story reads in Stripe; what it does there is performed."""

    async def tell(
        self,
        key: str,
        event: str,
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
        releases: bool = False,
        keeps: tuple[str, ...] = (),
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
            releases=releases,
            keeps=keeps,
        )
        await workflow.execute_local_activity_method(Records.tell, progress, **options.RECORD)

    async def end(self, end: Ended) -> None:
        """Records the end: the last event, the final state, and what the operation lets go with it."""
        await self.tell(
            "ended",
            end.event,
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

    async def perform(
        self, step: str, kind: EffectKind, target: str, params: dict[str, Any], version: int = 1
    ) -> Performed:
        """Does one thing to Stripe, at most once; a higher `version` is a person's deliberate next try."""
        effect = Effect(
            organization=self.organization,
            operation=self.operation,
            step=step,
            kind=kind,
            target=target,
            params=params,
            version=version,
        )
        return await self.calls.call(StripeEffects.perform, effect, options.STRIPE_EFFECT)

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
                parent_close_policy=ParentClosePolicy.ABANDON,
            )
        except WorkflowAlreadyStartedError:
            # A reset story tells nobody twice.
            return

    async def start_review(
        self, asked: Asked, *, round_: int
    ) -> workflow.ChildWorkflowHandle[Any, ApprovalOutcome]:
        """Opens a review round on exactly this subject."""
        approval = ids.approval_id(self.operation, round_)
        ladder, calendars = self.policy.ladders[asked.ladder], self.policy.calendars
        request = ApprovalInput(
            approval=approval,
            organization=self.organization,
            operation=self.operation,
            kind=asked.kind.value,
            round=round_,
            subject=asked.subject,
            subject_hash=asked.subject_hash,
            reason=asked.reason,
            rule=asked.rule,
            revised=asked.revised,
            amount=asked.amount,
            customer=asked.customer,
            authority=self.policy.authority.get(asked.kind, {}) if asked.amount is not None else None,
            counted=self.policy.counted_with(asked.kind) if asked.amount is not None else (),
            requested_by=self.requested_by,
            ladder=ladder,
            calendar=calendars[asked.calendar],
            calendars={step.calendar: calendars[step.calendar] for step in ladder if step.calendar},
        )
        return await workflow.start_child_workflow(
            ids.APPROVAL, request, id=ids.approval_workflow(approval), result_type=ApprovalOutcome
        )

    async def await_revision(self, round_: int, subject: dict[str, Any], outcome: ApprovalOutcome) -> None:
        """Tells the requester that an approver asked for changes."""
        await self.tell(
            f"changes_requested:{round_}",
            "waiting for the request to be revised",
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
        except ActivityError:
            workflow.logger.warning("mail %s of %s was given up", key, self.operation)


async def dismiss(approval: workflow.ChildWorkflowHandle[Any, ApprovalOutcome]) -> None:
    """Ends a review whose request was taken back, unless it was decided at the same moment."""
    try:
        await approval.signal("dismiss", "The request was taken back.")
    except ApplicationError:
        workflow.logger.info("%s was decided before it could be dismissed", approval.id)


def problem_of(error: ActivityError | ChildWorkflowError | ApplicationError) -> Problem:
    """Why the story was given up, for the admin."""
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

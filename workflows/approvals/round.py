"""One round of a review: opened, waited for, and opened again where its workflow was ended."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)

with workflow.unsafe.imports_passed_through():
    from billing.approvals.messages import ApprovalInput, ApprovalOutcome, RevisionSummary
    from billing.approvals.subject_changes import SinceLastRound
    from billing.core.money import Money
    from billing.core.operations import Kind
    from billing.money.credit import CreditSubject
    from billing.money.refund import RefundSubject
    from billing.plan_changes.subject import PlanChangeSubject

from ..core import ids
from ..core.commands import PendingCommands
from ..core.outcome import OperationEnded
from ..core.recorder import OperationRecorder
from .object_end import ObjectEnd

ENDED_FROM_OUTSIDE = (TerminatedError, CancelledError, TimeoutError)
MAX_REOPENINGS = 10
"""By one run; whoever ends a round so often wants it to end."""

RunningReview = workflow.ChildWorkflowHandle[Any, ApprovalOutcome]


@dataclass(frozen=True)
class ReviewRequest:
    """What is put before the approvers, and which ladder and calendar ask them.

    With an `amount`, whoever approves needs an authority that covers it; `rule` says why they are asked,
    `revised` how it came out of an earlier round and `since` what is new since then.
    """

    kind: Kind
    subject: PlanChangeSubject | RefundSubject | CreditSubject
    subject_hash: str
    reason: str
    ladder: str
    calendar: str
    amount: Money | None = None
    customer: str | None = None
    rule: str = ""
    revised: RevisionSummary | None = None
    since: SinceLastRound | None = None


async def hold_round(
    recorder: OperationRecorder,
    commands: PendingCommands[Any, Any],
    end: ObjectEnd,
    request: ReviewRequest,
    number: int,
) -> ApprovalOutcome:
    """What the approvers make of exactly this subject; a cancellation on the way dismisses it, and so does
    the end of what it is about. Of that OperationEnded is raised.

    A review whose workflow was terminated or cancelled in Temporal goes on in another one, which takes up
    its row: what people have said stays said. Raises ChildWorkflowError when that happens all the time.
    """
    cancel = commands.cancel
    order = _order(recorder, request, number)
    ended_from_outside = 0
    for attempt in count(1):
        try:
            review = await _start(order, attempt)
        except WorkflowAlreadyStartedError:
            continue  # of an earlier run of the operation
        ended = await end.before(lambda: cancel.received is not None or review.done())  # noqa: B023 - awaited here
        if not review.done():
            await _dismiss(review, ended.why.message if ended else "The request was taken back.")
        try:
            outcome = await review
        except ChildWorkflowError as error:
            ended_from_outside += 1
            if (
                not isinstance(error.cause, ENDED_FROM_OUTSIDE)
                or ended_from_outside > MAX_REOPENINGS
                or workflow.cancellation_reason() is not None
            ):
                raise
        else:
            if ended is not None and outcome.state == "dismissed":
                raise OperationEnded(ended)
            return outcome
        if ended is not None:
            raise OperationEnded(ended)
        if cancel.received is not None:
            break  # whose end dismisses it
    return ApprovalOutcome(state="dismissed")


async def _start(request: ApprovalInput, attempt: int) -> RunningReview:
    return await workflow.start_child_workflow(
        ids.APPROVAL,
        request,
        id=ids.approval_workflow(request.approval, attempt),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        result_type=ApprovalOutcome,
    )


async def _dismiss(review: RunningReview, why: str) -> None:
    """Ends a review that nothing can come of, unless it was decided at the same moment."""
    try:
        await review.signal("dismiss", why)
    except ApplicationError:
        workflow.logger.info("%s was decided before it could be dismissed", review.id)


def _order(recorder: OperationRecorder, request: ReviewRequest, number: int) -> ApprovalInput:
    approval = ids.approval_id(recorder.operation, number)
    ladder, calendars = recorder.policy.ladders[request.ladder], recorder.policy.calendars
    return ApprovalInput(
        approval=approval,
        organization=recorder.organization,
        operation=recorder.operation,
        kind=request.kind.value,
        round=number,
        subject=request.subject,
        subject_hash=request.subject_hash,
        reason=request.reason,
        rule=request.rule,
        revised=request.revised,
        since=request.since,
        amount=request.amount,
        customer=request.customer,
        authority=recorder.policy.authority.get(request.kind, {}) if request.amount is not None else None,
        counted=recorder.policy.counted_with(request.kind) if request.amount is not None else (),
        requested_by=recorder.requested_by,
        ladder=ladder,
        calendar=calendars[request.calendar],
        calendars={step.calendar: calendars[step.calendar] for step in ladder if step.calendar},
    )

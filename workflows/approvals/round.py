"""One round of a review: opened, waited for, and opened again where its workflow was ended."""

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
    from activities.approvals.approvals import Approvals
    from billing.approvals.messages import LOOKED_AT_ANEW, ApprovalInput, ApprovalOutcome, CloseOpenRound

from ..core import ids
from ..core.commands import PendingCommands
from ..core.outcome import OperationEnded
from ..core.recorded import recorded
from .object_end import ObjectEnd

ENDED_FROM_OUTSIDE = (TerminatedError, CancelledError, TimeoutError)
MAX_REOPENINGS = 10
"""By one run; whoever ends a round so often wants it to end."""

RunningReview = workflow.ChildWorkflowHandle[Any, ApprovalOutcome]


async def hold_round(
    commands: PendingCommands[Any, Any], end: ObjectEnd, request: ApprovalInput
) -> ApprovalOutcome:
    """What the approvers make of exactly this subject; a cancellation on the way dismisses it, and so does
    the end of what it is about. Of that OperationEnded is raised.

    A review whose workflow was terminated or cancelled in Temporal goes on in another one, which takes up
    its row: what people have said stays said. Raises ChildWorkflowError when that happens all the time.
    """
    cancel = commands.cancel
    ended_from_outside = 0
    for attempt in count(1):
        try:
            review = await _start(request, attempt)
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


async def close_open_round(operation: str) -> None:
    """Supersedes the round that an earlier run has left open, so that nobody decides on it in vain."""
    order = CloseOpenRound(operation=operation, at=workflow.now())
    left: str | None = await recorded(Approvals.close_open_round, order)
    if left is not None:
        await _dismiss(workflow.get_external_workflow_handle(left), LOOKED_AT_ANEW)


async def _start(request: ApprovalInput, attempt: int) -> RunningReview:
    return await workflow.start_child_workflow(
        ids.APPROVAL,
        request,
        id=ids.approval_workflow(request.approval, attempt),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        result_type=ApprovalOutcome,
    )


async def _dismiss(review: RunningReview | workflow.ExternalWorkflowHandle[Any], why: str) -> None:
    """Ends a review that nothing can come of, unless it was decided at the same moment."""
    try:
        await review.signal("dismiss", why)
    except ApplicationError:
        workflow.logger.info("%s was decided before it could be dismissed", review.id)

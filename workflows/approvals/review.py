"""One round of a story's review: opened, waited for, and opened again where its workflow was ended.

Whoever is waited for, an approver or somebody who revises: the wait ends with what the request is about.
"""

from itertools import count
from typing import Any, TypeVar

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
    from billing.approvals.messages import ApprovalInput, ApprovalOutcome

from ..core import ids
from ..core.inbox import Waits
from ..core.operation import Asked, Story
from .object_end import ObjectEnd

ENDED_FROM_OUTSIDE = (TerminatedError, CancelledError, TimeoutError)
MAX_TIMES = 10
"""That a round is opened again by one run; whoever ends it so often wants it to end."""

Revision = TypeVar("Revision")

Review = workflow.ChildWorkflowHandle[Any, ApprovalOutcome]


async def reviewed(
    story: Story, waits: Waits[Any, Any], end: ObjectEnd, asked: Asked, *, round_: int
) -> ApprovalOutcome:
    """What the approvers make of exactly this subject; a cancellation on the way dismisses it, and so does
    the end of what it is about. Of that Ended is raised.

    A review whose workflow was terminated or cancelled in Temporal goes on in another one, which takes up
    its row: what people have said stays said. Raises ChildWorkflowError when that happens all the time.
    """
    request = _request(story, asked, round_)
    times = 0
    for attempt in count(1):
        try:
            review = await _start(request, attempt)
        except WorkflowAlreadyStartedError:
            continue  # of an earlier run of the story
        over = await end.before(lambda: waits.cancelled is not None or review.done())  # noqa: B023 - awaited here
        if not review.done():
            await _dismiss(review, over.message if over else "The request was taken back.")
        try:
            outcome = await review
        except ChildWorkflowError as error:
            times += 1
            ended = isinstance(error.cause, ENDED_FROM_OUTSIDE)
            if not ended or times > MAX_TIMES or workflow.cancellation_reason() is not None:
                raise
        else:
            if over is not None and outcome.state == "dismissed":
                raise end.ended(over)
            return outcome
        if over is not None:
            raise end.ended(over)
        if waits.cancelled is not None:
            break  # whose end dismisses it
    return ApprovalOutcome(state="dismissed")


async def _start(request: ApprovalInput, attempt: int) -> Review:
    return await workflow.start_child_workflow(
        ids.APPROVAL,
        request,
        id=ids.approval_workflow(request.approval, attempt),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        result_type=ApprovalOutcome,
    )


async def revision(waits: Waits[Revision, Any], end: ObjectEnd) -> Revision | None:
    """The revised request, or None when it was cancelled or nobody sent one in time.

    Raises Ended with what the request is about.
    """
    waits.revisable = True
    over = await end.before(
        lambda: waits.revised is not None or waits.cancelled is not None, waits.revise_within
    )
    waits.revisable = False
    if over is not None:
        raise end.ended(over)
    revised, waits.revised = waits.revised, None
    return revised


async def _dismiss(review: Review, why: str) -> None:
    """Ends a review that nothing can come of, unless it was decided at the same moment."""
    try:
        await review.signal("dismiss", why)
    except ApplicationError:
        workflow.logger.info("%s was decided before it could be dismissed", review.id)


def _request(story: Story, asked: Asked, round_: int) -> ApprovalInput:
    approval = ids.approval_id(story.operation, round_)
    ladder, calendars = story.policy.ladders[asked.ladder], story.policy.calendars
    return ApprovalInput(
        approval=approval,
        organization=story.organization,
        operation=story.operation,
        kind=asked.kind.value,
        round=round_,
        subject=asked.subject,
        subject_hash=asked.subject_hash,
        reason=asked.reason,
        rule=asked.rule,
        revised=asked.revised,
        since=asked.since,
        amount=asked.amount,
        customer=asked.customer,
        authority=story.policy.authority.get(asked.kind, {}) if asked.amount is not None else None,
        counted=story.policy.counted_with(asked.kind) if asked.amount is not None else (),
        requested_by=story.requested_by,
        ladder=ladder,
        calendar=calendars[asked.calendar],
        calendars={step.calendar: calendars[step.calendar] for step in ladder if step.calendar},
    )

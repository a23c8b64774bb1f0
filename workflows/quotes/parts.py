"""What every quote is made of: an obstacle instead of an end, a review that is looked up and not held."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from activities.approvals.previews import ReviewPreviews
    from billing.approvals.messages import PreviewReview
    from billing.core.operations import Kind, Problem
    from billing.policy.review_rules import ReviewRule
    from billing.quotes.quote import QuotedReview

from ..approvals.object_end import OptionalCalls
from ..approvals.review import Proposal, RequestOrigin, ReviewTerms, Round, review_setup
from ..core import options
from ..core.outcome import refusal_of
from ..core.recorded import recorded

FIRST = Round(1)
"""A quote is of the round with which a review would begin."""


def quote_calls() -> OptionalCalls:
    """Reads of Stripe for somebody who waits: in its bad hours they fail, and nothing is held."""
    return OptionalCalls(options.QUOTE)


def obstacle(error: ActivityError | ChildWorkflowError | ApplicationError) -> Problem:
    """What the operation would end with. Raises the error again where it only says that something can't be
    read at present: an operation would wait for that."""
    problem = refusal_of(error)
    if problem is None:
        raise error
    return problem


async def quoted_review(
    asked: RequestOrigin, kind: Kind, proposal: Proposal[Any], terms: ReviewTerms, rule: ReviewRule
) -> QuotedReview:
    """Who would be asked for it, and until when, if it were asked for now."""
    request = review_setup(asked, kind, proposal, terms, FIRST)
    preview = await recorded(ReviewPreviews.preview_review, PreviewReview(request=request, at=workflow.now()))
    return QuotedReview.of(rule, terms.rule, terms.calendar, request.ladder, preview)

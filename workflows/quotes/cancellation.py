"""A quote of a cancellation: what its review would begin with."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.cancellations.cancellation import CancellationInput
    from billing.core.operations import Kind, Problem
    from billing.quotes.quote import CancellationQuote

from ..cancellations.reads import CancellationPlanner
from ..cancellations.review import proposal_of, terms_of
from ..core import ids
from ..core.outcome import TROUBLE
from .parts import obstacle, quote_calls, quoted_review


@workflow.defn(name=ids.CANCELLATION_QUOTE)
class CancellationQuoteWorkflow:
    """It reads, and tells nobody but who waits for its result."""

    @workflow.run
    async def run(self, request: CancellationInput) -> CancellationQuote:
        planner = CancellationPlanner(request, quote_calls(), mirror=False)
        try:
            subject = await planner.plan(request.wanted)
        except TROUBLE as error:
            return CancellationQuote(obstacles=(obstacle(error),))
        if isinstance(subject, Problem):
            return CancellationQuote(obstacles=(subject,))
        rules = request.policy.cancellations
        proposal = proposal_of(subject, request.wanted)
        rule = rules.rule_for(subject.reason, subject.amount)
        review = await quoted_review(request, Kind.CANCELLATION, proposal, terms_of(rules, subject), rule)
        return CancellationQuote(subject=subject, subject_hash=proposal.subject_hash, review=review)

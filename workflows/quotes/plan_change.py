"""A quote of a plan change: the preview that its review would begin with."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.operations import Kind
    from billing.plan_changes.messages import ChangeLook
    from billing.plan_changes.report import blocked_problem
    from billing.plan_changes.subject import PlanChangeInput, PlanChangeSubject, subject_hash
    from billing.policy.review_rules import ReviewRule
    from billing.quotes.costs import MonthlyCost, monthly_cost
    from billing.quotes.quote import PlanChangeQuote

from ..approvals.review import Proposal
from ..core import ids
from ..core.outcome import TROUBLE
from ..core.stripe_changes import StripeChanges
from ..plan_changes.reads import PlanChangeReads
from ..plan_changes.review import terms_of
from .parts import obstacle, quote_calls, quoted_review


@workflow.defn(name=ids.PLAN_CHANGE_QUOTE)
class PlanChangeQuoteWorkflow:
    """It reads, and tells nobody but who waits for its result."""

    @workflow.run
    async def run(self, request: PlanChangeInput) -> PlanChangeQuote:
        reads = PlanChangeReads(request, quote_calls(), StripeChanges())
        try:
            looked = await reads.look(request.wanted, everything=True)  # the route tells what is open
        except TROUBLE as error:
            return PlanChangeQuote(obstacles=(obstacle(error),))
        subject = looked.subject
        if subject is None:
            return PlanChangeQuote(obstacles=looked.obstacles)
        quote = PlanChangeQuote(
            subject=subject, subject_hash=subject_hash(subject), cost=_cost(subject, looked)
        )
        if not subject.within_limits:
            return quote.model_copy(update={"obstacles": (blocked_problem(subject),)})
        terms = terms_of(request.policy.plan_change)
        proposal = Proposal(subject, subject_hash(subject), request.wanted.reason)
        rule = ReviewRule(ladder=terms.ladder)
        review = await quoted_review(request, Kind.PLAN_CHANGE, proposal, terms, rule)
        return quote.model_copy(update={"review": review})


def _cost(subject: PlanChangeSubject, looked: ChangeLook) -> MonthlyCost:
    currency = looked.facts.currency
    after = monthly_cost(subject.to, looked.amounts, currency)
    assert after is not None, "its price was read"
    return MonthlyCost(before=monthly_cost(subject.from_, looked.amounts, currency), after=after)

"""A quote of a plan change: the preview that its review would begin with."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.operations import Kind, Problem
    from billing.plan_changes.checks import in_the_way_of
    from billing.plan_changes.obstacles import ENDED
    from billing.plan_changes.report import blocked_problem
    from billing.plan_changes.subject import PlanChangeInput, subject_hash
    from billing.policy.review_rules import ReviewRule
    from billing.quotes.costs import MonthlyCost, monthly_cost
    from billing.quotes.quote import PlanChangeQuote

from ..approvals.review import Proposal
from ..core import ids
from ..core.outcome import TROUBLE
from ..core.stripe_changes import StripeChanges
from ..plan_changes.reads import PlanChangeReads, PreviewedChange
from ..plan_changes.review import terms_of
from .parts import obstacle, quote_calls, quoted_review


@workflow.defn(name=ids.PLAN_CHANGE_QUOTE)
class PlanChangeQuoteWorkflow:
    """It reads, and tells nobody but who waits for its result."""

    @workflow.run
    async def run(self, request: PlanChangeInput) -> PlanChangeQuote:
        reads = PlanChangeReads(request, quote_calls(), StripeChanges())
        found: tuple[Problem, ...] = ()
        try:
            facts = await reads.facts()
            found, _, waiting = await reads.obstacles(request.wanted, facts)  # the route tells what is open
            if facts.status in ENDED:
                return PlanChangeQuote(obstacles=found)
            asked = await reads.prepare(request.wanted, facts, replaces=waiting)
            found = (*found, *in_the_way_of(asked.query))
            if found:
                return PlanChangeQuote(obstacles=found)
            looked = await reads.look(asked)
        except TROUBLE as error:
            return PlanChangeQuote(obstacles=(*found, obstacle(error)))
        subject = looked.subject
        quote = PlanChangeQuote(subject=subject, subject_hash=subject_hash(subject), cost=_cost(looked))
        if not subject.within_limits:
            return quote.model_copy(update={"obstacles": (blocked_problem(subject),)})
        terms = terms_of(request.policy.plan_change)
        proposal = Proposal(subject, subject_hash(subject), request.wanted.reason)
        rule = ReviewRule(ladder=terms.ladder)
        review = await quoted_review(request, Kind.PLAN_CHANGE, proposal, terms, rule)
        return quote.model_copy(update={"review": review})


def _cost(looked: PreviewedChange) -> MonthlyCost:
    subject, currency = looked.subject, looked.facts.currency
    after = monthly_cost(subject.to, looked.amounts, currency)
    assert after is not None, "its price was read"
    return MonthlyCost(before=monthly_cost(subject.from_, looked.amounts, currency), after=after)

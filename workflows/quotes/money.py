"""Quotes of refunds, credits, voids and write-offs: what their review would begin with, and within whose
authority it is."""

from typing import Any, Generic, NamedTuple, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money.commitments import Commitments
    from billing.core.operations import Kind, Problem
    from billing.money.credit import CreditInput, CreditSubject
    from billing.money.messages import AuthorityCheck
    from billing.money.refund import RefundInput, RefundSubject
    from billing.money.waiver import WaiverInput, WaiverSubject
    from billing.quotes.quote import CreditQuote, QuotedReview, RefundQuote, WaiverQuote

from ..core import ids
from ..core.outcome import TROUBLE
from ..core.recorded import recorded
from ..money.credit_reads import CreditReads
from ..money.proposals import MoneyPlanner, MoneyProposal
from ..money.refund_reads import RefundReads
from ..money.reservation import commit_order
from ..money.review import terms_of
from ..money.waiver_reads import WaiverPlanner
from .parts import FIRST, obstacle, quote_calls, quoted_review

Subject = TypeVar("Subject", bound=RefundSubject | CreditSubject | WaiverSubject)


@workflow.defn(name=ids.REFUND_QUOTE)
class RefundQuoteWorkflow:
    """It reads, and tells nobody but who waits for its result."""

    @workflow.run
    async def run(self, request: RefundInput) -> RefundQuote:
        reads = RefundReads(request, quote_calls(), mirror=False)
        found = await _look(request, Kind.REFUND, reads)
        if isinstance(found, Problem):
            return RefundQuote(obstacles=(found,))
        return RefundQuote(
            obstacles=found.obstacles,
            subject=found.proposal.subject,
            subject_hash=found.proposal.subject_hash,
            refundable=found.proposal.refundable,
            authority=found.authority,
            review=found.review,
        )


@workflow.defn(name=ids.CREDIT_QUOTE)
class CreditQuoteWorkflow:
    """It reads, and tells nobody but who waits for its result."""

    @workflow.run
    async def run(self, request: CreditInput) -> CreditQuote:
        reads = CreditReads(request, quote_calls(), mirror=False)
        found = await _look(request, Kind.CREDIT, reads)
        if isinstance(found, Problem):
            return CreditQuote(obstacles=(found,))
        return CreditQuote(
            obstacles=found.obstacles,
            subject=found.proposal.subject,
            subject_hash=found.proposal.subject_hash,
            authority=found.authority,
            review=found.review,
        )


@workflow.defn(name=ids.WAIVER_QUOTE)
class WaiverQuoteWorkflow:
    """It reads, and tells nobody but who waits for its result."""

    @workflow.run
    async def run(self, request: WaiverInput) -> WaiverQuote:
        reads = WaiverPlanner(request, quote_calls(), mirror=False)
        found = await _look(request, request.kind, reads)
        if isinstance(found, Problem):
            return WaiverQuote(obstacles=(found,))
        return WaiverQuote(
            obstacles=found.obstacles,
            subject=found.proposal.subject,
            subject_hash=found.proposal.subject_hash,
            authority=found.authority,
            review=found.review,
        )


class _Look(NamedTuple, Generic[Subject]):
    """What would be given, within whose authority, and who would be asked where it is beyond."""

    proposal: MoneyProposal[Subject]
    authority: AuthorityCheck
    review: QuotedReview | None = None

    @property
    def obstacles(self) -> tuple[Problem, ...]:
        return (self.authority.problem,) if self.authority.problem is not None else ()


async def _look(
    request: RefundInput | CreditInput | WaiverInput, kind: Kind, planner: MoneyPlanner[Any, Subject]
) -> _Look[Subject] | Problem:
    """What stands in the way of it is a Problem where nothing could be planned."""
    try:
        proposal = await planner.plan(request.wanted)
    except TROUBLE as error:
        return obstacle(error)
    if isinstance(proposal, Problem):
        return proposal
    order = commit_order(request, kind, proposal, FIRST)
    authority: AuthorityCheck = await recorded(Commitments.check_authority, order)
    if authority.problem is not None or authority.within:
        return _Look(proposal, authority)
    rules = request.policy.money_rules(kind)
    terms, rule = terms_of(rules, proposal, authority.why), rules.rule_for(proposal.reason, proposal.amount)
    return _Look(proposal, authority, await quoted_review(request, kind, proposal, terms, rule))

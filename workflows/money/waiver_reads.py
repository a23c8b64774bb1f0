"""What a void or write-off asks of Stripe."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money.waivers import WaiverReads
    from billing.core.operations import Problem
    from billing.money.messages import CommitPart
    from billing.money.waiver import (
        WaivableQuery,
        WaivedInvoice,
        WaiverInput,
        WaiverRead,
        WaiverSubject,
        WaiverWanted,
        plan_waiver,
        waiver_hash,
    )

from ..core import options
from ..core.stripe_calls import StripeCaller
from .proposals import MoneyPlanner, MoneyProposal


class WaiverPlanner(MoneyPlanner[WaiverWanted, WaiverSubject]):
    def __init__(self, request: WaiverInput, calls: StripeCaller, *, mirror: bool = True) -> None:
        """`mirror`: whether what is planned by refreshes our mirror."""
        self._organization = request.organization
        self._calls, self._refresh = calls, mirror

    async def plan(self, wanted: WaiverWanted) -> MoneyProposal[WaiverSubject] | Problem:
        """What would be given up, or why it can't be."""
        query = WaivableQuery(organization=self._organization, invoice=wanted.invoice, mirror=self._refresh)
        facts = await self._calls.call(WaiverReads.read_waivable, query, options.STRIPE_READ)
        subject = plan_waiver(wanted, facts)
        return subject if isinstance(subject, Problem) else proposal_of(subject)

    async def still_possible(
        self, wanted: WaiverWanted, subject: WaiverSubject
    ) -> MoneyProposal[WaiverSubject] | None:
        """Exactly what was approved, by what Stripe says now; None when the same request would do another."""
        proposal = await self.plan(wanted)
        return None if isinstance(proposal, Problem) or proposal.subject != subject else proposal

    async def found(self, subject: WaiverSubject) -> WaivedInvoice:
        """The invoice as Stripe has it now, however long Stripe takes to say so."""
        query = WaiverRead(organization=self._organization, invoice=subject.invoice)
        return await self._calls.call(WaiverReads.read_waived, query, options.STRIPE_EFFECT)


def proposal_of(subject: WaiverSubject) -> MoneyProposal[WaiverSubject]:
    """What is set aside for it: all that is left of the invoice."""
    return MoneyProposal(
        subject=subject,
        subject_hash=waiver_hash(subject),
        amount=subject.amount,
        customer=subject.customer,
        reason=subject.reason,
        parts=(CommitPart(amount=subject.amount.amount_minor),),
        invoice=subject.invoice,
    )

"""What a refund asks of Stripe and of our records."""

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money.reads import MoneyReads
    from billing.core.operations import Problem
    from billing.money.messages import CommitPart
    from billing.money.refund import (
        GONE,
        RefundableFacts,
        RefundableQuery,
        RefundFound,
        RefundInput,
        RefundInStripe,
        RefundPart,
        RefundRead,
        RefundSubject,
        RefundWanted,
        plan_refund,
        refund_hash,
        refundable,
        still_fits,
        without_own,
    )

from ..core import options
from ..core.stripe_calls import StripeCaller
from ..core.stripe_changes import StripeChanges
from .proposals import MoneyPlanner, MoneyProposal


class RefundReads(MoneyPlanner[RefundWanted, RefundSubject]):
    def __init__(self, request: RefundInput, calls: StripeCaller, *, mirror: bool = True) -> None:
        """`mirror`: whether what is planned by refreshes our mirror."""
        self._organization, self._operation = request.organization, request.operation
        self._calls, self._refresh = calls, mirror

    async def plan(self, wanted: RefundWanted) -> MoneyProposal[RefundSubject] | Problem:
        """What would be refunded of what, or why it can't be."""
        facts = await self._facts(wanted.payment_intent, wanted.invoice)
        subject = plan_refund(wanted, facts)
        return subject if isinstance(subject, Problem) else proposal_of(subject, facts)

    async def still_possible(
        self, wanted: RefundWanted, subject: RefundSubject
    ) -> MoneyProposal[RefundSubject] | None:
        """Exactly what was approved, by what Stripe says now; None when there is no room for it any more."""
        facts = await self._facts(subject.payment_intent, subject.invoice)
        return proposal_of(subject, facts) if still_fits(subject.parts, facts) else None

    async def part_possible(
        self, subject: RefundSubject, part: RefundPart
    ) -> MoneyProposal[RefundSubject] | None:
        """One part that is tried again, beside all that was given back, what else came through included;
        None when there is no room for it."""
        facts = await self._all_facts(part.payment_intent, None)
        return proposal_of(subject, facts, (part,)) if still_fits((part,), facts) else None

    async def found(self, refund: str, changes: StripeChanges) -> RefundFound:
        """The refund as Stripe has it now, however long Stripe takes to say so."""
        query = RefundRead(organization=self._organization, operation=self._operation, refund=refund)
        return await self._calls.call(
            MoneyReads.read_refund, query, changes.call_options(options.STRIPE_EFFECT)
        )

    async def _facts(self, payment_intent: str | None, invoice: str | None) -> RefundableFacts:
        return without_own(await self._all_facts(payment_intent, invoice), self._operation)

    async def _all_facts(self, payment_intent: str | None, invoice: str | None) -> RefundableFacts:
        query = RefundableQuery(
            organization=self._organization,
            payment_intent=payment_intent,
            invoice=None if payment_intent else invoice,
            mirror=self._refresh,
        )
        return await self._calls.call(MoneyReads.read_refundable, query, options.STRIPE_READ)


def proposal_of(
    subject: RefundSubject, facts: RefundableFacts, of: Sequence[RefundPart] | None = None
) -> MoneyProposal[RefundSubject]:
    """What is set aside for it (or for some parts `of` it), and what limits that."""
    payments = {payment.payment_intent: payment for payment in facts.payments}
    parts = (
        CommitPart(
            payment_intent=part.payment_intent,
            invoice=facts.cap.money.invoice if facts.cap else None,
            amount=part.amount,
            left=payments[part.payment_intent].left,
            in_stripe=_counted(payments[part.payment_intent].refunds),
        )
        for part in (subject.parts if of is None else of)
    )
    return MoneyProposal(
        subject=subject,
        subject_hash=refund_hash(subject),
        amount=subject.amount,
        customer=subject.customer,
        reason=subject.reason,
        parts=tuple(parts),
        cap=facts.cap,
        invoice=facts.invoice,
        refundable=refundable(facts),
    )


def _counted(refunds: Sequence[RefundInStripe]) -> tuple[str, ...]:
    """The operations whose refunds Stripe has taken off already."""
    taken = (refund for refund in refunds if refund.status not in GONE)
    return tuple(dict.fromkeys(refund.operation for refund in taken if refund.operation))

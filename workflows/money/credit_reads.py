"""What a credit asks of Stripe."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money.reads import MoneyReads
    from billing.core.operations import Problem
    from billing.money.credit import (
        CreditableFacts,
        CreditableQuery,
        CreditFound,
        CreditInput,
        CreditRead,
        CreditSubject,
        CreditWanted,
        check_choice,
        credit_hash,
        plan_credit,
        without_own_note,
    )
    from billing.money.credit_lines import asked_again
    from billing.money.messages import CommitPart

from ..core import options
from ..core.stripe_calls import StripeCaller
from .proposals import MoneyPlanner, MoneyProposal


class CreditReads(MoneyPlanner[CreditWanted, CreditSubject]):
    def __init__(self, request: CreditInput, calls: StripeCaller, *, mirror: bool = True) -> None:
        """`mirror`: whether what is planned by refreshes our mirror."""
        self._organization, self._operation = request.organization, request.operation
        self._calls, self._refresh = calls, mirror

    async def plan(self, wanted: CreditWanted) -> MoneyProposal[CreditSubject] | Problem:
        """What would be credited, or why it can't be."""
        if problem := check_choice(wanted):
            return problem
        query = CreditableQuery(
            organization=self._organization,
            customer=wanted.customer,
            invoice=wanted.invoice,
            lines=wanted.lines,
            mirror=self._refresh,
        )
        facts = await self._calls.call(MoneyReads.read_creditable, query, options.STRIPE_READ)
        facts = without_own_note(facts, self._operation)
        subject = plan_credit(wanted, facts)
        return subject if isinstance(subject, Problem) else proposal_of(subject, facts)

    async def still_possible(
        self, wanted: CreditWanted, subject: CreditSubject
    ) -> MoneyProposal[CreditSubject] | None:
        """Exactly what was approved, by what Stripe says now; None when the same request would do another."""
        proposal = await self.plan(wanted)
        if isinstance(proposal, Problem) or proposal.subject_hash != credit_hash(subject):
            return None
        return proposal

    async def found(self, subject: CreditSubject, given: str) -> CreditFound:
        """The credit as Stripe has it now, however long Stripe takes to say so."""
        query = CreditRead(
            organization=self._organization,
            operation=self._operation,
            customer=subject.customer,
            instrument=subject.instrument,
            invoice=subject.invoice,
            lines=asked_again(subject.lines),
            object=given,
        )
        return await self._calls.call(MoneyReads.read_credit, query, options.STRIPE_EFFECT)


def proposal_of(subject: CreditSubject, facts: CreditableFacts) -> MoneyProposal[CreditSubject]:
    """What is set aside for it, and what limits that."""
    return MoneyProposal(
        subject=subject,
        subject_hash=credit_hash(subject),
        amount=subject.amount,
        customer=subject.customer,
        reason=subject.reason,
        parts=_parts(subject, facts),
        cap=facts.cap,
        invoice=subject.invoice,
        lines=facts.lines,
    )


def _parts(subject: CreditSubject, facts: CreditableFacts) -> tuple[CommitPart, ...]:
    """What takes off from what is due gives nothing back of what was paid: the two are held apart."""
    if facts.cap is None:
        return (CommitPart(amount=subject.amount.amount_minor),)
    due = CommitPart(amount=subject.reduces_due.amount_minor)
    back = CommitPart(amount=subject.to_balance.amount_minor, invoice=subject.invoice)
    return tuple(part for part in (due, back) if part.amount)

"""What a credit asks of Stripe."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money_reads import MoneyReads
    from billing.credit import (
        CreditableQuery,
        CreditFound,
        CreditInput,
        CreditRead,
        CreditSubject,
        CreditWanted,
        check_choice,
        credit_hash,
        plan_credit,
    )
    from billing.messages import CommitPart
    from billing.operations import Problem

from . import options
from .money_review import Planned
from .stripe_calls import StripeCalls


class CreditReads:
    def __init__(self, request: CreditInput, calls: StripeCalls) -> None:
        self._organization, self._operation = request.organization, request.operation
        self._calls = calls

    async def plan(self, wanted: CreditWanted) -> Planned[CreditSubject] | Problem:
        """What would be credited, or why it can't be."""
        if problem := check_choice(wanted):
            return problem
        query = CreditableQuery(
            organization=self._organization, customer=wanted.customer, invoice=wanted.invoice
        )
        facts = await self._calls.call(MoneyReads.creditable, query, options.STRIPE_CALL)
        subject = plan_credit(wanted, facts)
        if isinstance(subject, Problem):
            return subject
        return Planned(
            subject=subject,
            subject_hash=credit_hash(subject),
            amount=subject.amount,
            customer=subject.customer,
            reason=subject.reason,
            parts=(CommitPart(amount=subject.amount.amount_minor),),
        )

    async def found(self, subject: CreditSubject, given: str) -> CreditFound:
        """The credit as Stripe has it now, however long Stripe takes to say so."""
        query = CreditRead(
            organization=self._organization,
            operation=self._operation,
            customer=subject.customer,
            instrument=subject.instrument,
            invoice=subject.invoice,
            object=given,
        )
        return await self._calls.call(MoneyReads.credit, query, options.STRIPE_EFFECT)

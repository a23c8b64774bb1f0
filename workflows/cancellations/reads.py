"""What a cancellation reads: the subscription, the invoice that it leads to, and what came of it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cancellations.reads import CancellationReads
    from billing.cancellations.cancellation import (
        CancellableFacts,
        CancellableQuery,
        CancellationInput,
        CancellationQuery,
        CancellationSubject,
        CancellationWanted,
    )
    from billing.cancellations.invoices import InvoiceAheadQuery
    from billing.cancellations.report import (
        CancellationResult,
        LastInvoiceQuery,
        ended_report,
        planned_report,
    )
    from billing.core.operations import Problem
    from billing.plan_changes.obstacles import ENDED

from ..core import options
from ..core.stripe_calls import StripeCaller


class CancellationPlanner:
    """Every read of a cancellation; the same code takes the first look and the re-check."""

    def __init__(self, request: CancellationInput, calls: StripeCaller, *, mirror: bool = True) -> None:
        """`mirror`: whether what is read refreshes our mirror."""
        self._organization, self._subscription = request.organization, request.subscription
        self._calls, self._refresh = calls, mirror

    async def facts(self) -> CancellableFacts:
        """The subscription now."""
        return await self._calls.call(CancellationReads.read_cancellable, self._query(), options.STRIPE_READ)

    async def plan(self, wanted: CancellationWanted) -> CancellationSubject | Problem:
        """What would be done by what Stripe says now, or why it can't be."""
        query = CancellationQuery(of=self._query(), wanted=wanted)
        look = await self._calls.call(CancellationReads.look_at_cancellation, query, options.STRIPE_LOOK)
        if look.subject is not None:
            return look.subject
        assert look.problem is not None, "one or the other"
        return look.problem

    async def came(self, subject: CancellationSubject) -> CancellationResult:
        """What Stripe holds of what was done, beside what was approved."""
        facts = await self.facts()
        if subject.action == "now" or facts.status in ENDED:
            query = LastInvoiceQuery(
                organization=self._organization,
                subscription=self._subscription,
                before=subject.newest_invoice,
                metered=subject.terms.metered,
            )
            last = await self._calls.call(CancellationReads.read_last_invoice, query, options.STRIPE_EFFECT)
            return ended_report(subject, facts, last)
        ahead = await self._calls.call(
            CancellationReads.read_invoice_ahead,
            InvoiceAheadQuery(params={"subscription": subject.subscription}, metered=subject.terms.metered),
            options.STRIPE_READ,
        )
        return planned_report(subject, facts, ahead)

    def _query(self) -> CancellableQuery:
        return CancellableQuery(
            organization=self._organization, subscription=self._subscription, mirror=self._refresh
        )

"""What a cancellation reads: the subscription, the invoice that it leads to, and what came of it."""

import asyncio
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cancellations.reads import CancellationReads
    from billing.cancellations.cancellation import (
        CancellableFacts,
        CancellableQuery,
        CancellationInput,
        CancellationSubject,
        CancellationWanted,
        in_the_way_of,
        plan_cancellation,
    )
    from billing.cancellations.invoices import InvoiceAhead, InvoiceAheadQuery, InvoicesAhead
    from billing.cancellations.report import (
        CancellationResult,
        LastInvoiceQuery,
        ended_report,
        planned_report,
    )
    from billing.cancellations.stripe_params import preview_params
    from billing.core.operations import Problem
    from billing.plan_changes.obstacles import ENDED
    from billing.plan_changes.subject import Terms

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
        query = CancellableQuery(
            organization=self._organization, subscription=self._subscription, mirror=self._refresh
        )
        return await self._calls.call(CancellationReads.read_cancellable, query, options.STRIPE_READ)

    async def plan(self, wanted: CancellationWanted) -> CancellationSubject | Problem:
        """What would be done by what Stripe says now, or why it can't be."""
        facts = await self.facts()
        problem = in_the_way_of(wanted, facts) or facts.unsupported
        if problem is not None:
            return problem
        return plan_cancellation(wanted, facts, await self._ahead(wanted, facts))

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
        ahead = await self._invoice_ahead({"subscription": subject.subscription}, subject.terms)
        return planned_report(subject, facts, ahead)

    async def _ahead(self, wanted: CancellationWanted, facts: CancellableFacts) -> InvoicesAhead:
        terms = facts.terms
        if wanted.action != "now":
            return InvoicesAhead(
                invoice=await self._invoice_ahead(preview_params(facts, wanted.action), terms)
            )
        invoice, without = await asyncio.gather(
            self._invoice_ahead(preview_params(facts, "now"), terms),
            self._invoice_ahead(preview_params(facts, "now", credits=False), terms),
        )
        return InvoicesAhead(invoice=invoice, without=without)

    async def _invoice_ahead(self, params: dict[str, Any], terms: Terms | None) -> InvoiceAhead | None:
        query = InvoiceAheadQuery(params=params, metered=terms.metered if terms else frozenset())
        return await self._calls.call(CancellationReads.read_invoice_ahead, query, options.STRIPE_READ)

"""Pages through Stripe so that the mirror shows what no one told us."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mirror import Mirror, PageDone, PageQuery

from . import ids, options

PAGES = (
    Mirror.mirror_customers,
    Mirror.mirror_invoices,
    Mirror.mirror_payments,
    Mirror.mirror_invoice_payments,
    Mirror.mirror_refunds,
    Mirror.mirror_credit_notes,
)
"""Each needs what those before it have stored."""


@workflow.defn(name=ids.RECONCILE)
class ReconcileWorkflow:
    """Plans, then customers, then their invoices and money; one activity a page, behind people's work.

    What comes later goes to the end: a run of a release before is then at a page that this one knows too.
    """

    @workflow.run
    async def run(self) -> int:
        stored: int = await workflow.execute_activity_method(Mirror.mirror_catalog, **options.STRIPE_PAGE)
        for page in PAGES:
            stored += await self._pages(page)
        return stored

    async def _pages(self, page: Callable[[Any, PageQuery], Any]) -> int:
        stored, after = 0, None
        while True:
            done: PageDone = await workflow.execute_activity_method(
                page, PageQuery(after=after), **options.STRIPE_PAGE
            )
            stored, after = stored + done.stored, done.after
            if after is None:
                return stored

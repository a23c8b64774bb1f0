"""Something of an invoice is read from Stripe for somebody who waits for the answer."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.portal.invoice_fetch import InvoiceFetches
    from billing.portal.links import InvoiceFetch, InvoiceFetched

from ..core import ids, options


@workflow.defn(name=ids.INVOICE_FETCH)
class InvoiceFetchWorkflow:
    """One reading, by those who may call Stripe; given up when nobody waits for it any more."""

    @workflow.run
    async def run(self, fetch: InvoiceFetch) -> InvoiceFetched:
        reading = InvoiceFetches.fetch_pdf if fetch.want == "pdf" else InvoiceFetches.fetch_pay_link
        fetched: InvoiceFetched = await workflow.execute_activity_method(
            reading, fetch, **options.INVOICE_FETCH
        )
        return fetched

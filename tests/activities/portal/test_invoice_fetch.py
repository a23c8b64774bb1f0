"""An invoice's pay link and PDF as Stripe has them at this moment."""

import hashlib
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from temporalio.exceptions import ApplicationError

from activities.portal.invoice_fetch import InvoiceFetches
from activities.portal.invoice_files import files_client, stripe_hosts
from billing.portal.links import InvoiceFetch
from db.core.session import Database
from db.tables import InvoicePdf, PayLink

from ...support import money
from ...support.case_rules import case_rules
from ..counter import Counter


@pytest.fixture
async def fetches(counter: Counter, database: Database) -> AsyncIterator[InvoiceFetches]:
    async with files_client() as files:
        hosts = stripe_hosts(counter.shop.stand_in.url)
        yield InvoiceFetches(counter.shop.client, database, case_rules(), files, hosts)


def wanted(
    counter: Counter, invoice: str, want: Literal["pay_link", "pdf"], organization: str | None = None
) -> InvoiceFetch:
    whose = organization or counter.tenant.id
    return InvoiceFetch(organization=whose, invoice=invoice, want=want, requested_by="customer")


async def test_a_pay_link_is_stripes_own_and_only_its_handing_out_is_kept(
    counter: Counter, fetches: InvoiceFetches
) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    fetched = await fetches.fetch_pay_link(wanted(counter, invoice, "pay_link"))
    now = await counter.shop.client.v1.invoices.retrieve_async(invoice)
    assert (fetched.state, fetched.url) == ("ready", now.hosted_invoice_url)
    [kept] = await counter.rows(PayLink)
    assert (kept.invoice_id, kept.requested_by) == (invoice, "customer")
    assert (kept.read_at, kept.expires_at) == (fetched.read_at, fetched.url_expires_at)


async def test_another_organizations_invoice_is_as_if_it_were_not(
    counter: Counter, fetches: InvoiceFetches
) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    assert (await fetches.fetch_pay_link(wanted(counter, invoice, "pay_link", "org_else"))).state == "gone"
    assert (await fetches.fetch_pdf(wanted(counter, "in_none", "pdf"))).state == "gone"


async def test_the_same_pdf_is_kept_once(counter: Counter, fetches: InvoiceFetches) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    first = await fetches.fetch_pdf(wanted(counter, invoice, "pdf"))
    again = await fetches.fetch_pdf(wanted(counter, invoice, "pdf"))
    [kept] = await counter.rows(InvoicePdf)
    assert first.pdf == again.pdf == kept.id
    assert kept.content.startswith(b"%PDF-")
    assert (kept.sha256, kept.size) == (hashlib.sha256(kept.content).hexdigest(), len(kept.content))


async def test_no_file_is_fetched_from_elsewhere(counter: Counter, database: Database) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    async with files_client() as files:
        strict = InvoiceFetches(counter.shop.client, database, case_rules(), files, lambda _: False)
        with pytest.raises(ApplicationError) as refused:
            await strict.fetch_pdf(wanted(counter, invoice, "pdf"))
    assert (refused.value.type, refused.value.non_retryable) == ("pdf_unusable", True)

"""What somebody waits for: an invoice's pay link or its PDF, as Stripe has them at this moment.

The invoice is read anew and mirrored first. Another organization's is answered as what does not exist.
"""

from collections.abc import Callable
from datetime import datetime

import httpx
import stripe
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.portal.links import InvoiceFetch, InvoiceFetched, pay_link_expiry, payable
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.portal import invoice_pdfs
from db.tables import PayLink, new_id

from ..mirror.objects.invoice import InvoiceSnapshot
from ..mirror.objects.snapshot import Document, Owner, time_of
from ..stripe.failures import ask_for
from .invoice_files import Unusable, download


class InvoiceFetches:
    def __init__(
        self,
        client: stripe.StripeClient,
        database: Database,
        rules: CaseRules,
        files: httpx.AsyncClient,
        hosts: Callable[[httpx.URL], bool],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`files` fetches PDFs, from addresses that `hosts` finds to be Stripe's."""
        self._client = client
        self._database = database
        self._rules = rules
        self._files = files
        self._hosts = hosts
        self._clock = clock

    @activity.defn
    async def fetch_pay_link(self, fetch: InvoiceFetch) -> InvoiceFetched:
        """Stripe's own address of the invoice; that it was handed out is noted, the address is not."""
        read_at, found = await self._read(fetch)
        if found is None:
            return InvoiceFetched(state="gone", read_at=read_at)
        url, finalized = found.get("hosted_invoice_url"), found["status_transitions"]["finalized_at"]
        if not payable(found["status"], found["amount_remaining"]) or not (url and finalized):
            return InvoiceFetched(state="not_payable", read_at=read_at, status=found["status"])
        due = found.get("due_date")
        expires_at = pay_link_expiry(time_of(finalized), time_of(due) if due else None, read_at)
        async with self._database.transaction() as session:
            session.add(
                PayLink(
                    id=new_id("pay"),
                    organization_id=fetch.organization,
                    invoice_id=fetch.invoice,
                    requested_by=fetch.requested_by,
                    read_at=read_at,
                    expires_at=expires_at,
                )
            )
        return InvoiceFetched(
            state="ready", read_at=read_at, status=found["status"], url=url, url_expires_at=expires_at
        )

    @activity.defn
    async def fetch_pdf(self, fetch: InvoiceFetch) -> InvoiceFetched:
        """The invoice's PDF, which Stripe draws as the invoice is now; it is stored, and named by its id."""
        read_at, found = await self._read(fetch)
        if found is None:
            return InvoiceFetched(state="gone", read_at=read_at)
        status, url = found["status"], found.get("invoice_pdf")
        if not url:
            return InvoiceFetched(state="no_pdf", read_at=read_at, status=status)
        try:
            content = await download(self._files, url, self._hosts)
        except Unusable as error:
            raise ApplicationError(str(error), type="pdf_unusable", non_retryable=True) from error
        except httpx.HTTPError as error:
            raise ApplicationError("Stripe did not give the PDF.", type="stripe_unreachable") from error
        async with self._database.transaction() as session:
            pdf = await invoice_pdfs.store(
                session,
                organization=fetch.organization,
                invoice=fetch.invoice,
                content=content,
                requested_by=fetch.requested_by,
                fetched_at=read_at,
            )
        if pdf is None:
            return InvoiceFetched(state="gone", read_at=read_at)
        return InvoiceFetched(state="ready", read_at=read_at, status=status, pdf=pdf)

    async def _read(self, fetch: InvoiceFetch) -> tuple[datetime, Document | None]:
        """The invoice as it is now, mirrored, and when that was; None when it is not this organization's."""
        read_at, owner = self._clock(), Owner(fetch.organization, subscriber=fetch.own)
        snapshot = await ask_for(InvoiceSnapshot.read(self._client, fetch.invoice))
        if snapshot is None:
            return read_at, None
        async with self._database.transaction() as session:
            if await snapshot.owner(session) != owner:
                return read_at, None
            await snapshot.store(session, self._rules, owner, read_at)
        return read_at, snapshot.invoice

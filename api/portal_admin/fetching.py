"""Something of an invoice read from Stripe by the worker, while the caller waits."""

from datetime import timedelta

from fastapi import Response
from ulid import ULID

from billing.portal.links import InvoiceFetch, InvoiceFetched
from db.portal import invoice_pdfs
from db.portal.invoice_pdfs import StoredPdf
from workflows.core import ids

from ..dispatch.answers import NoAnswer, answer_of
from ..http.auth import Caller
from ..http.context import Context
from ..problems.common import STRIPE_UNAVAILABLE
from ..problems.problem import ApiProblem, existing, not_found
from .problems import NO_PDF, NOT_PAYABLE, PDF_UNUSABLE
from .schemas import PayLinkAnswer

ANSWER_WITHIN = 10.0
"""Seconds that the caller waits."""

GIVEN_UP_AFTER = timedelta(seconds=60)
RETRY_AFTER = {"Retry-After": "5"}

PDF_ANSWER = {
    "description": "The PDF, as it was fetched",
    "content": {
        "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.7 ..."}
    },
}


async def fetch_pay_link(
    context: Context, caller: Caller, invoice: str, *, own: bool = False
) -> PayLinkAnswer:
    """Stripe's own page of the invoice; `own` is one to the organization itself.

    Raises ApiProblem `not_payable` besides what `fetch` does.
    """
    fetched = await fetch(
        context,
        InvoiceFetch(
            organization=caller.organization,
            invoice=invoice,
            want="pay_link",
            requested_by=caller.person,
            own=own,
        ),
    )
    if fetched.url is None or fetched.url_expires_at is None:
        said = f"In Stripe this invoice is {fetched.status} and there is nothing to pay on it."
        raise ApiProblem(NOT_PAYABLE, said)
    return PayLinkAnswer(url=fetched.url, read_at=fetched.read_at, expires_at=fetched.url_expires_at)


async def fetch_stored_pdf(context: Context, caller: Caller, invoice: str, *, own: bool = False) -> StoredPdf:
    """The invoice's PDF, fetched from Stripe now. Raises ApiProblem `no_pdf` besides what `fetch` does."""
    fetched = await fetch(
        context,
        InvoiceFetch(
            organization=caller.organization,
            invoice=invoice,
            want="pdf",
            requested_by=caller.person,
            own=own,
        ),
    )
    if fetched.pdf is None:
        raise ApiProblem(NO_PDF, f"In Stripe this invoice is {fetched.status} and has no PDF.")
    async with context.database.reading() as session:
        return existing(await invoice_pdfs.facts(session, caller.organization, invoice, fetched.pdf))


async def answer_pdf(context: Context, caller: Caller, invoice: str, pdf: str) -> Response:
    """The bytes that were fetched. Raises ApiProblem `not_found`."""
    async with context.database.reading() as session:
        stored = existing(await invoice_pdfs.facts(session, caller.organization, invoice, pdf))
        content = await invoice_pdfs.content(session, pdf)
    headers = {
        "ETag": f'"{stored.sha256}"',
        "X-Content-Type-Options": "nosniff",
        # Ids only have letters, digits, _ and -.
        "Content-Disposition": f'inline; filename="{invoice}.pdf"',
    }
    return Response(content, media_type="application/pdf", headers=headers)


async def fetch(context: Context, message: InvoiceFetch) -> InvoiceFetched:
    """What Stripe says at this moment.

    Raises ApiProblem `not_found` for what is not this organization's, `pdf_unusable`, and
    `stripe_unavailable` when it can't be known in time; asking again is safe.
    """
    try:
        fetched = await answer_of(
            context.dispatcher.client,
            ids.INVOICE_FETCH,
            message,
            id=ids.invoice_fetch_workflow(message.invoice, str(ULID())),
            organization=message.organization,
            result=InvoiceFetched,
            within=ANSWER_WITHIN,
            given_up_after=GIVEN_UP_AFTER,
        )
    except NoAnswer as error:
        if error.code == "pdf_unusable":
            raise ApiProblem.of(PDF_UNUSABLE) from error
        raise ApiProblem.of(STRIPE_UNAVAILABLE, headers=RETRY_AFTER) from error
    if fetched.state == "gone":
        raise not_found()
    return fetched

"""An invoice's pay link and PDF: read from Stripe when they are asked for."""

from fastapi import APIRouter, Response

from billing.portal.links import InvoiceFetch
from db.mirror import mirror
from db.portal import invoice_pdfs

from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.openapi import answers
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing
from .fetching import fetch
from .problems import FETCHED, NO_PDF, NOT_PAYABLE
from .schemas import PayLinkAnswer, PdfAnswer

router = APIRouter(prefix="/v1/invoices", tags=["Portal"])

_PDF = {
    "description": "The PDF, as it was fetched",
    "content": {
        "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.7 ..."}
    },
}


@router.post(
    "/{id}/pay-link",
    summary="Get an invoice's pay link",
    responses=answers({200: example("portal_admin/pay_link")}, ROLE_MISSING, NOT_PAYABLE, *FETCHED),
)
async def read_pay_link(id: Id, caller: Giver, context: InContext) -> PayLinkAnswer:
    """Read from Stripe when you request it. The request is recorded; the address is not."""
    await _ours(context, caller, id)
    wanted = InvoiceFetch(
        organization=caller.organization, invoice=id, want="pay_link", requested_by=caller.person
    )
    fetched = await fetch(context, wanted)
    if fetched.url is None or fetched.url_expires_at is None:
        said = f"In Stripe this invoice is {fetched.status} and there is nothing to pay on it."
        raise ApiProblem(NOT_PAYABLE, said)
    return PayLinkAnswer(url=fetched.url, read_at=fetched.read_at, expires_at=fetched.url_expires_at)


@router.post(
    "/{id}/pdf",
    summary="Fetch an invoice's current PDF",
    responses=answers({200: example("portal_admin/pdf")}, ROLE_MISSING, NO_PDF, *FETCHED),
)
async def fetch_pdf(id: Id, caller: Giver, context: InContext) -> PdfAnswer:
    """Fetches the invoice as Stripe renders it now. The PDF is stored, and `url` returns it at any time."""
    await _ours(context, caller, id)
    wanted = InvoiceFetch(
        organization=caller.organization, invoice=id, want="pdf", requested_by=caller.person
    )
    fetched = await fetch(context, wanted)
    if fetched.pdf is None:
        raise ApiProblem(NO_PDF, f"In Stripe this invoice is {fetched.status} and has no PDF.")
    async with context.database.reading() as session:
        stored = existing(await invoice_pdfs.facts(session, caller.organization, id, fetched.pdf))
    return PdfAnswer(**stored._asdict(), url=f"/v1/invoices/{id}/pdf/{stored.id}")


@router.get(
    "/{id}/pdf/{pdf}",
    summary="Read a fetched PDF",
    response_class=Response,
    responses=answers({}, NOT_FOUND) | {200: _PDF},
)
async def read_pdf(
    id: Id,
    pdf: Id,
    caller: AnyCaller,
    context: InContext,
) -> Response:
    """Returns the stored file without contacting Stripe."""
    async with context.database.reading() as session:
        stored = existing(await invoice_pdfs.facts(session, caller.organization, id, pdf))
        content = await invoice_pdfs.content(session, pdf)
    headers = {
        "ETag": f'"{stored.sha256}"',
        "X-Content-Type-Options": "nosniff",
        # Ids only have letters, digits, _ and -.
        "Content-Disposition": f'inline; filename="{id}.pdf"',
    }
    return Response(content, media_type="application/pdf", headers=headers)


async def _ours(context: Context, caller: Caller, invoice: str) -> None:
    """Raises ApiProblem `not_found` before anything is asked of anybody."""
    async with context.database.reading() as session:
        existing(await mirror.invoice(session, caller.organization, invoice))

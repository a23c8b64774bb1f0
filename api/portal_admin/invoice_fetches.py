"""An invoice's pay link and PDF: read from Stripe when they are asked for."""

from fastapi import APIRouter, Response

from db.customers import erasure
from db.mirror import mirror
from db.tables import Invoice

from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.openapi import answers
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing
from .fetching import PDF_ANSWER, answer_pdf, fetch_pay_link, fetch_stored_pdf
from .problems import CUSTOMER_ERASED, FETCHED, NO_PDF, NOT_PAYABLE
from .schemas import PayLinkAnswer, PdfAnswer

router = APIRouter(prefix="/v1/invoices", tags=["Portal"])


@router.post(
    "/{id}/pay-link",
    summary="Get an invoice's pay link",
    responses=answers({200: example("portal_admin/pay_link")}, ROLE_MISSING, NOT_PAYABLE, *FETCHED),
)
async def read_pay_link(id: Id, caller: Giver, context: InContext) -> PayLinkAnswer:
    """Read from Stripe when you request it. The request is recorded; the address is not."""
    await _ours(context, caller, id)
    return await fetch_pay_link(context, caller, id)


@router.post(
    "/{id}/pdf",
    summary="Fetch an invoice's current PDF",
    responses=answers({200: example("portal_admin/pdf")}, ROLE_MISSING, NO_PDF, CUSTOMER_ERASED, *FETCHED),
)
async def fetch_pdf(id: Id, caller: Giver, context: InContext) -> PdfAnswer:
    """Fetches the invoice as Stripe renders it now. The PDF is stored, and `url` returns it at any time."""
    invoice = await _ours(context, caller, id)
    async with context.database.reading() as session:
        if await erasure.is_erased(session, invoice.customer_id):
            raise ApiProblem.of(CUSTOMER_ERASED)
    stored = await fetch_stored_pdf(context, caller, id)
    return PdfAnswer(**stored._asdict(), url=f"/v1/invoices/{id}/pdf/{stored.id}")


@router.get(
    "/{id}/pdf/{pdf}",
    summary="Read a fetched PDF",
    response_class=Response,
    responses=answers({}, NOT_FOUND) | {200: PDF_ANSWER},
)
async def read_pdf(
    id: Id,
    pdf: Id,
    caller: AnyCaller,
    context: InContext,
) -> Response:
    """Returns the stored file without contacting Stripe."""
    return await answer_pdf(context, caller, id, pdf)


async def _ours(context: Context, caller: Caller, invoice: str) -> Invoice:
    """Raises ApiProblem `not_found` before anything is asked of anybody."""
    async with context.database.reading() as session:
        return existing(await mirror.invoice(session, caller.organization, invoice))

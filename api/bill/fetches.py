"""The pay link and PDF of an invoice to the organization itself: as those of invoices to customers."""

from fastapi import APIRouter, Response

from db.mirror import bills

from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.openapi import answers
from ..portal_admin.fetching import PDF_ANSWER, answer_pdf, fetch_pay_link, fetch_stored_pdf
from ..portal_admin.problems import FETCHED, NO_PDF, NOT_PAYABLE
from ..portal_admin.schemas import PayLinkAnswer, PdfAnswer
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import existing

router = APIRouter(prefix="/v1/organization/invoices", tags=["Organization"])


@router.post(
    "/{id}/pay-link",
    summary="Get your own invoice's pay link",
    responses=answers({200: example("portal_admin/pay_link")}, ROLE_MISSING, NOT_PAYABLE, *FETCHED),
)
async def read_own_pay_link(id: Id, caller: Giver, context: InContext) -> PayLinkAnswer:
    """Read from Stripe when you request it. Anybody who has the address can see and pay the invoice, so it is
    not stored; the request is recorded."""
    await _ours(context, caller, id)
    return await fetch_pay_link(context, caller, id, own=True)


@router.post(
    "/{id}/pdf",
    summary="Fetch your own invoice's current PDF",
    responses=answers({200: example("bill/pdf")}, ROLE_MISSING, NO_PDF, *FETCHED),
)
async def fetch_own_pdf(id: Id, caller: Giver, context: InContext) -> PdfAnswer:
    """Fetches the invoice as Stripe renders it now. The PDF is stored, and `url` returns it at any time."""
    await _ours(context, caller, id)
    stored = await fetch_stored_pdf(context, caller, id, own=True)
    return PdfAnswer(**stored._asdict(), url=f"/v1/organization/invoices/{id}/pdf/{stored.id}")


@router.get(
    "/{id}/pdf/{pdf}",
    summary="Read your own invoice's fetched PDF",
    response_class=Response,
    responses=answers({}, NOT_FOUND) | {200: PDF_ANSWER},
)
async def read_own_pdf(id: Id, pdf: Id, caller: AnyCaller, context: InContext) -> Response:
    """Returns the stored file without contacting Stripe."""
    await _ours(context, caller, id)
    return await answer_pdf(context, caller, id, pdf)


async def _ours(context: Context, caller: Caller, invoice: str) -> None:
    """Raises ApiProblem `not_found` before anything is asked of anybody."""
    async with context.database.reading() as session:
        existing(await bills.invoice(session, caller.organization, invoice))

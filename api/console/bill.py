"""Billing → Plans → Invoices: what Plixo bills the organization itself, with pay link and PDF."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from ..bill import fetches
from ..bill import routes as bill
from ..bill.schemas import OrganizationInvoicesQuery
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.ids import Id
from .frame.calls import wanting_csv
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/plans/invoices")

TABS = {
    "": "All",
    "open": "Open",
    "paid": "Paid",
    "draft": "Draft",
    "void": "Void",
    "uncollectible": "Uncollectible",
}
SORTS = {
    "-created_at": "Newest first",
    "-total": "Largest first",
    "-amount_remaining": "Most unpaid first",
}


@router.get("")
async def list_own_invoices(
    query: Annotated[OrganizationInvoicesQuery, Query()],
    visit: InVisit,
) -> Response:
    """The newest first."""
    found = await bill.list_organization_invoices(query, visit.request, visit.caller, visit.context)
    return visit.page("bills", title="Invoices from Plixo",
        rows=found.data, next_cursor=found.next_cursor, tabs=TABS, sorts=SORTS,
    )  # fmt: skip


@router.get("/csv")
async def download(
    query: Annotated[OrganizationInvoicesQuery, Query()],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """All that the filters find, as a file."""
    return await bill.list_organization_invoices(query, wanting_csv(request), caller, context)


@router.get("/{id}")
async def read_own_invoice(id: Id, visit: InVisit) -> Response:
    """What it is for, and what is to be paid."""
    return await _detail(id, visit, Form())


@router.post("/{id}/pay-link")
async def pay(id: Id, visit: InVisit) -> Response:
    """Stripe's own page, whose address is shown and kept nowhere."""
    form, url = await form_of(visit.request), ""
    with form.submitted():
        url = (await visit.send(f"/v1/organization/invoices/{id}/pay-link"))["url"]
    return await _detail(id, visit, form, url)


@router.post("/{id}/pdf")
async def fetch_pdf(id: Id, visit: InVisit) -> Response:
    """As Stripe draws it now."""
    form, pdf = await form_of(visit.request), ""
    with form.submitted():
        pdf = (await visit.send(f"/v1/organization/invoices/{id}/pdf"))["id"]
    return await _detail(id, visit, form) if form.refused else see(f"/plans/invoices/{id}/pdf/{pdf}")


@router.get("/{id}/pdf/{pdf}")
async def read_pdf(id: Id, pdf: Id, caller: AnyCaller, context: InContext) -> Response:
    return await fetches.read_own_pdf(id, pdf, caller, context)


async def _detail(id_: str, visit: InVisit, form: Form, url: str = "") -> Response:
    invoice = await bill.read_organization_invoice(id_, visit.caller, visit.context)
    return visit.page("bill", title=invoice.number or "Draft invoice", form=form, invoice=invoice, url=url)

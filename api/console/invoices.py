"""Billing → Invoices: found by whatever one knows of them, and everything that one can do about one."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from ..customers import details
from ..customers import routes as customers
from ..customers.schemas import InvoicesQuery
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.ids import Id
from ..portal_admin import diagnosis
from .frame.calls import wanting_csv
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.subjects import About
from .frame.visit import InVisit

router = pages("/invoices")

TABS = ("open", "overdue", "paid", "draft", "void", "uncollectible")
SORTS = {
    "-created_at": "Newest first",
    "due_date": "Due first",
    "-total": "Largest first",
    "-amount_remaining": "Most unpaid first",
}


@dataclass(frozen=True)
class ShownOnce:
    """What was just done to the invoice: in words, with an address that is shown this once."""

    words: str
    url: str | None = None


@router.get("")
async def list_invoices(
    query: Annotated[InvoicesQuery, Depends(asked(InvoicesQuery))],
    visit: InVisit,
) -> Response:
    """The tab that the address names, searched and sorted, with how many are in the others."""
    found = await customers.list_invoices(
        query.model_copy(update={"counts": True}), visit.request, visit.caller, visit.context
    )
    return visit.page("invoices", title="Invoices",
        rows=found.data, counts=found.counts, next_cursor=found.next_cursor, tabs=TABS, sorts=SORTS,
    )  # fmt: skip


@router.get("/csv")
async def download(
    query: Annotated[InvoicesQuery, Depends(asked(InvoicesQuery))],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """All that the filters find, as a file."""
    return await customers.list_invoices(query, wanting_csv(request), caller, context)


@router.get("/{id}")
async def read_invoice(id: Id, visit: InVisit) -> Response:
    """What it is, what was paid and given back, how the customer gets in, and what comes next."""
    return await _detail(id, visit, Form())


@router.get("/{id}/access")
async def diagnose(id: Id, visit: InVisit) -> Response:
    """Why the customer can't open it, the cause first."""
    found = await diagnosis.diagnose_access(id, visit.caller, visit.context)
    return visit.page("access", title="Can the customer open it?", invoice=id, findings=found.findings)


@router.post("/{id}/resend")
async def resend(id: Id, visit: InVisit) -> Response:
    return await _do(
        id, visit,
        f"/v1/invoices/{id}/portal-links/resend", "A new link is on its way to the customer.",
    )  # fmt: skip


@router.post("/{id}/issue")
async def issue(id: Id, visit: InVisit) -> Response:
    return await _do(
        id, visit,
        f"/v1/invoices/{id}/portal-links",
        "Pass this address on to the customer. It is shown only once; the earlier link no longer works.",
    )  # fmt: skip


@router.post("/{id}/links/{link}/revoke")
async def revoke(id: Id, link: Id, visit: InVisit) -> Response:
    return await _do(
        id, visit,
        f"/v1/portal-links/{link}/revoke", "The link no longer works.", "reason",
    )  # fmt: skip


@router.post("/{id}/pay-link")
async def pay_link(id: Id, visit: InVisit) -> Response:
    return await _do(
        id, visit,
        f"/v1/invoices/{id}/pay-link", "Stripe's own page to pay this invoice on:",
    )  # fmt: skip


@router.post("/{id}/pdf")
async def pdf(id: Id, visit: InVisit) -> Response:
    return await _do(id, visit, f"/v1/invoices/{id}/pdf", "The PDF was fetched again from Stripe.")


@router.post("/{id}/pause")
async def pause(id: Id, visit: InVisit) -> Response:
    return await _do(
        id, visit,
        f"/v1/invoices/{id}/reminder-pause", "Reminders are paused.",
        "until", "reason", method="PUT",
    )  # fmt: skip


@router.post("/{id}/resume")
async def resume(id: Id, visit: InVisit) -> Response:
    return await _do(
        id, visit,
        f"/v1/invoices/{id}/reminder-pause", "Reminders are sent again.", method="DELETE",
    )  # fmt: skip


async def _do(
    id_: str,
    visit: InVisit,
    path: str,
    done: str,
    *fields: str,
    method: str = "POST",
) -> Response:
    """Sends it to the API, and leads back to the invoice unless there is an address to show."""
    form = await form_of(visit.request)
    answer: dict[str, Any] = {}
    with form.submitted():
        answer = await visit.send(path, form.body(*fields) if fields else None, method=method)
    if form.refused:
        return await _detail(id_, visit, form)
    if "read_at" in answer or path.endswith("/portal-links"):
        return await _detail(id_, visit, form, ShownOnce(done, answer["url"]))
    return see(f"/invoices/{id_}")


async def _detail(
    id_: str,
    visit: InVisit,
    form: Form,
    outcome: ShownOnce | None = None,
) -> Response:
    invoice = await details.read_invoice(id_, visit.caller, visit.context)
    customer = {invoice.customer: invoice.customer_name or invoice.customer}
    names = About(visit.shell.plans, customer, {invoice.id: invoice.number or invoice.id})
    return visit.page("invoice", title=invoice.number or "Draft invoice",
        invoice=invoice, names=names, form=form, outcome=outcome,
    )  # fmt: skip

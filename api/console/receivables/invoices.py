"""Billing → Invoices: found by whatever one knows of them, and everything that one can do about one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Response

from billing.core.operations import Kind
from billing.operations.kinds import GIVE_MONEY

from ...customers import details
from ...customers import routes as customers
from ...customers.schemas import InvoicesQuery
from ...http.auth import AnyCaller
from ...http.context import InContext
from ...http.ids import Id
from ...operations import routes as operations
from ...portal_admin import diagnosis, invoice_fetches
from ...problems.problem import not_found
from ..frame.calls import wanting_csv
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.queries import read_query
from ..frame.serving import pages
from ..frame.subjects import About
from ..frame.visit import InVisit
from .invoice_timeline import timeline_of

router = pages("/invoices")

TABS = ("open", "overdue", "paid", "draft", "void", "uncollectible")
SORTS = {
    "-created_at": "Newest first",
    "due_date": "Due first",
    "-total": "Largest first",
    "-amount_remaining": "Most unpaid first",
}


NOTED = (*GIVE_MONEY, Kind.CASE)
"""What bears notes."""


@dataclass(frozen=True)
class ShownOnce:
    """What was just done to the invoice: in words, with an address that is shown this once, or a PDF."""

    words: str
    url: str | None = None
    pdf: str | None = None


def filters(visit: InVisit) -> InvoicesQuery:
    """What the address asks for: its days are the reader's, and the last one counts."""
    given = dict(visit.request.query_params)
    for name, days in (("due_after", 0), ("due_before", 1)):
        if given.get(name):
            given[name] = _midnight(given[name], days, visit.shell.zone)
    return read_query(InvoicesQuery, given)


InFilters = Annotated[InvoicesQuery, Depends(filters)]


def _midnight(day: str, later: int, zone: ZoneInfo) -> str:
    try:
        start = datetime.combine(date.fromisoformat(day), time.min, zone)
        return (start + timedelta(days=later)).isoformat()
    except (ValueError, OverflowError):
        return day


@router.get("")
async def list_invoices(query: InFilters, visit: InVisit) -> Response:
    """The tab that the address names, searched and sorted, with how many are in the others."""
    found = await customers.list_invoices(
        query.model_copy(update={"counts": True}), visit.request, visit.caller, visit.context
    )
    asked = visit.request.query_params
    customer = next((row.customer_name for row in found.data), None) or query.customer
    said = {
        "q": f"“{query.q}”",
        "customer": f"Customer: {customer}",
        "due_after": f"Due from {asked.get('due_after')}",
        "due_before": f"Due to {asked.get('due_before')}",
    }
    return visit.page("invoices", title="Invoices",
        rows=found.data, counts=found.counts, next_cursor=found.next_cursor, tabs=TABS, sorts=SORTS,
        active=[(name, words) for name, words in said.items() if asked.get(name)],
    )  # fmt: skip


@router.get("/csv")
async def download(query: InFilters, visit: InVisit) -> Any:
    """All that the filters find, as a file."""
    return await customers.list_invoices(query, wanting_csv(visit.request), visit.caller, visit.context)


@router.get("/{id}")
async def read_invoice(id: Id, visit: InVisit) -> Response:
    """What it is, what was paid and given back, how the customer gets in, and what comes next."""
    return await _detail(id, visit, Form())


@router.get("/{id}/access")
async def diagnose(id: Id, visit: InVisit) -> Response:
    """Why the customer can't open it, the cause first."""
    found = await diagnosis.diagnose_access(id, visit.caller, visit.context)
    names = await visit.names([{"invoice": id, "customer": found.customer}])
    return visit.page("access", title="Can the customer open it?",
        invoice=id, customer=found.customer, findings=found.findings, names=names,
    )  # fmt: skip


@router.post("/{id}/resend")
async def resend(id: Id, visit: InVisit) -> Response:
    return await _do(id, visit, f"/v1/invoices/{id}/portal-links/resend")


@router.post("/{id}/issue")
async def issue(id: Id, visit: InVisit) -> Response:
    words = "Pass this address on to the customer. It is shown only once; the earlier link no longer works."
    return await _show(
        id, visit, f"/v1/invoices/{id}/portal-links", lambda link: ShownOnce(words, link["url"])
    )


@router.post("/{id}/links/{link}/revoke")
async def revoke(id: Id, link: Id, visit: InVisit) -> Response:
    return await _do(id, visit, f"/v1/portal-links/{link}/revoke", "reason")


@router.post("/{id}/pay-link")
async def pay_link(id: Id, visit: InVisit) -> Response:
    words = "Stripe's own page to pay this invoice on:"
    return await _show(id, visit, f"/v1/invoices/{id}/pay-link", lambda link: ShownOnce(words, link["url"]))


@router.post("/{id}/pdf")
async def pdf(id: Id, visit: InVisit) -> Response:
    words = "The PDF as Stripe makes it now:"
    return await _show(id, visit, f"/v1/invoices/{id}/pdf", lambda stored: ShownOnce(words, pdf=stored["id"]))


@router.get("/{id}/pdf/{pdf}")
async def read_pdf(id: Id, pdf: Id, caller: AnyCaller, context: InContext) -> Response:
    return await invoice_fetches.read_pdf(id, pdf, caller, context)


@router.post("/{id}/notes/{operation}")
async def note(id: Id, operation: Id, visit: InVisit) -> Response:
    """Adds to what is known of a request for money or a case about the invoice."""
    asked = await operations.read_operation(operation, visit.caller, visit.context)
    if asked.kind not in NOTED:
        raise not_found()
    return await _do(id, visit, f"/v1/{asked.kind.resource}/{operation}/notes", "note")


@router.post("/{id}/pause")
async def pause(id: Id, visit: InVisit) -> Response:
    return await _do(id, visit, f"/v1/invoices/{id}/reminder-pause", "until", "reason", method="PUT")


@router.post("/{id}/resume")
async def resume(id: Id, visit: InVisit) -> Response:
    return await _do(id, visit, f"/v1/invoices/{id}/reminder-pause", method="DELETE")


async def _do(id_: str, visit: InVisit, path: str, *fields: str, method: str = "POST") -> Response:
    """Sends it to the API, and leads back to the invoice, which shows what came of it."""
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(path, form.body(*fields) if fields else None, method=method)
    return await _detail(id_, visit, form) if form.refused else see(f"/invoices/{id_}")


async def _show(
    id_: str, visit: InVisit, path: str, shown: Callable[[Mapping[str, Any]], ShownOnce]
) -> Response:
    """Asks the API for what is shown this once, on the invoice's page."""
    form, outcome = await form_of(visit.request), None
    with form.submitted():
        outcome = shown(await visit.send(path))
    return await _detail(id_, visit, form, outcome)


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
        invoice=invoice, names=names, form=form, outcome=outcome, noted=NOTED,
        timeline=timeline_of(invoice, names),
    )  # fmt: skip

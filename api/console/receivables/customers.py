"""Customers, found by name, mail address or id; one with settings and everything of theirs."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Response
from pydantic import BaseModel

from ...customers import details
from ...customers import routes as customers
from ...customers.schemas import CustomersQuery
from ...http.ids import Id
from ...portal_admin import networks
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.queries import asked, read_query
from ..frame.serving import pages
from ..frame.subjects import About
from ..frame.visit import InVisit, PageVisit
from .customer_lists import TABS, CustomerLook, rows_of

router = pages("/customers")

SETTINGS = ("language", "zone", "country", "subdivision")


class CustomerPageQuery(BaseModel):
    """`show` is the list of theirs that is read."""

    show: Literal[
        "invoices", "payments", "refunds", "credit-notes", "balance", "activity", "links", "mails"
    ] = "invoices"
    cursor: str | None = None


@router.get("")
async def list_customers(
    query: Annotated[CustomersQuery, Depends(asked(CustomersQuery))], visit: InVisit
) -> Response:
    """The newest first, or by name."""
    found = await customers.list_customers(query, visit.request, visit.caller, visit.context)
    return visit.page("customers", title="Customers", rows=found.data, next_cursor=found.next_cursor)


@router.get("/{id}")
async def read_customer(id: Id, visit: InVisit) -> Response:
    """Contact, settings, what they owe and were given; and one of the lists of everything of theirs."""
    return await _detail(id, visit, Form())


@router.post("/{id}/settings")
async def change_settings(id: Id, visit: InVisit) -> Response:
    """An empty field is cleared, so that Stripe's or the organization's value holds."""
    form = await form_of(visit.request)
    body: dict[str, Any] = {name: form.value(name) or None for name in SETTINGS}
    body |= {"approval_cycle_days": None, **form.whole("approval_cycle_days")}
    body["opted_out"] = form.value("opted_out") == "true"
    return await _send(id, visit, form, f"/v1/customers/{id}/settings", body, "PATCH")


@router.post("/{id}/lift-bounce")
async def lift_bounce(id: Id, visit: InVisit) -> Response:
    """The address is right after all: mail goes to it again."""
    return await _send(id, visit, Form(), f"/v1/customers/{id}/settings", {"bounced": False}, "PATCH")


@router.post("/{id}/erasure")
async def erase(id: Id, visit: InVisit) -> Response:
    """For good; the box that says so has to be ticked."""
    form = await form_of(visit.request)
    body = {"reason": form.value("because")}
    return await _send(id, visit, form, f"/v1/customers/{id}/erasure", body, "POST")


@router.post("/{id}/networks")
async def add_network(id: Id, visit: InVisit) -> Response:
    form = await form_of(visit.request)
    body = {"customer": id, **form.body("action", "network", "reason")}
    return await _send(id, visit, form, "/v1/portal-networks", body, "POST")


@router.post("/{id}/networks/{network}/remove")
async def remove_network(id: Id, network: Id, visit: InVisit) -> Response:
    return await _send(id, visit, Form(), f"/v1/portal-networks/{network}", None, "DELETE")


async def _send(
    id_: str,
    visit: PageVisit,
    form: Form,
    path: str,
    body: dict[str, Any] | None,
    method: str,
) -> Response:
    """Sends it to the API, and leads back to the customer."""
    with form.submitted():
        await visit.send(path, body, method=method)
    return await _detail(id_, visit, form) if form.refused else see(f"/customers/{id_}")


async def _detail(id_: str, visit: PageVisit, form: Form) -> Response:
    wanted = read_query(CustomerPageQuery, visit.request.query_params)
    customer = await details.read_customer(id_, visit.caller, visit.context)
    of_theirs = networks.NetworksQuery(customer=id_)
    allowed = await networks.list_networks(of_theirs, visit.request, visit.caller, visit.context)
    name = customer.name or customer.email or customer.id
    look = CustomerLook(visit, id_, About(visit.shell.plans, {id_: name}, {}), wanted.cursor)
    rows, next_cursor = await rows_of(wanted.show, look)
    return visit.page("customer", title=name,
        customer=customer, networks=allowed.data, form=form, show=wanted.show, tabs=TABS,
        choices=[("" if name == "invoices" else name, tab.words) for name, tab in TABS.items()],
        rows=rows, next_cursor=next_cursor,
    )  # fmt: skip

"""Billing → Plans: the plan, its limits and its renewal; what a change costs before anybody is asked."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import Response

from billing.core.money import Money
from billing.plan_changes.items.add_ons import AddOn
from billing.plan_changes.items.others import OtherItem
from billing.plan_changes.plans import Plan
from db.mirror import mirror

from ..bill import routes as bill
from ..bill.schemas import OrganizationInvoicesQuery, RenewalAnswer
from ..operations import organization_routes
from ..operations import views as operation_views
from ..problems.problem import ApiProblem
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("/plans")

MOST_INVOICES = 5
"""Of the organization's own; all of them have a page."""
FIELDS = ("plan", "seats", "interval", "effective", "invoicing", "take_back_end", "reason")
ADD_ON = "add_on:"
"""What the fields of add-ons begin with; their short names follow."""


FORMER = "Not offered any more: keep it, or have fewer or none (0)."
"""What is said of an add-on that nobody can have anew."""


class AddOnChoice(NamedTuple):
    """A field of an add-on: how many there are, and what one costs."""

    add_on: str
    name: str
    held: str
    costs: str


@router.get("")
async def plans(visit: InVisit) -> Response:
    """What is, and the form that asks for something else."""
    return await _page(visit, Form())


@router.post("/quote")
async def quote(visit: InVisit) -> Response:
    """What the change would cost, who would be asked, and what stands in the way; tells nobody."""
    form, quoted = await form_of(visit.request), {}
    with form.submitted(add_on_fields(form)):
        quoted = await visit.send("/v1/plan-changes/quote", body_of(form))
    if form.refused:
        return await _page(visit, form)
    return quote_page(visit, form, quoted, at="/console/plans")


def quote_page(
    visit: PageVisit, form: Form, quoted: Mapping[str, Any], *, at: str, revises: str | None = None
) -> Response:
    """What was quoted, to be sent to this address, or changed."""
    return visit.page("plan_quote", title="Plan change" if revises is None else "Revised plan change",
        form=form, quoted=quoted, key=secrets.token_urlsafe(16), fields=[*FIELDS, *_add_on_fields(form)],
        at=at, revises=revises,
    )  # fmt: skip


@router.post("")
async def ask(visit: InVisit) -> Response:
    """Asks for exactly what was quoted."""
    form = await form_of(visit.request)
    with form.submitted(add_on_fields(form)):
        body = body_of(form) | form.body("quote")
        started = await visit.send("/v1/plan-changes", body, key=form.value("key") or None)
    if not form.refused:
        return see(f"/operations/{started['id']}")
    return await _page(visit, form)


@router.post("/edit")
async def edit(visit: InVisit) -> Response:
    """The form again, as it was quoted."""
    return await _page(visit, await form_of(visit.request))


def body_of(form: Form) -> dict[str, Any]:
    """The API's body: what was typed."""
    add_ons = [
        {"add_on": name.removeprefix(ADD_ON), "quantity": typed[name]}
        for name in _add_on_fields(form)
        if (typed := form.whole(name))
    ]
    body: dict[str, Any] = form.body("plan", "interval", "effective", "invoicing", "reason")
    if form.value("take_back_end") == "true":
        body["take_back_end"] = True
    return body | form.whole("seats") | ({"add_ons": add_ons} if add_ons else {})


def add_on_fields(form: Form) -> dict[str, str]:
    """The fields for the quantities of add-ons, by where the API's body has them."""
    sent = [name for name in _add_on_fields(form) if form.whole(name)]
    return {f"add_ons/{number}/quantity": name for number, name in enumerate(sent)}


def _add_on_fields(form: Form) -> list[str]:
    return [name for name in form.values if name.startswith(ADD_ON)]


def add_on_choices(
    add_ons: Sequence[AddOn], offered: Sequence[str], held: Sequence[OtherItem]
) -> list[AddOnChoice]:
    """Those that the policy offers, with how many there are, and what there is of others. One of several
    items has no field: nobody could say which one is meant."""
    items = [one.add_on for one in held]
    there = {one.add_on: one for one in held if one.add_on is not None and items.count(one.add_on) == 1}
    sold = [
        AddOnChoice(one.add_on, one.name, _pieces(there.pop(one.add_on, None)), f"{_apiece(one)} each")
        for one in add_ons
        if one.add_on in offered and one.prices and items.count(one.add_on) < 2
    ]
    return sold + [AddOnChoice(slug, one.name, _pieces(one), FORMER) for slug, one in there.items()]


def _pieces(held: OtherItem | None) -> str:
    return str(held.quantity) if held and held.quantity else ""


def choices(plans: Sequence[Plan]) -> list[tuple[str, str]]:
    """What can be chosen: short names, and names with what a seat costs."""
    return [
        (plan.plan, f"{plan.name}: {_apiece(plan)}")
        for plan in plans
        if plan.unavailable is None and plan.prices
    ]


def _apiece(sold: Plan | AddOn) -> str:
    """`USD 49.00 a month`, or a year where it is sold for nothing shorter. The quote has the others."""
    price = min(sold.prices, key=lambda price: price.interval)  # "month" comes before "year"
    return f"{Money(amount_minor=price.unit_amount, currency=price.currency).format()} a {price.interval}"


async def _page(visit: PageVisit, form: Form) -> Response:
    """The plan, what is in use and under way, and what Plixo bills for it."""
    async with visit.context.database.reading() as session:
        organization, change = await organization_routes.organization_and_change(session, visit.caller)
        add_ons = await mirror.add_ons(session)
    offered = visit.context.policy.plan_change.add_ons
    catalog = visit.shell.catalog
    prices = [price for plan in catalog if plan.plan == organization.plan for price in plan.prices]
    latest = OrganizationInvoicesQuery(limit=MOST_INVOICES)
    invoices = await bill.list_organization_invoices(latest, visit.request, visit.caller, visit.context)
    return visit.page("plans", title="Plans",
        form=form, organization=organization, options=choices(catalog),
        add_ons=add_on_choices(add_ons, offered, organization.others),
        currency=next((price.currency for price in prices), ""),
        change=operation_views.operation(change, visit.caller) if change else None,
        names=await visit.names([]), renewal=await _renewal(visit), rows=invoices.data,
    )  # fmt: skip


async def _renewal(visit: PageVisit) -> RenewalAnswer | None:
    """None until it was first read from Stripe."""
    try:
        return await bill.read_renewal(visit.caller, visit.context)
    except ApiProblem:
        return None

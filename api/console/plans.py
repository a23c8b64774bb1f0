"""Billing → Plans: the plan, its limits and its renewal; what a change costs before anybody is asked."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response

from ..http.models import PlanAnswer
from ..http.models import Query as ListQuery
from ..operations import organization_routes
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("/plans")

FIELDS = ("plan", "seats", "interval", "effective", "invoicing", "reason")


@router.get("")
async def plans(visit: InVisit) -> Response:
    """What is, and the form that asks for something else."""
    return await _page(visit, Form(), None)


@router.post("/quote")
async def quote(visit: InVisit) -> Response:
    """What the change would cost, who would be asked, and what stands in the way; tells nobody."""
    form, quoted = await form_of(visit.request), None
    with form.submitted():
        quoted = await visit.send("/v1/plan-changes/quote", body_of(form))
    return await _page(visit, form, quoted)


@router.post("")
async def ask(visit: InVisit) -> Response:
    """Asks for exactly what was quoted."""
    form = await form_of(visit.request)
    with form.submitted():
        body = body_of(form) | form.body("quote")
        started = await visit.send("/v1/plan-changes", body, key=form.value("key") or None)
    if not form.refused:
        return see(f"/operations/{started['id']}")
    return await _page(visit, form, None)


@router.post("/edit")
async def edit(visit: InVisit) -> Response:
    """The form again, as it was quoted."""
    return await _page(visit, await form_of(visit.request), None)


def body_of(form: Form) -> dict[str, Any]:
    """The API's body: what was typed."""
    return form.body("plan", "interval", "effective", "invoicing", "reason") | form.whole("seats")


async def offered_plans(visit: PageVisit) -> list[PlanAnswer]:
    """Every plan that there is, also those that can't be chosen."""
    return (await organization_routes.list_plans(ListQuery(limit=100), visit.caller, visit.context)).data


def choices(plans: Sequence[PlanAnswer]) -> list[tuple[str, str]]:
    """What can be chosen: short names and names."""
    return [(plan.plan, plan.name) for plan in plans if plan.unavailable is None]


async def _page(visit: PageVisit, form: Form, quoted: Mapping[str, Any] | None) -> Response:
    organization = await organization_routes.read_organization(visit.caller, visit.context)
    offered = await offered_plans(visit)
    prices = [price for plan in offered if plan.plan == organization.plan for price in plan.prices]
    return visit.page("plans", title="Plan change" if quoted else "Plans",
        form=form, quoted=quoted, organization=organization,
        options=choices(offered), key=secrets.token_urlsafe(16), fields=FIELDS,
        currency=next((price.currency for price in prices), ""),
    )  # fmt: skip

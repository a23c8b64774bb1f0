"""Billing → Plans: the plan, its limits and its renewal; what a change costs before anybody is asked."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from ..http.auth import AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.models import Query as ListQuery
from ..operations import organization_routes
from .frame.calls import post
from .frame.forms import Form, form_of
from .frame.page import page, see
from .frame.serving import pages
from .frame.shell import InShell, Shell

router = pages("/plans")

FIELDS = ("plan", "seats", "interval", "effective", "invoicing", "reason")


@router.get("")
async def plans(request: Request, shell: InShell, caller: AnyCaller, context: InContext) -> Response:
    """What is, and the form that asks for something else."""
    return await _page(request, shell, caller, context, Form(), None)


@router.post("/quote")
async def quote(request: Request, shell: InShell, caller: AnyCaller, context: InContext) -> Response:
    """What the change would cost, who would be asked, and what stands in the way; tells nobody."""
    form, quoted = await form_of(request), None
    with form.submitted():
        quoted = await post(request, "/v1/plan-changes/quote", _body(form))
    return await _page(request, shell, caller, context, form, quoted)


@router.post("")
async def ask(request: Request, shell: InShell, caller: AnyCaller, context: InContext) -> Response:
    """Asks for exactly what was quoted."""
    form = await form_of(request)
    with form.submitted():
        body = _body(form) | form.body("quote")
        started = await post(request, "/v1/plan-changes", body, key=form.value("key") or None)
    if not form.refused:
        return see(f"/operations/{started['id']}")
    return await _page(request, shell, caller, context, form, None)


@router.post("/edit")
async def edit(request: Request, shell: InShell, caller: AnyCaller, context: InContext) -> Response:
    """The form again, as it was quoted."""
    return await _page(request, shell, caller, context, await form_of(request), None)


def _body(form: Form) -> dict[str, Any]:
    return form.body("plan", "interval", "effective", "invoicing", "reason") | form.whole("seats")


async def _page(
    request: Request,
    shell: Shell,
    caller: Caller,
    context: Context,
    form: Form,
    quoted: Mapping[str, Any] | None,
) -> Response:
    organization = await organization_routes.read_organization(caller, context)
    offered = await organization_routes.list_plans(ListQuery(limit=100), caller, context)
    prices = [price for plan in offered.data if plan.plan == organization.plan for price in plan.prices]
    on_sale = [plan for plan in offered.data if plan.unavailable is None]
    return page(
        request, shell, "plans", title="Plan change" if quoted else "Plans",
        status=form.status if form.refused else 200, form=form, quoted=quoted, organization=organization,
        options=[(plan.plan, plan.name) for plan in on_sale], key=secrets.token_urlsafe(16), fields=FIELDS,
        currency=next((price.currency for price in prices), ""),
    )  # fmt: skip

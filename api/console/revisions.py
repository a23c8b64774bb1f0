"""Revising a request after an approver has asked for changes."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from billing.core.money import Money
from billing.core.operations import Kind
from billing.operations.kinds import GIVE_MONEY, ON_REQUEST
from billing.operations.questions import Question
from db.mirror import mirror

from ..approvals import routes as approvals
from ..http.ids import Id
from ..http.models import ApprovalAnswer, OperationAnswer
from ..operations import organization_routes
from ..operations import routes as operations
from ..problems.problem import not_found
from . import cancellations, plans
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit
from .receivables import credit_lines, money

router = pages("/operations")


@router.get("/{id}/revise")
async def new(id: Id, visit: InVisit) -> Response:
    """The form, with what was asked for in it."""
    operation = await _revisable(id, visit)
    return await _page(operation, visit, Form(_typed(operation)))


@router.post("/{id}/revise/quote")
async def quote(id: Id, visit: InVisit) -> Response:
    """What the revised request would do and who would be asked; tells nobody."""
    operation, form = await _revisable(id, visit), await form_of(visit.request)
    quoted: dict[str, Any] = {}
    with form.submitted(plans.add_on_fields(form)):
        body = _body(operation, form)
        if not form.refused:
            quoted = await visit.send(_quote_at(operation), body)
    if form.refused:
        return await _page(operation, visit, form)
    return await _quote_page(operation, visit, form, quoted)


@router.post("/{id}/revise/edit")
async def edit(id: Id, visit: InVisit) -> Response:
    """The form again, as it was quoted."""
    return await _page(await _revisable(id, visit), visit, await form_of(visit.request))


@router.post("/{id}/revise")
async def revise(id: Id, visit: InVisit) -> Response:
    """Sends the whole request again; a new round of review follows."""
    operation, form = await _revisable(id, visit), await form_of(visit.request)
    quoted: Mapping[str, Any] | None = None
    with form.submitted(plans.add_on_fields(form)):
        if operation.kind in GIVE_MONEY:
            body, quoted = await money.retyped(visit, operation.kind.resource, form, _quote_at(operation))
        else:
            body = _body(operation, form)
        if not form.refused:
            await visit.send(f"/v1/{operation.kind.resource}/{id}/revision", body)
    if quoted is not None:
        return await _quote_page(operation, visit, form, quoted)
    return await _page(operation, visit, form) if form.refused else see(f"/operations/{id}")


def _quote_at(operation: OperationAnswer) -> str:
    return f"/v1/{operation.kind.resource}/quote?revises={operation.id}"


def _at(operation: OperationAnswer) -> str:
    return f"/console/operations/{operation.id}/revise"


async def _quote_page(
    operation: OperationAnswer, visit: PageVisit, form: Form, quoted: Mapping[str, Any]
) -> Response:
    at, revises = _at(operation), operation.id
    match operation.kind:
        case Kind.PLAN_CHANGE:
            return plans.quote_page(visit, form, quoted, at=at, revises=revises)
        case Kind.CANCELLATION:
            return cancellations.quote_page(visit, form, quoted, at=at, revises=revises)
    resource = operation.kind.resource
    return await money.quote_page(resource, visit, form, quoted, at=at, revises=revises)


async def _revisable(id_: str, visit: PageVisit) -> OperationAnswer:
    """Raises ApiProblem `not_found`, also for what nobody revises."""
    operation = await operations.read_operation(id_, visit.caller, visit.context)
    if operation.kind not in ON_REQUEST:
        raise not_found()
    return operation


def _typed(operation: OperationAnswer) -> dict[str, str]:
    """What was asked for, as one would type it."""
    asked = {
        name: value
        for name, value in operation.request.items()
        if value not in (None, False) and name not in ("add_ons", credit_lines.FIELD)
    }
    asked |= {
        f"{plans.ADD_ON}{one['add_on']}": one["quantity"] for one in operation.request.get("add_ons", ())
    }
    if lines := operation.request.get(credit_lines.FIELD):
        asked[credit_lines.FIELD] = credit_lines.words_of(lines, operation.request["currency"])
    typed = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in asked.items()
    }
    amount = _amount(operation)
    if operation.kind == Kind.CANCELLATION:
        unused = typed.get("unused_time")
        return typed | {"choice": f"{typed['action']}:{unused}" if unused else typed["action"]}
    return typed | ({"amount": str(amount.decimal), "currency": amount.currency} if amount else {})


def _amount(operation: OperationAnswer) -> Money | None:
    """What was asked for in money; all that is left of a payment was, where no amount was named."""
    subject, asked = operation.subject or {}, operation.request
    if "amount" in subject:
        return Money.model_validate(subject["amount"])
    if asked.get("amount_minor") and asked.get("currency"):
        return Money(amount_minor=asked["amount_minor"], currency=asked["currency"])
    return None


def _body(operation: OperationAnswer, form: Form) -> dict[str, Any]:
    if operation.kind == Kind.PLAN_CHANGE:
        return plans.body_of(form)
    if operation.kind == Kind.CANCELLATION:
        return cancellations.body_of(form)
    return money.body_of(operation.kind.resource, form)


async def _page(operation: OperationAnswer, visit: PageVisit, form: Form) -> Response:
    names = await visit.names([operation.subject, operation.request])
    return visit.page("revise",
        title=f"Revise: {names.headline(operation.kind, operation.subject, operation.request)}",
        operation=operation, sent_back=await _sent_back(operation, visit), at=_at(operation),
        revises=operation.id, **{"form": form, **await _fields(operation, visit, form)},
    )  # fmt: skip


async def _sent_back(operation: OperationAnswer, visit: PageVisit) -> ApprovalAnswer | None:
    """The round in which an approver asked for changes, and said which."""
    if operation.approval is None or operation.stage != Question.REVISION.stage:
        return None
    approval = await approvals.read_approval(operation.approval, visit.caller, visit.context)
    return approval if approval.comment else None


async def _fields(operation: OperationAnswer, visit: PageVisit, form: Form) -> dict[str, Any]:
    """The fields with which it was asked for, and what can be chosen in them."""
    match operation.kind:
        case Kind.PLAN_CHANGE:
            chosen = {"options": plans.choices(visit.shell.catalog)} | await _of_the_plan(visit)
            return {"fields_of": "plan_fields.html.j2"} | chosen
        case Kind.CANCELLATION:
            ends = operation.request["action"] == "take_back"
            chosen = {"options": cancellations.choices(ends), "reasons": cancellations.reasons()}
            return {"fields_of": "cancellation_fields.html.j2"} | chosen
    fields = await money.fields_of(operation.kind.resource, visit, form, revises=operation.id)
    return {"fields_of": "money_fields.html.j2"} | fields


async def _of_the_plan(visit: PageVisit) -> dict[str, Any]:
    """What can be had beside it, and when it is set to end."""
    async with visit.context.database.reading() as session:
        organization, _ = await organization_routes.organization_and_change(session, visit.caller)
        there = await mirror.add_ons(session)
    offered = visit.context.policy.plan_change.add_ons
    return {
        "add_ons": plans.add_on_choices(there, offered, organization.others),
        "ends_at": organization.ends_at,
    }

"""Approvals: what waits for whom, and deciding with everything in sight."""

from collections.abc import Collection
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from billing.approvals.deciders import Deciders
from billing.core.operations import Role

from ..approvals import routes as approvals
from ..approvals.schemas import ApprovalsQuery
from ..http.ids import Id
from ..http.models import ApprovalAnswer
from ..operations import routes as operations
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("/approvals")

Tab = Literal["mine", "others", "done"]


class TabQuery(BaseModel):
    tab: Tab = "mine"
    cursor: str | None = Field(default=None, max_length=500)


@router.get("")
async def list_approvals(
    query: Annotated[TabQuery, Query()],
    visit: InVisit,
) -> Response:
    """What needs the reader, what waits for others, and what is done."""
    filters: dict[Tab, ApprovalsQuery] = {
        "mine": ApprovalsQuery(needs_me=True, sort="deadline", cursor=query.cursor),
        "others": ApprovalsQuery(waits_for_others=True, sort="deadline", cursor=query.cursor),
        "done": ApprovalsQuery(open=False, cursor=query.cursor),
    }
    found = await approvals.list_approvals(filters[query.tab], visit.request, visit.caller, visit.context)
    names = await visit.names([row.subject for row in found.data])
    return visit.page("approvals", title="Approvals",
        tab=query.tab, rows=found.data, names=names, next_cursor=found.next_cursor,
    )  # fmt: skip


@router.get("/{id}")
async def read_approval(id: Id, visit: InVisit) -> Response:
    """Everything that a decision needs, beside the decision."""
    shown = await approvals.read_approval(id, visit.caller, visit.context)
    return await _detail(visit, shown, Form())


@router.post("/{id}/decision")
async def decide(id: Id, visit: InVisit) -> Response:
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/approvals/{id}/decision", form.body("decision", "comment", "subject_hash"))
    if not form.refused:
        return see(f"/approvals/{id}")
    shown = await approvals.read_approval(id, visit.caller, visit.context)
    return await _detail(visit, shown, form)


async def _detail(visit: PageVisit, shown: ApprovalAnswer, form: Form) -> Response:
    operation = await operations.read_operation(shown.operation, visit.caller, visit.context)
    names = await visit.names([shown.subject])
    deciders = Deciders(visit.shell.pool, shown.id, shown.authors)
    return visit.page("approval", title=names.headline(shown.kind, shown.subject, operation.request),
        approval=shown, operation=operation, form=form,
        subject=names.subject(shown.kind, shown.subject), names=names,
        asked=[_asked(deciders, rung.roles) for rung in shown.ladder],
    )  # fmt: skip


def _asked(deciders: Deciders, roles: Collection[Role]) -> list[str]:
    """Who may decide in one of these roles now, their own or one that was delegated to them."""
    return [
        person
        for person in deciders.pool.roles
        if any(capacity.role in roles for capacity in deciders.capacities(person))
    ]

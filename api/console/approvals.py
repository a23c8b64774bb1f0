"""Approvals: what waits for whom, and deciding with everything in sight."""

from collections.abc import Collection
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from billing.approvals.deciders import Deciders
from billing.core.operations import Role
from db.approvals import deciders
from db.core.clock import utc_now

from ..approvals import routes as approvals
from ..http.auth import AnyCaller
from ..http.context import Context, InContext
from ..http.ids import Id
from ..http.models import ApprovalAnswer, ApprovalsQuery
from ..operations import routes as operations
from .frame.calls import post
from .frame.forms import Form, form_of
from .frame.page import page, see
from .frame.serving import pages
from .frame.shell import InShell, Shell
from .frame.subjects import about

router = pages("/approvals")

Tab = Literal["mine", "others", "done"]


class TabQuery(BaseModel):
    tab: Tab = "mine"
    cursor: str | None = Field(default=None, max_length=500)


@router.get("")
async def list_approvals(
    query: Annotated[TabQuery, Query()],
    request: Request,
    shell: InShell,
    caller: AnyCaller,
    context: InContext,
) -> Response:
    """What needs the reader, what waits for others, and what is done."""
    filters: dict[Tab, ApprovalsQuery] = {
        "mine": ApprovalsQuery(needs_me=True, cursor=query.cursor),
        "others": ApprovalsQuery(state="open", cursor=query.cursor),
        "done": ApprovalsQuery(cursor=query.cursor),
    }
    found = await approvals.list_approvals(filters[query.tab], caller, context)
    rows = [
        row for row in found.data if query.tab == "mine" or (row.state == "open") == (query.tab == "others")
    ]
    if query.tab == "others":
        rows = [row for row in rows if not row.can_decide]
    async with context.database.reading() as session:
        names = await about(session, caller.organization, shell.plans, [row.subject for row in rows])
    return page(
        request, shell, "approvals", title="Approvals",
        tab=query.tab, rows=rows, names=names, next_cursor=found.next_cursor,
    )  # fmt: skip


@router.get("/{id}")
async def read_approval(
    id: Id, request: Request, shell: InShell, caller: AnyCaller, context: InContext
) -> Response:
    """Everything that a decision needs, beside the decision."""
    shown = await approvals.read_approval(id, caller, context)
    return await _detail(request, shell, context, shown, Form())


@router.post("/{id}/decision")
async def decide(id: Id, request: Request, shell: InShell, caller: AnyCaller, context: InContext) -> Response:
    form = await form_of(request)
    with form.submitted():
        await post(request, f"/v1/approvals/{id}/decision", form.body("decision", "comment", "subject_hash"))
    if not form.refused:
        return see(f"/approvals/{id}")
    shown = await approvals.read_approval(id, caller, context)
    return await _detail(request, shell, context, shown, form)


async def _detail(
    request: Request, shell: Shell, context: Context, shown: ApprovalAnswer, form: Form
) -> Response:
    organization = shell.organization.id
    operation = await operations.read_operation(shown.operation, shell.caller, context)
    roles = {role for rung in shown.ladder for role in rung.roles}
    async with context.database.reading() as session:
        names = await about(session, organization, shell.plans, [shown.subject])
        pool = await deciders.approver_pool(session, organization, utc_now(), roles=roles)
    return page(
        request, shell, "approval", title=names.headline(shown.kind, shown.subject, operation.request),
        status=form.status if form.refused else 200, approval=shown, operation=operation, form=form,
        subject=names.subject(shown.kind, shown.subject), names=names,
        asked=[_asked(Deciders(pool, shown.id, shown.authors), rung.roles) for rung in shown.ladder],
    )  # fmt: skip


def _asked(deciders: Deciders, roles: Collection[Role]) -> list[str]:
    """Who may decide in one of these roles now, their own or one that was delegated to them."""
    return [
        person
        for person in deciders.pool.roles
        if any(capacity.role in roles for capacity in deciders.capacities(person))
    ]

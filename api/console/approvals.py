"""Approvals: what waits for whom, and deciding with everything in sight."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Response
from pydantic import BaseModel, Field

from billing.approvals.deciders import Deciders, outstanding
from billing.core.operations import Role
from db.approvals.approvals import ApprovalSort
from db.core.clock import utc_now

from ..approvals import routes as approvals
from ..approvals.schemas import ApprovalsQuery
from ..approvals.views import Viewer
from ..http.ids import Id
from ..http.models import ApprovalAnswer
from . import comments
from .activity.waiting import asked_of
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.subjects import payments_of
from .frame.visit import InVisit, PageVisit

router = pages("/approvals")

Tab = Literal["mine", "others", "done"]


class TabQuery(BaseModel):
    tab: Tab = "mine"
    sort: ApprovalSort | None = None
    cursor: str | None = Field(default=None, max_length=500)


@router.get("")
async def list_approvals(
    query: Annotated[TabQuery, Depends(asked(TabQuery))],
    visit: InVisit,
) -> Response:
    """What needs the reader, what waits for others, and what is done."""
    sort: ApprovalSort = query.sort or ("-operation" if query.tab == "done" else "deadline")
    filters: dict[Tab, ApprovalsQuery] = {
        "mine": ApprovalsQuery(needs_me=True, sort=sort, cursor=query.cursor),
        "others": ApprovalsQuery(waits_for_others=True, sort=sort, cursor=query.cursor),
        "done": ApprovalsQuery(open=False, sort=sort, cursor=query.cursor),
    }
    found = await approvals.list_approvals(filters[query.tab], visit.request, visit.caller, visit.context)
    names = await visit.names([row.subject for row in found.data])
    return visit.page("approvals", title="Approvals",
        tab=query.tab, sort=sort, rows=found.data, names=names, next_cursor=found.next_cursor,
        asks={row.id: _asks(visit, row) for row in found.data},
    )  # fmt: skip


@router.get("/{id}")
async def read_approval(id: Id, visit: InVisit) -> Response:
    """Everything that a decision needs, beside the decision."""
    shown = await read(visit, id)
    return await _detail(visit, shown, Form())


@router.post("/{id}/decision")
async def decide(id: Id, visit: InVisit) -> Response:
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/approvals/{id}/decision", form.body("decision", "comment", "subject_hash"))
    return await _sent(id, visit, form)


@router.post("/{id}/delegation")
async def delegate(id: Id, visit: InVisit) -> Response:
    """Asks somebody to decide this one in the reader's place."""
    form = await form_of(visit.request)
    until = form.end_of_day("until", visit.shell.zone)
    with form.submitted():
        body = form.body("to", "reason") | ({"until": until} if until else {})
        await visit.send(f"/v1/approvals/{id}/delegate", body)
    return await _sent(id, visit, form)


@router.post("/{id}/comments")
async def comment(id: Id, visit: InVisit) -> Response:
    shown = await read(visit, id)
    return await _sent(id, visit, await comments.say(visit, shown.operation))


async def _sent(id_: str, visit: PageVisit, form: Form) -> Response:
    if not form.refused:
        return see(f"/approvals/{id_}")
    shown = await read(visit, id_)
    return await _detail(visit, shown, form)


async def _detail(visit: PageVisit, shown: ApprovalAnswer, form: Form) -> Response:
    values = await decision_values(visit, shown)
    return visit.page("approval", form=form, **values,
        thread=await comments.thread(visit, shown.operation), delegates=_delegates(visit, shown),
    )  # fmt: skip


async def read(visit: PageVisit, approval: str) -> ApprovalAnswer:
    """As the API's route, by who acts for whom as the frame has read it."""
    seen_by = Viewer(visit.caller, visit.shell.pool, utc_now())
    async with visit.context.database.reading() as session:
        return await approvals.read(session, approval, seen_by)


async def decision_values(visit: PageVisit, shown: ApprovalAnswer) -> dict[str, Any]:
    """What every page has on which one decides: all of the subject, and who decides on it."""
    names = await visit.names([shown.subject], payments_of(shown.subject))
    deciders = Deciders(visit.shell.pool, shown.id, shown.authors)
    is_open = shown.state == "open"
    return {
        "title": names.headline(shown.kind, shown.subject, {}),
        "approval": shown,
        "subject": names.subject(shown.kind, shown.subject),
        "names": names,
        "asked": [
            asked_of(visit, deciders, rung, shown.signatures if number == shown.rung and is_open else ())
            for number, rung in enumerate(shown.ladder)
        ],
    }


def _delegates(visit: PageVisit, shown: ApprovalAnswer) -> list[tuple[str, str]]:
    """Whom the reader could ask to decide in their place; nobody where it isn't theirs to give."""
    deciders = Deciders(visit.shell.pool, shown.id, shown.authors)
    asked = {role for rung in shown.ladder for role in outstanding(rung, shown.signatures)}
    if shown.state != "open" or not visit.shell.has(*asked) or deciders.refusal(visit.caller.person):
        return []
    return [
        (person, visit.shell.names[person])
        for person, roles in deciders.pool.roles.items()
        if person != visit.caller.person and Role.AUDITOR not in roles and not deciders.refusal(person)
    ]


def _asks(visit: PageVisit, shown: ApprovalAnswer) -> str:
    """Whom it asks now."""
    rung = shown.ladder[shown.rung]
    return asked_of(visit, Deciders(visit.shell.pool, shown.id, shown.authors), rung, shown.signatures)

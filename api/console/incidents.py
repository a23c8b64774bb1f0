"""Incidents: what is degraded, the steps of the runbook to tick off, and the note that clears one."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.ids import Id
from ..incidents import routes as incidents
from ..incidents.schemas import IncidentsQuery
from .frame.calls import post
from .frame.forms import Form, form_of
from .frame.page import page, see
from .frame.serving import pages
from .frame.shell import InShell

router = pages("/incidents")


@router.get("")
async def list_incidents(
    query: Annotated[IncidentsQuery, Query()],
    request: Request,
    shell: InShell,
    caller: AnyCaller,
    context: InContext,
) -> Response:
    found = await incidents.list_incidents(query, caller, context)
    return page(
        request, shell, "incidents", title="Incidents", rows=found.data, next_cursor=found.next_cursor
    )


@router.get("/{id}")
async def read_incident(
    id: Id, request: Request, shell: InShell, caller: AnyCaller, context: InContext
) -> Response:
    return await _detail(id, request, shell, caller, context, Form())


@router.post("/{id}/steps/{n}")
async def step(
    id: Id,
    n: Annotated[int, Path(ge=1, le=1000)],
    request: Request,
    shell: InShell,
    caller: AnyCaller,
    context: InContext,
) -> Response:
    """Ticks a step off, or takes that back."""
    form = await form_of(request)
    with form.submitted():
        await post(request, f"/v1/incidents/{id}/steps/{n}", {"done": form.values.get("done") == "true"})
    if not form.refused:
        return see(f"/incidents/{id}")
    return await _detail(id, request, shell, caller, context, form)


@router.post("/{id}/resolve")
async def resolve(
    id: Id, request: Request, shell: InShell, caller: AnyCaller, context: InContext
) -> Response:
    """Writes the note that clears it."""
    form = await form_of(request)
    with form.submitted():
        await post(request, f"/v1/incidents/{id}/resolve", form.body("note"))
    if not form.refused:
        return see(f"/incidents/{id}")
    return await _detail(id, request, shell, caller, context, form)


async def _detail(
    id_: str, request: Request, shell: InShell, caller: AnyCaller, context: InContext, form: Form
) -> Response:
    found = await incidents.incident(id_, caller, context)
    return page(
        request, shell, "incident", title=found.words,
        status=form.status if form.refused else 200, incident=found, form=form,
    )  # fmt: skip

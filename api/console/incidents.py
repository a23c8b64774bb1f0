"""Incidents: what is degraded, the steps of the runbook to tick off, and the note that clears one."""

from typing import Annotated

from fastapi import Depends, Path, Response

from ..http.ids import Id
from ..incidents import routes as incidents
from ..incidents.schemas import IncidentsQuery
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/incidents")

SHOWN = 10
"""So many of the operations that are held."""


@router.get("")
async def list_incidents(
    query: Annotated[IncidentsQuery, Depends(asked(IncidentsQuery))],
    visit: InVisit,
) -> Response:
    found = await incidents.list_incidents(query, visit.request, visit.caller, visit.context)
    return visit.page("incidents", title="Incidents", rows=found.data, next_cursor=found.next_cursor)


@router.get("/{id}")
async def read_incident(id: Id, visit: InVisit) -> Response:
    return await _detail(id, visit, Form())


@router.post("/{id}/steps/{n}")
async def step(
    id: Id,
    n: Annotated[int, Path(ge=1, le=1000)],
    visit: InVisit,
) -> Response:
    """Ticks a step off, or takes that back."""
    form = await form_of(visit.request)
    with form.submitted():
        done = form.values.get("done") == "true"
        await visit.send(f"/v1/incidents/{id}/steps/{n}", {"done": done, **form.body("comment")})
    if not form.refused:
        return see(f"/incidents/{id}")
    return await _detail(id, visit, form)


@router.post("/{id}/resolve")
async def resolve(id: Id, visit: InVisit) -> Response:
    """Writes the note that clears it."""
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/incidents/{id}/resolve", form.body("note"))
    if not form.refused:
        return see(f"/incidents/{id}")
    return await _detail(id, visit, form)


async def _detail(id_: str, visit: InVisit, form: Form) -> Response:
    found = await incidents.incident(id_, visit.caller, visit.context)
    names = await visit.names([d for one in found.held_operations for d in (one.subject, one.request)])
    return visit.page("incident", title=found.words, incident=found, form=form, names=names, shown=SHOWN)

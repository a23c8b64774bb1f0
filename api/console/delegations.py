"""Delegations: who decides in whose place; given, accepted, declined and revoked."""

from typing import Annotated, Literal

from fastapi import Depends, Path, Response

from ..approvals import delegations
from ..approvals.schemas import DelegationsQuery
from ..http.ids import Id
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("/delegations")


@router.get("")
async def list_delegations(
    query: Annotated[DelegationsQuery, Depends(asked(DelegationsQuery))], visit: InVisit
) -> Response:
    """The newest first, and the form that gives another one."""
    return await _listed(query, visit, Form())


@router.get("/{id}")
async def read_delegation(id: Id, visit: InVisit) -> Response:
    """One, for whoever is asked to accept it."""
    found = await delegations.read_delegation(id, visit.caller, visit.context)
    return visit.page("delegation", title="Delegation", delegation=found, form=Form())


@router.post("")
async def give(visit: InVisit) -> Response:
    form = await form_of(visit.request)
    ends_at = form.end_of_day("until", visit.shell.zone)
    with form.submitted():
        body = form.body("to", "role", "reason") | ({"ends_at": ends_at} if ends_at else {})
        await visit.send("/v1/delegations", body)
    return await _listed(DelegationsQuery(), visit, form) if form.refused else see("/delegations")


@router.post("/{id}/{action}")
async def answer(
    id: Id, action: Annotated[Literal["accept", "decline", "revoke"], Path()], visit: InVisit
) -> Response:
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/delegations/{id}/{action}")
    if not form.refused:
        return see("/delegations")
    found = await delegations.read_delegation(id, visit.caller, visit.context)
    return visit.page("delegation", title="Delegation", delegation=found, form=form)


async def _listed(query: DelegationsQuery, visit: PageVisit, form: Form) -> Response:
    found = await delegations.list_delegations(query, visit.request, visit.caller, visit.context)
    return visit.page(
        "delegations", title="Delegations", rows=found.data, next_cursor=found.next_cursor, form=form,
        others=[(id_, name) for id_, name in visit.shell.names.items() if id_ != visit.caller.person],
    )  # fmt: skip

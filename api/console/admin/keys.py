"""API keys: the form that makes one, shown once, and all that there are."""

from typing import Annotated, Any

from fastapi import Depends, Response

from ...http.auth import SEES_EVERYBODY
from ...http.ids import Id
from ...people import keys
from ...people.schemas import KeysQuery
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.queries import asked
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit

router = pages("/admin/keys")


@router.get("")
async def list_keys(query: Annotated[KeysQuery, Depends(asked(KeysQuery))], visit: InVisit) -> Response:
    """The newest first, and the form that makes another one."""
    return await _listed(query, visit, Form())


@router.post("")
async def make(visit: InVisit) -> Response:
    """A new key, whose secret this one answer shows."""
    form, made = await form_of(visit.request), None
    with form.submitted():
        body: dict[str, Any] = dict(form.body("name"))
        if ends := form.end_of_day("expires_at", visit.shell.zone):
            body["expires_at"] = ends
        if may := form.value("may"):
            body["scopes"] = may.split()
        made = (await visit.send("/v1/api-keys", body))["api_key"]
    return await _listed(KeysQuery(), visit, form if form.refused else Form(), made)


@router.post("/{id}/rotation")
async def rotate(id: Id, visit: InVisit) -> Response:
    """Another key in place of one, whose secret this one answer shows."""
    form, made = await form_of(visit.request), None
    with form.submitted():
        made = (await visit.send(f"/v1/api-keys/{id}/rotation", {}))["api_key"]
    return await _listed(KeysQuery(), visit, form if form.refused else Form(), made)


@router.post("/{id}/revoke")
async def revoke(id: Id, visit: InVisit) -> Response:
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/api-keys/{id}/revoke")
    return await _listed(KeysQuery(), visit, form) if form.refused else see("/admin/keys")


async def _listed(query: KeysQuery, visit: PageVisit, form: Form, made: str | None = None) -> Response:
    found = await keys.list_keys(query, visit.request, visit.caller, visit.context)
    return visit.page("keys", title="API keys",
        rows=found.data, next_cursor=found.next_cursor, form=form, made=made,
        sees_all=bool(visit.caller.roles & SEES_EVERYBODY),
    )  # fmt: skip

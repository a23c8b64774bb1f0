"""Sessions: the browsers in which people are signed in, and signing them out."""

from urllib.parse import urlencode

from fastapi import Response

from ...http.auth import SEES_EVERYBODY
from ...http.ids import Id
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit

router = pages("/admin/sessions")

FILTERS = ("person", "live", "sort", "cursor")


@router.get("")
async def list_sessions(visit: InVisit) -> Response:
    """The newest first."""
    return await _listed(visit, Form())


@router.post("/others/revoke")
async def sign_out_others(visit: InVisit) -> Response:
    """Ends all of the reader's sessions but this one."""
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send("/v1/sessions/revoke", {"except": _current(visit)})
    return await _listed(visit, form) if form.refused else see("/admin/sessions")


@router.post("/{id}/revoke")
async def sign_out(id: Id, visit: InVisit) -> Response:
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/sessions/{id}/revoke")
    return await _listed(visit, form) if form.refused else see("/admin/sessions")


def _current(visit: PageVisit) -> str:
    """The session of this request."""
    return str(visit.request.state.session.id)


async def _listed(visit: PageVisit, form: Form) -> Response:
    query = {name: value for name, value in visit.request.query_params.items() if name in FILTERS}
    found = await visit.send(f"/v1/sessions?{urlencode(query)}", method="GET")
    return visit.page("sessions", title="Sessions",
        rows=found["data"], next_cursor=found["next_cursor"], form=form, current=_current(visit),
        sees_all=bool(visit.caller.roles & SEES_EVERYBODY),
    )  # fmt: skip

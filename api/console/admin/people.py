"""People: who there is, what each may do and has used of it, and when they came in last."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Response

from billing.core.operations import Role

from ...http.auth import SEES_EVERYBODY
from ...http.ids import Id
from ...people import routes as people
from ...people.schemas import PeopleQuery
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.queries import asked
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit

router = pages("/admin/people")

MAY: Mapping[Role, str] = {
    Role.BILLING_ADMIN: "Asks for plan changes, refunds, credits, voids and write-offs, looks after "
    "customers' links, mails and reminders, and sees and ends everybody's sessions and API keys.",
    Role.CONTROLLER: "Approves what is beyond others' authority, asks for refunds, credits, voids and "
    "write-offs, and hears of what is late or degraded.",
    Role.LEGAL: "Approves what the policy has Legal decide.",
    Role.FINANCE: "Acknowledges what Finance is told.",
    Role.AUDITOR: "Reads everything and changes nothing, whatever other role they have.",
}


@router.get("")
async def list_people(query: Annotated[PeopleQuery, Depends(asked(PeopleQuery))], visit: InVisit) -> Response:
    """The newest first."""
    found = await people.list_people(query, visit.request, visit.caller, visit.context)
    return visit.page("people", title="People", rows=found.data, next_cursor=found.next_cursor)


@router.get("/{id}")
async def read_person(id: Id, visit: InVisit) -> Response:
    """What they may do, and have used of it."""
    return await _detail(id, visit, Form())


@router.post("/{id}/sign-out")
async def sign_out(id: Id, visit: InVisit) -> Response:
    """Ends all of their sessions; of the reader's own, all but this one."""
    form = await form_of(visit.request)
    own = {"except": visit.request.state.session.id} if id == visit.caller.person else {}
    with form.submitted():
        await visit.send("/v1/sessions/revoke", {"person": id, **own})
    return await _detail(id, visit, form) if form.refused else see(f"/admin/people/{id}")


async def _detail(id_: str, visit: PageVisit, form: Form) -> Response:
    found = await people.read_person(id_, visit.caller, visit.context)
    return visit.page("person", title=found.name,
        person=found, may=MAY, form=form, sees_all=bool(visit.caller.roles & SEES_EVERYBODY),
    )  # fmt: skip

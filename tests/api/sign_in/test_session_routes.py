"""Sessions by the API: who sees which, and who may end them."""

from datetime import timedelta

import pytest
from sqlmodel import select

from api.sign_in import session_routes
from billing.core.operations import Role
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import ConsoleSession

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, Api
from .conftest import PAGE
from .visitors import Visitor, sign_in

pytestmark = ON_ONE_DATABASE
PATH = "/v1/sessions"


async def session_of(visitor: Visitor) -> str:
    return str((await visitor.get(PAGE)).json()["session"])


async def test_billing_admins_and_auditors_see_everybody_s_and_others_their_own(
    web: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    for tenant in (acme, other):
        for member in (tenant.legal, tenant.finance):
            await sign_in(Visitor(web.app), database, member.person)
    seen = {}
    for role, member in acme.members.items():
        rows = (await web.get(PATH, member)).json()["data"]
        seen[role] = {row["person"] for row in rows}
    everybody = {acme.legal.id, acme.finance.id}
    assert seen == {
        Role.BILLING_ADMIN: everybody,
        Role.AUDITOR: everybody,
        Role.CONTROLLER: set(),
        Role.LEGAL: {acme.legal.id},
        Role.FINANCE: {acme.finance.id},
    }
    narrowed = (await web.get(PATH, acme.admin, person=acme.legal.id)).json()["data"]
    assert {row["person"] for row in narrowed} == {acme.legal.id}
    assert (await web.get(PATH, acme.legal, person=acme.finance.id)).json()["data"] == []
    assert (await web.get(PATH, acme.admin, person=other.legal.id)).json()["data"] == []


async def test_a_session_that_is_revoked_is_out_with_the_next_request(
    web: Api, visitor: Visitor, acme: Tenant, database: Database
) -> None:
    await sign_in(visitor, database, acme.controller.person)
    id_ = await session_of(visitor)
    answer = await web.post(f"{PATH}/{id_}/revoke", acme.admin)
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    assert answer.json()["revoked_by"] == acme.admin.id
    assert (await visitor.get(PAGE)).status_code == 303
    again = await web.post(f"{PATH}/{id_}/revoke", acme.controller)
    assert again.json() == answer.json()


async def test_nobody_else_may_end_it(
    web: Api, visitor: Visitor, acme: Tenant, other: Tenant, database: Database
) -> None:
    await sign_in(visitor, database, acme.controller.person)
    path = f"{PATH}/{await session_of(visitor)}/revoke"
    for member in (acme.finance, acme.legal, other.admin, other.controller):
        assert (await web.post(path, member)).json()["code"] == "not_found"
    assert (await web.post(path, acme.auditor)).json()["code"] == "role_missing"
    assert (await visitor.get(PAGE)).status_code == 200
    assert (await web.post(path, acme.controller)).status_code == 200


async def test_live_sessions_are_those_that_have_not_ended(
    web: Api, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for member in (acme.legal, acme.finance, acme.controller, acme.auditor):
        await sign_in(Visitor(web.app), database, member.person)
    now = utc_now()
    async with database.transaction() as session:
        rows = {row.person_id: row for row in await session.exec(select(ConsoleSession))}
        rows[acme.legal.id].last_seen_at = now - timedelta(hours=9)
        rows[acme.finance.id].expires_at = now
        rows[acme.controller.id].revoked_at = now
    monkeypatch.setattr(session_routes, "utc_now", lambda: now)
    states = {row["person"]: row["state"] for row in (await web.get(PATH, acme.admin)).json()["data"]}
    assert states == {
        acme.legal.id: "idle",
        acme.finance.id: "expired",
        acme.controller.id: "revoked",
        acme.auditor.id: "live",
    }
    live = (await web.get(PATH, acme.admin, live="true")).json()["data"]
    assert [row["person"] for row in live] == [acme.auditor.id]


async def test_a_person_is_signed_out_everywhere_but_where_they_are(
    web: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    here, there, strange = Visitor(web.app), Visitor(web.app), Visitor(web.app)
    for visitor, member in ((here, acme.legal), (there, acme.legal), (strange, acme.finance)):
        await sign_in(visitor, database, member.person)
    path, kept = f"{PATH}/revoke", await session_of(here)
    for outsider in (acme.controller, acme.finance, other.admin):
        refused = await web.post(path, outsider, {"person": acme.legal.id})
        assert refused.json()["code"] == "not_found"
    assert (await web.post(path, acme.auditor, {})).json()["code"] == "role_missing"
    assert (await web.post(path, acme.admin, {"person": "per_nobody"})).status_code == 404

    assert (await web.post(path, acme.legal, {"except": kept})).json() == {"revoked": 1}
    assert [(await one.get(PAGE)).status_code for one in (here, there, strange)] == [200, 303, 200]
    assert (await web.post(path, acme.admin, {"person": acme.legal.id})).json() == {"revoked": 1}
    assert [(await one.get(PAGE)).status_code for one in (here, strange)] == [303, 200]
    rows = (await web.get(PATH, acme.admin, person=acme.legal.id)).json()["data"]
    assert [row["revoked_by"] for row in rows] == [acme.legal.id, acme.admin.id]

"""Sessions of the console: how they begin, what ends them, and whose they are."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import select

from api.sign_in import sessions as web_sessions
from api.sign_in.pages import SIGNED_OUT, SIGNED_OUT_MEANWHILE
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import sessions
from db.tables import ConsoleSession, Person

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, counted
from .conftest import PAGE
from .visitors import Visitor, sign_in, title


async def rows(database: Database) -> list[ConsoleSession]:
    async with database.reading() as session:
        return list(await session.exec(select(ConsoleSession).order_by(ConsoleSession.id)))


@ON_ONE_DATABASE
async def test_the_cookie_is_for_this_host_alone_and_hidden_from_scripts(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    answer = await sign_in(visitor, database, acme.admin.person)
    cookie = answer.headers["set-cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-plixo_session=")
    secret, _, person = name.partition("=")[2].partition(".")
    assert (len(secret), person) == (43, acme.admin.id)
    assert sorted(attributes) == ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=lax", "Secure"]
    assert answer.headers["cache-control"] == "no-store"


async def test_the_row_says_who_where_and_how(visitor: Visitor, acme: Tenant, database: Database) -> None:
    visitor.http.headers["User-Agent"] = "Browser/1.0 " + "x" * 400
    await sign_in(visitor, database, acme.legal.person)
    (row,) = await rows(database)
    assert (row.organization_id, row.person_id, row.how) == (acme.id, acme.legal.id, "mail")
    assert row.user_agent is not None
    assert len(row.user_agent) == 300
    assert row.expires_at - row.created_at == timedelta(days=7)
    assert (await visitor.get(PAGE)).json() == {
        "person": acme.legal.id,
        "roles": ["legal"],
        "session": row.id,
    }


async def test_a_new_secret_is_made_at_each_sign_in(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    planted = "A" * 43
    visitor.take(planted)
    await sign_in(visitor, database, acme.admin.person)
    first = visitor.secret
    assert first != planted
    await sign_in(visitor, database, acme.finance.person)
    assert visitor.secret not in (planted, first)
    thief = Visitor(visitor.app)
    for secret in (planted, first or ""):
        thief.take(secret)
        assert (await thief.get(PAGE)).status_code == 303
    assert [row.revoked_at is not None for row in await rows(database)] == [True, False]


@ON_ONE_DATABASE
async def test_a_session_ends_when_it_is_not_used(
    visitor: Visitor, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    now = utc_now()

    async def after(**passed: float) -> int:
        monkeypatch.setattr(web_sessions, "utc_now", lambda: now + timedelta(**passed))
        return (await visitor.get(PAGE)).status_code

    assert await after(hours=7.9) == 200
    assert await after(hours=15.8) == 200, "using it has begun the pause anew"
    assert await after(hours=23.9) == 303


@ON_ONE_DATABASE
async def test_a_session_ends_after_a_week_however_much_it_is_used(
    visitor: Visitor, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    now = utc_now()
    for hours in range(6, 7 * 24, 6):
        monkeypatch.setattr(web_sessions, "utc_now", lambda hours=hours: now + timedelta(hours=hours))
        assert (await visitor.get(PAGE)).status_code == 200
    monkeypatch.setattr(web_sessions, "utc_now", lambda: now + timedelta(days=7))
    assert (await visitor.get(PAGE)).status_code == 303


@ON_ONE_DATABASE
async def test_its_use_is_written_at_most_once_a_minute(
    visitor: Visitor, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    began = (await rows(database))[0].last_seen_at
    for seconds, seen in ((0, 0), (59, 0), (61, 61), (90, 61), (130, 130)):
        moment = began + timedelta(seconds=seconds)
        monkeypatch.setattr(web_sessions, "utc_now", lambda moment=moment: moment)
        await visitor.get(PAGE)
        assert (await rows(database))[0].last_seen_at == began + timedelta(seconds=seen)


async def test_signing_out_ends_the_session_wherever_its_cookie_is(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    await sign_in(visitor, database, acme.auditor.person)
    copy = Visitor(visitor.app)
    copy.take(visitor.secret or "")
    assert (await copy.get(PAGE)).status_code == 200
    answer = await visitor.post("/console/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/signed-out")
    assert visitor.secret is None
    assert title(await visitor.get("/console/signed-out")) == SIGNED_OUT
    assert (await copy.get(PAGE)).status_code == 303
    (row,) = await rows(database)
    assert row.revoked_by == acme.auditor.id


@ON_ONE_DATABASE
async def test_signing_out_twice_is_signing_out(visitor: Visitor, acme: Tenant) -> None:
    assert (await visitor.post("/console/sign-out")).headers["location"] == "/console/signed-out"


@ON_ONE_DATABASE
@pytest.mark.parametrize("change", [{"active": False}, {"roles": []}])
async def test_who_leaves_is_out_with_the_next_request(
    visitor: Visitor, acme: Tenant, database: Database, change: dict[str, object]
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    assert (await visitor.get(PAGE)).status_code == 200
    async with database.transaction() as session:
        person = await session.get(Person, acme.admin.id)
        assert person is not None
        person.sqlmodel_update(change)
    assert (await visitor.get(PAGE)).status_code == 303


@ON_ONE_DATABASE
async def test_a_role_that_is_taken_away_is_gone_with_the_next_request(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    async with database.transaction() as session:
        person = await session.get(Person, acme.admin.id)
        assert person is not None
        person.roles = ["finance"]
    assert (await visitor.get(PAGE)).json()["roles"] == ["finance"]


@ON_ONE_DATABASE
async def test_a_form_that_is_sent_after_the_session_ended_says_that_nothing_was_saved(
    visitor: Visitor, acme: Tenant
) -> None:
    answer = await visitor.post(PAGE, note="long")
    assert (answer.status_code, title(answer)) == (401, SIGNED_OUT_MEANWHILE)
    assert "nothing was saved" in answer.text


@ON_ONE_DATABASE
async def test_the_way_back_keeps_the_question(visitor: Visitor, acme: Tenant) -> None:
    answer = await visitor.get(f"{PAGE}?state=open&amount=12.50")
    assert answer.headers["location"] == f"/console/sign-in?next={PAGE}%3Fstate%3Dopen%26amount%3D12.50"


@ON_ONE_DATABASE
async def test_a_session_is_no_api_key_and_a_key_no_session(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    assert (await visitor.get(PAGE, **acme.admin.headers)).status_code == 303
    await sign_in(visitor, database, acme.admin.person)
    answer = await visitor.get("/v1/people")
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing")


@ON_ONE_DATABASE
async def test_what_is_older_than_an_audit_looks_back_is_forgotten(
    browsers: Callable[..., Visitor], acme: Tenant, database: Database
) -> None:
    await sign_in(browsers(), database, acme.admin.person)
    async with database.transaction() as session:
        (row,) = await session.exec(select(ConsoleSession))
        row.expires_at = utc_now() - sessions.KEPT_FOR - timedelta(days=1)
    await sign_in(browsers(), database, acme.admin.person)
    assert await counted(database, ConsoleSession) == [1]

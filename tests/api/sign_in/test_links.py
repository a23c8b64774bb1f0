"""Signing in by a link that is mailed: to whom, how often, and what uses it up."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlmodel import select

from api.http.site import Site
from api.sign_in import routes
from api.sign_in.links import ASKS_FOR_ONE
from api.sign_in.pages import DEAD_LINK
from billing.core.operations import Role
from billing.policy.policy import Policy
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import links
from db.tables import ConsoleSession, Person, PersonLink, PersonLinkToken

from ...support.builders import Tenant, a_person, store
from ..conftest import ON_ONE_DATABASE, Api, counted, serving
from .conftest import PAGE
from .visitors import SITE, Visitor, link_path, mailed, path_of, sign_in, title

CHECK_MAIL = "/console/sign-in/check-mail"


async def test_a_person_signs_in_by_the_link_that_they_asked_for(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    assert (await visitor.get(PAGE)).headers["location"] == f"/console/sign-in?next={PAGE}"
    page = await visitor.get(f"/console/sign-in?next={PAGE}")
    assert f'name="next" value="{PAGE}"' in page.text
    asked = await visitor.post("/console/sign-in", email=f" {acme.admin.person.email.upper()} ", next=PAGE)
    assert (asked.status_code, asked.headers["location"]) == (303, CHECK_MAIL)
    assert (await visitor.get(CHECK_MAIL)).status_code == 200

    path = await link_path(database)
    offered = await visitor.get(path)
    assert f"Sign in as {acme.admin.person.name}" in offered.text
    assert acme.organization.name in offered.text
    used = await visitor.post(path)
    assert (used.status_code, used.headers["location"]) == (303, PAGE)
    assert (await visitor.get(PAGE)).json()["person"] == acme.admin.id
    assert (await visitor.get("/console/sign-in")).headers["location"] == "/console/"


@ON_ONE_DATABASE
async def test_the_answer_is_the_same_whoever_asks(
    visitor: Visitor, acme: Tenant, database: Database, web: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = a_person(acme.id, roles=[Role.FINANCE], active=False)
    await store(database, left)
    waited: list[object] = []

    async def at_floor(context: object, began: float) -> None:
        waited.append(context)

    monkeypatch.setattr(routes, "at_floor", at_floor)
    emails = (acme.admin.person.email, "nobody@else.example", left.email)
    answers = [await visitor.post("/console/sign-in", email=email) for email in emails]
    seen = {(a.status_code, a.headers["location"], a.text, a.headers.get("set-cookie")) for a in answers}
    assert seen == {(303, CHECK_MAIL, "", None)}
    assert len(waited) == 3
    assert [mail["person"] for mail in await mailed(database)] == [acme.admin.id]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "email", ["", "bea", "bea@", "@acme.example", "a b@acme.example", "bea@acme\x00.example"]
)
async def test_what_is_no_address_is_asked_for_again(visitor: Visitor, acme: Tenant, email: str) -> None:
    answer = await visitor.post("/console/sign-in", email=email, next=PAGE)
    assert answer.status_code == 422
    assert "Enter an email address" in answer.text
    assert f'name="next" value="{PAGE}"' in answer.text


@ON_ONE_DATABASE
async def test_what_was_typed_is_escaped(visitor: Visitor, acme: Tenant) -> None:
    answer = await visitor.post("/console/sign-in", email='"><script>alert(1)</script>')
    assert "<script>" not in answer.text


@ON_ONE_DATABASE
async def test_somebody_of_two_organizations_gets_a_link_for_each(
    visitor: Visitor, acme: Tenant, other: Tenant, database: Database
) -> None:
    there = a_person(other.id, roles=[Role.LEGAL], email=acme.admin.person.email)
    await store(database, there)
    await visitor.post("/console/sign-in", email=there.email)
    mails = await mailed(database)
    assert {mail["organization"]: mail["person"] for mail in mails} == {
        acme.id: acme.admin.id,
        other.id: there.id,
    }
    for mail in mails:
        browser = Visitor(visitor.app)
        await browser.post(await link_path(database, mail))
        assert (await browser.get(PAGE)).json()["person"] == mail["person"]


async def test_looking_at_a_link_uses_up_nothing(visitor: Visitor, acme: Tenant, database: Database) -> None:
    await visitor.post("/console/sign-in", email=acme.admin.person.email)
    path = await link_path(database)
    before = await counted(database, ConsoleSession, PersonLink, PersonLinkToken)
    for _ in range(3):  # scanners, previews, people
        assert (await visitor.get(path)).status_code == 200
        assert (await visitor.http.head(path)).status_code == 200
    assert visitor.secret is None
    assert await counted(database, ConsoleSession, PersonLink, PersonLinkToken) == before
    assert (await visitor.post(path)).status_code == 303


async def test_of_two_at_the_same_moment_one_is_signed_in(
    browsers: Callable[..., Visitor], acme: Tenant, database: Database
) -> None:
    await browsers().post("/console/sign-in", email=acme.admin.person.email)
    path, both = await link_path(database), [browsers() for _ in range(4)]
    answers = await asyncio.gather(*(one.post(path) for one in both))
    assert sorted(answer.status_code for answer in answers) == [303, 404, 404, 404]
    assert await counted(database, ConsoleSession) == [1]


@ON_ONE_DATABASE
async def test_a_mail_that_was_sent_twice_signs_in_once(
    browsers: Callable[..., Visitor], acme: Tenant, database: Database
) -> None:
    await browsers().post("/console/sign-in", email=acme.admin.person.email)
    first, second = await link_path(database), await link_path(database)
    assert (await browsers().post(first)).status_code == 303
    assert title(await browsers().get(second)) == DEAD_LINK
    assert (await browsers().post(second)).status_code == 404


@ON_ONE_DATABASE
async def test_a_link_is_dead_after_its_time(
    visitor: Visitor, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.post("/console/sign-in", email=acme.admin.person.email)
    path, now = await link_path(database), utc_now()
    monkeypatch.setattr(routes, "utc_now", lambda: now + timedelta(minutes=15))
    for answer in (await visitor.get(path), await visitor.post(path)):
        assert (answer.status_code, title(answer)) == (404, DEAD_LINK)
    assert visitor.secret is None


@ON_ONE_DATABASE
@pytest.mark.parametrize("change", [{"active": False}, {"roles": []}])
async def test_who_may_not_come_in_can_not_use_a_link(
    visitor: Visitor, acme: Tenant, database: Database, change: dict[str, object]
) -> None:
    await visitor.post("/console/sign-in", email=acme.admin.person.email)
    path = await link_path(database)
    async with database.transaction() as session:
        person = await session.get(Person, acme.admin.id)
        assert person is not None
        person.sqlmodel_update(change)
    assert (await visitor.get(path)).status_code == 404
    assert (await visitor.post(path)).status_code == 404


@ON_ONE_DATABASE
@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 42 + "%00", "A" * 44])
async def test_what_is_no_token_opens_nothing(visitor: Visitor, acme: Tenant, token: str) -> None:
    path = f"/console/sign-in/link/{token}"
    assert {(await visitor.get(path)).status_code, (await visitor.post(path)).status_code} == {404}


@ON_ONE_DATABASE
async def test_nobody_is_mailed_more_links_than_they_can_use(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    for _ in range(5):
        asked = await visitor.post("/console/sign-in", email=acme.admin.person.email)
        assert asked.headers["location"] == CHECK_MAIL
    assert len(await mailed(database)) == 3
    await visitor.post(await link_path(database))
    await visitor.post("/console/sign-in", email=acme.admin.person.email)
    assert len(await mailed(database)) == 4, "one was used, so there is room for another"


@ON_ONE_DATABASE
async def test_one_network_asks_for_so_many_links(
    web: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    people = [a_person(acme.id, roles=[Role.FINANCE]) for _ in range(policy.sign_in.links_per_hour + 2)]
    await store(database, *people)
    visitor = Visitor(web.app)
    for person in people[:-2]:
        await visitor.post("/console/sign-in", email=person.email)
    for email in (people[-1].email, "nobody@elsewhere.example"):
        refused = await visitor.post("/console/sign-in", email=email)
        assert (refused.status_code, title(refused)) == (429, "Too many attempts")
        assert 0 < int(refused.headers["Retry-After"]) <= 3600 / policy.sign_in.links_per_hour
    assert len(await mailed(database)) == policy.sign_in.links_per_hour


async def test_all_processes_count_what_a_network_asks_for_and_tell_nobody_who_exists(
    web: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    async for other in serving(database, policy, web.context.dispatcher.client, site=Site(SITE, floor=0)):
        here, there = Visitor(web.app), Visitor(other.app)
        seen = {
            email: [
                (answer.status_code, title(answer) if answer.status_code != 303 else "")
                for visitor in (here, there) * 6
                for answer in [await visitor.post("/console/sign-in", email=email)]
            ]
            for email in (acme.admin.person.email, "nobody@elsewhere.example")
        }
    known, unknown = seen.values()
    assert known == [(303, "")] * ASKS_FOR_ONE + [(429, "Too many attempts")] * 2
    assert unknown[:8] == known[:8], "the network's own limit ends it after that"
    assert len(await mailed(database)) == policy.sign_in.links_open


@ON_ONE_DATABASE
async def test_guessed_links_are_counted_and_a_link_that_was_mailed_still_works(
    web: Api, acme: Tenant, database: Database
) -> None:
    visitor = Visitor(web.app)
    guesses = [await visitor.get(f"/console/sign-in/link/{n:043}") for n in range(20)]
    assert {answer.status_code for answer in guesses} == {404}
    for refused in (
        await visitor.get(f"/console/sign-in/link/{99:043}"),
        await visitor.post(f"/console/sign-in/link/{99:043}"),
    ):
        assert (refused.status_code, title(refused)) == (429, "Too many attempts")
        assert int(refused.headers["Retry-After"]) > 0
    answer = await sign_in(visitor, database, acme.admin.person)
    assert answer.status_code == 303


@ON_ONE_DATABASE
async def test_where_it_is_turned_off_nobody_is_mailed_a_link(
    acme: Tenant, database: Database, policy: Policy, web: Api
) -> None:
    async for api in serving(database, policy, web.context.dispatcher.client, site=Site(SITE), by_mail=False):
        visitor = Visitor(api.app)
        assert "Work email" not in (await visitor.get("/console/sign-in")).text
        assert (await visitor.post("/console/sign-in", email=acme.admin.person.email)).status_code == 404
    assert await mailed(database) == []


@ON_ONE_DATABASE
async def test_an_operator_s_link_says_in_the_log_who_made_it(
    visitor: Visitor, acme: Tenant, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    at = utc_now()
    async with database.transaction() as session:
        link = await links.issue(
            session,
            acme.legal.person,
            how="operator",
            by="ops",
            because="their mail is down",
            at=at,
            expires_at=at + timedelta(hours=1),
        )
    with caplog.at_level(logging.INFO, "api.sign_in.routes"):
        answer = await visitor.post(await path_of(database, link.id))
    assert answer.headers["location"] == "/console/"
    assert "made by ops: their mail is down" in caplog.text
    async with database.reading() as session:
        assert (await session.exec(select(ConsoleSession.how))).one() == "operator"


@ON_ONE_DATABASE
async def test_no_token_and_no_secret_is_kept(visitor: Visitor, acme: Tenant, database: Database) -> None:
    await sign_in(visitor, database, acme.admin.person)
    path = urlsplit(str((await visitor.get("/console/sign-in")).url)).path
    assert path == "/console/sign-in"
    async with database.reading() as session:
        (row,) = (await session.exec(select(ConsoleSession))).all()
        tokens = (await session.exec(select(PersonLinkToken))).all()
    assert visitor.secret
    assert visitor.secret not in row.model_dump_json()
    assert len(row.secret_hash) == 64
    assert all(len(token.token_hash) == 64 for token in tokens)
    assert "token" not in str(await mailed(database))

"""One click ends reminders (RFC 8058), whoever's program sends it, and looking at the page does not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.http.site import Site
from db.core.session import Database
from db.portal import links as portal_links
from db.tables import CustomerSettings

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..portal_customer import BROWSER, Visitor, a_visitor, private

UNKNOWN = "A" * 43
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def visitor(api: Api, database: Database, acme: Tenant) -> Visitor:
    api.app.state.context = replace(api.context, site=Site(public_url="http://plixo.test", floor=0.0))
    return await a_visitor(api, database, acme)


async def _opted_out(visitor: Visitor) -> datetime | None:
    async with visitor.database.reading() as session:
        row = await session.get(CustomerSettings, visitor.customer.id)
    return row.opted_out_at if row else None


async def test_one_post_opts_out_with_a_link_that_has_expired_too(visitor: Visitor) -> None:
    _, token = await visitor.link(days=-0.5)
    answer = await visitor.api.http.post(
        f"/portal/opt-out/{token}", data={"List-Unsubscribe": "One-Click"}, headers={"User-Agent": "MTA"}
    )
    assert answer.status_code == 200
    first = await _opted_out(visitor)
    assert first is not None
    await visitor.api.http.post(
        f"/portal/opt-out/{token}", files={"List-Unsubscribe": (None, "One-Click")}, headers=BROWSER
    )
    assert await _opted_out(visitor) == first
    assert await visitor.outcomes() == ["opted_out", "opted_out"]


async def test_the_customer_can_change_their_mind(visitor: Visitor, database: Database) -> None:
    _, token = await visitor.link()
    address = f"/portal/opt-out/{token}"
    out = await visitor.api.http.post(address, headers=BROWSER)
    assert "Remind me again" in out.text
    again = await visitor.api.http.post(address, content="reminders=again", headers=BROWSER | FORM)
    assert "Reminders are on" in again.text
    assert await _opted_out(visitor) is None
    assert await counted(database, CustomerSettings) == [1]


@ON_ONE_DATABASE
async def test_looking_at_the_question_decides_nothing_and_shows_no_token(visitor: Visitor) -> None:
    _, token = await visitor.link()
    page = await visitor.api.http.get(f"/portal/opt-out/{token}", headers=BROWSER)
    assert "Stop the reminders" in page.text
    assert token not in page.text
    assert await _opted_out(visitor) is None


@ON_ONE_DATABASE
async def test_every_token_is_asked_the_same_and_every_dead_one_answered_the_same(
    visitor: Visitor, database: Database
) -> None:
    _, replaced = await visitor.link()
    _, token = await visitor.link()
    dead = (replaced, UNKNOWN, "x")
    for send, tokens, status in (
        (visitor.api.http.get, (token, *dead), 200),
        (visitor.api.http.post, dead, 404),
    ):
        answers = [await send(f"/portal/opt-out/{one}", headers=BROWSER) for one in tokens]
        assert {answer.status_code for answer in answers} == {status}
        assert len({answer.content for answer in answers}) == 1
        assert all(private(answer) == private(answers[0]) for answer in answers)
    assert await counted(database, CustomerSettings) == [0]


@pytest.mark.parametrize("how", ["revoked", "replaced"])
async def test_a_link_that_was_ended_turns_reminders_neither_off_nor_on(visitor: Visitor, how: str) -> None:
    link, ended = await visitor.link()
    if how == "revoked":
        async with visitor.database.transaction() as session:
            await portal_links.revoke(session, link.id, by="system", at=datetime.now(UTC))
    _, live = await visitor.link()
    off = await visitor.api.http.post(f"/portal/opt-out/{ended}", headers=BROWSER)
    assert (off.status_code, "Nothing was changed" in off.text) == (404, True)
    assert await _opted_out(visitor) is None
    await visitor.api.http.post(f"/portal/opt-out/{live}", headers=BROWSER)
    first = await _opted_out(visitor)
    assert first is not None
    await visitor.api.http.post(f"/portal/opt-out/{ended}", content="reminders=again", headers=BROWSER | FORM)
    assert await _opted_out(visitor) == first


async def test_only_who_can_see_the_invoice_turns_reminders_on_again(visitor: Visitor) -> None:
    _, token = await visitor.link()
    await visitor.block()
    address = f"/portal/opt-out/{token}"
    # The one-click POST comes from the servers of a mail program, which no allowed network names.
    assert (await visitor.api.http.post(address, headers=BROWSER)).status_code == 200
    on = await visitor.api.http.post(address, content="reminders=again", headers=BROWSER | FORM)
    assert on.status_code == 404
    assert await _opted_out(visitor) is not None


@ON_ONE_DATABASE
async def test_forms_are_small_and_nothing_else_is_taken(visitor: Visitor, acme: Tenant) -> None:
    address = f"/portal/opt-out/{UNKNOWN}"
    large = await visitor.api.http.post(address, content="a=" + "b" * 4096, headers=FORM)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    other = await visitor.api.http.post(address, json={})
    assert (other.status_code, other.json()["code"]) == (415, "unsupported_media_type")
    elsewhere = await visitor.api.http.post("/v1/refunds", content="a=b", headers=acme.admin.headers | FORM)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (415, "unsupported_media_type")

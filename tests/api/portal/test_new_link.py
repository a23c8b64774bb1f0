"""A customer whose link does not open asks for a new one: who is mailed, how often, and what all are told."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlmodel import select

from api.http.site import Site
from db.core.session import Database
from db.customers import erasure
from db.portal import links as portal_links
from db.tables import CustomerErasure, CustomerMail, PortalAccess, PortalTrouble

from ...support.builders import Tenant
from ..conftest import Api, counted
from ..portal_customer import Visitor, a_visitor, private

UNKNOWN = "A" * 43


@pytest.fixture
async def visitor(api: Api, database: Database, acme: Tenant) -> Visitor:
    api.app.state.context = replace(api.context, site=Site(public_url="http://plixo.test", floor=0.0))
    return await a_visitor(api, database, acme)


async def test_a_dead_link_is_enough_to_have_a_new_one_mailed_and_followed(
    visitor: Visitor, database: Database
) -> None:
    link, token = await visitor.link(days=-0.5)
    await visitor.enter(token)
    answer = await visitor.post("new-link")
    assert answer.status_code == 200
    assert "Check your mail" in answer.text
    assert await counted(database, CustomerMail, PortalTrouble) == [1, 1]
    async with database.reading() as session:
        live = await portal_links.live(session, visitor.invoice.id)
    assert live is not None
    assert (live.issued_by, live.reason, live.opens) == ("customer", "asked", 0)
    assert (await visitor.row(link)).end_reason == "replaced"
    assert await visitor.outcomes() == ["expired", "asked"]


async def test_a_new_link_is_mailed_once_in_a_quarter_of_an_hour(
    visitor: Visitor, database: Database
) -> None:
    _, token = await visitor.link(days=-0.5)
    await visitor.enter(token)
    for _ in range(4):
        assert (await visitor.post("new-link")).status_code == 200
    assert await counted(database, CustomerMail) == [1]
    assert await visitor.outcomes() == ["expired", "asked", "limited", "limited", "limited"]


async def test_of_several_who_ask_at_once_one_gets_a_mail(visitor: Visitor, database: Database) -> None:
    _, token = await visitor.link(days=-0.5)
    await visitor.enter(token)
    answers = await asyncio.gather(*(visitor.post("new-link") for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert await counted(database, CustomerMail, PortalTrouble) == [1, 1]
    assert sorted(await visitor.outcomes()) == ["asked", "expired"] + ["limited"] * 5


async def test_one_address_asks_for_so_many_new_links_in_an_hour(
    api: Api, database: Database, acme: Tenant, visitor: Visitor
) -> None:
    for _ in range(12):
        one = await a_visitor(api, database, acme)
        _, token = await one.link(days=-0.5)
        await one.enter(token)
        await one.post("new-link")
    outcomes = await visitor.outcomes()
    assert (outcomes.count("asked"), outcomes.count("limited")) == (10, 2)
    assert await counted(database, CustomerMail) == [10]


async def test_everybody_is_told_the_same_and_who_has_no_link_gets_nothing(
    api: Api, database: Database, acme: Tenant, visitor: Visitor
) -> None:
    _, replaced = await visitor.link()
    link, revoked = await visitor.link()
    async with database.transaction() as session:
        await portal_links.revoke(session, link.id, by="system", at=datetime.now(UTC))
    paid = await a_visitor(api, database, acme, status="paid", amount_remaining=0)
    _, of_paid = await paid.link()
    answers = {}
    for why, token in {
        "replaced": replaced,
        "limited": revoked,
        "paid": of_paid,
        "unknown": UNKNOWN,
        "truncated": revoked[:-1],
        "malformed": "not a token",
    }.items():
        await visitor.enter(token)
        answers[why] = await visitor.post("new-link")
    same = {(a.status_code, a.content, tuple(sorted(private(a).items()))) for a in answers.values()}
    assert len(same) == 1
    assert "set-cookie" not in answers["unknown"].headers
    assert await counted(database, CustomerMail) == [1]


async def test_who_was_erased_has_no_new_link_and_is_nobodys_trouble(
    visitor: Visitor, database: Database, acme: Tenant
) -> None:
    _, token = await visitor.link()
    async with database.transaction() as session:
        wanted = CustomerErasure(
            customer_id=visitor.invoice.customer_id,
            organization_id=acme.id,
            erased_at=datetime.now(UTC),
            erased_by=acme.admin.id,
            reason="Asked for.",
        )
        await erasure.erase(session, wanted)
    await visitor.enter(token)
    answer = await visitor.post("new-link")
    assert "Check your mail" in answer.text, "as everybody is told"
    assert await counted(database, CustomerMail, PortalTrouble) == [0, 0]
    async with database.reading() as session:
        assert await portal_links.live(session, visitor.invoice.id) is None


async def test_guessing_leaves_no_rows(visitor: Visitor, database: Database) -> None:
    await visitor.link()
    for number in range(20):
        await visitor.enter(f"{number:043d}")
        await visitor.post("new-link")
    assert await counted(database, PortalAccess, CustomerMail, PortalTrouble) == [0, 0, 0]
    figures = visitor.api.context.metrics.exposition().decode()
    assert 'plixo_api_portal_visits_total{outcome="unknown"} 40.0' in figures


@pytest.mark.parametrize("how", ["revoked", "replaced"])
async def test_a_link_that_was_ended_ends_no_other_however_often_it_is_tried(
    visitor: Visitor, database: Database, how: str
) -> None:
    old, ended = await visitor.link()
    if how == "revoked":
        async with database.transaction() as session:
            await portal_links.revoke(session, old.id, by="system", at=datetime.now(UTC))
    link, live = await visitor.link()
    for _ in range(5):
        assert (await visitor.enter(ended)).status_code == 404
    assert await counted(database, PortalTrouble) == [0], "its failures are not the live link's"
    await visitor.post("new-link")
    assert await visitor.outcomes() == [how] * 5 + ["asked"]
    assert (await visitor.row(link)).end_reason is None
    async with database.reading() as session:
        [mail] = await session.exec(select(CustomerMail))
    assert mail.link_id == link.id, "the customer is mailed the link that they are meant to use"
    assert (await visitor.enter(live)).status_code == 200

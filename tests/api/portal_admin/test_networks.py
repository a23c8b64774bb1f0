"""Allowed and blocked networks: who makes them, what they say, that they are there once."""

import asyncio
from typing import Any

import pytest

from billing.portal.networks import verdict
from db.core.session import Database
from db.portal import networks
from db.tables import Customer, PortalNetwork

from ...support.builders import Tenant, a_customer, store
from ..conftest import Api, counted

PATH = "/v1/portal-networks"


def rule(action: str, network: str, customer: Customer | None = None) -> dict[str, Any]:
    return {
        "action": action,
        "network": network,
        "customer": customer.id if customer else None,
        "reason": "As agreed.",
    }


@pytest.fixture
async def customer(database: Database, acme: Tenant) -> Customer:
    customer = a_customer(acme.id)
    await store(database, customer)
    return customer


async def test_a_network_holds_from_when_it_is_added_until_it_is_taken_away(
    api: Api, acme: Tenant, customer: Customer, database: Database
) -> None:
    answer = await api.post(PATH, acme.admin, rule("block", "::ffff:192.0.2.0/120", customer))
    added = answer.json()
    assert answer.status_code == 201, answer.text
    assert (added["network"], added["created_by"], added["reason"]) == (
        "192.0.2.0/24",
        acme.admin.id,
        "As agreed.",
    )
    async with database.reading() as session:
        held = verdict("192.0.2.7", *await networks.rules_for(session, acme.id, customer.id))
        others = await networks.rules_for(session, acme.id, "cus_else")
    assert (held.allowed, held.rule and held.rule.id, others) == (False, added["id"], ([], []))
    assert (await api.get(PATH, acme.auditor)).json()["data"] == [added]

    gone = await api.http.delete(f"{PATH}/{added['id']}", headers=acme.admin.headers)
    again = await api.http.delete(f"{PATH}/{added['id']}", headers=acme.admin.headers)
    assert (gone.status_code, gone.json()["removed_by"]) == (200, acme.admin.id)
    assert again.json() == gone.json()
    assert (await api.get(PATH, acme.auditor)).json()["data"] == []
    assert (await api.get(PATH, acme.auditor, removed=True)).json()["data"] == [gone.json()]
    async with database.reading() as session:
        assert await networks.rules_for(session, acme.id, customer.id) == ([], [])


async def test_the_same_rule_is_there_once_and_its_opposite_is_refused(
    api: Api, acme: Tenant, customer: Customer, database: Database
) -> None:
    answers = await asyncio.gather(
        *(api.post(PATH, acme.admin, rule("allow", "10.0.0.0/8")) for _ in range(4))
    )
    [added] = {answer.json()["id"] for answer in answers}
    assert {answer.status_code for answer in answers} == {201}
    opposite = await api.post(PATH, acme.admin, rule("block", "10.0.0.0/8"))
    assert (opposite.status_code, opposite.json()["code"]) == (409, "network_listed")
    assert opposite.json()["portal_network"] == added
    assert await counted(database, PortalNetwork) == [1]

    own = await api.post(PATH, acme.admin, rule("block", "10.0.0.0/8", customer))
    assert own.status_code == 201
    listed = (await api.get(PATH, acme.admin, customer=customer.id)).json()["data"]
    assert [row["id"] for row in listed] == [own.json()["id"], added]
    async with database.reading() as session:
        mine, everybodys = await networks.rules_for(session, acme.id, customer.id)
    assert ([one.id for one in mine], [one.id for one in everybodys]) == ([own.json()["id"]], [added])


async def test_a_wrong_network_is_refused_with_the_right_one(
    api: Api, acme: Tenant, database: Database
) -> None:
    answer = await api.post(PATH, acme.admin, rule("block", "192.0.2.7/24"))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "network_malformed")
    assert problem["errors"][0]["pointer"] == "/network"
    assert "write 192.0.2.0/24 " in problem["detail"]
    assert await counted(database, PortalNetwork) == [0]


async def test_another_organizations_customers_and_networks_are_not_there(
    api: Api, acme: Tenant, other: Tenant, customer: Customer
) -> None:
    added = (await api.post(PATH, acme.admin, rule("block", "10.0.0.0/8", customer))).json()
    theirs = await api.post(PATH, other.admin, rule("block", "10.0.0.0/8", customer))
    gone = await api.http.delete(f"{PATH}/{added['id']}", headers=other.admin.headers)
    assert (theirs.status_code, theirs.json()["code"]) == (422, "customer_unknown")
    assert gone.status_code == 404
    assert (await api.get(PATH, other.admin)).json()["data"] == []
    assert (await api.get(PATH, acme.admin)).json()["data"] == [added]


async def test_only_a_billing_admin_changes_them(api: Api, acme: Tenant, database: Database) -> None:
    answer = await api.post(PATH, acme.controller, rule("block", "10.0.0.0/8"))
    gone = await api.http.delete(f"{PATH}/net_1", headers=acme.auditor.headers)
    assert [answer.json()["code"], gone.json()["code"]] == ["role_missing"] * 2
    assert await counted(database, PortalNetwork) == [0]

"""People by the API: found by name, role and state; what each may give, for whom it concerns."""

from datetime import timedelta
from typing import Any

import pytest

from billing.core.keys import UNPEPPERED
from billing.core.operations import Role
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import sessions

from ...support.builders import Member, Tenant, member, store
from ...support.money_rows import a_commitment, a_delegation, a_refund_operation
from ..conftest import ON_ONE_DATABASE, Api
from ..counting import queries

pytestmark = ON_ONE_DATABASE

PATH = "/v1/people"
OVERSEERS = (Role.BILLING_ADMIN, Role.CONTROLLER, Role.AUDITOR)


async def names(api: Api, who: Member, **query: Any) -> set[str]:
    answer = await api.get(PATH, who, **query)
    assert answer.status_code == 200, answer.text
    return {row["name"] for row in answer.json()["data"]}


async def signed_in(database: Database, who: Member, days: int) -> None:
    at = utc_now() - timedelta(days=days)
    async with database.transaction() as session:
        given: dict[str, Any] = {"how": "mail", "address": "192.0.2.7", "user_agent": None}
        given |= {"at": at, "expires_at": at + timedelta(days=7)}
        await sessions.begin(session, UNPEPPERED, who.person, **given)


async def test_they_are_found_by_a_part_of_their_name_or_address_and_by_role_and_state(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    organization = acme.organization
    await member(database, organization, [Role.LEGAL], name="Jürgen Groß", email="jg@firm.example")
    await member(database, organization, [Role.LEGAL], name="Otto Former", email="o@x.example", active=False)
    await member(database, other.organization, [Role.LEGAL], name="Jürgen Groß", email="jg@firm.example")
    assert await names(api, acme.finance, q="gross") == {"Jürgen Groß"}
    assert await names(api, acme.finance, q="jurgen") == {"Jürgen Groß"}
    assert await names(api, acme.finance, q="FIRM.example") == {"Jürgen Groß"}
    assert await names(api, acme.finance, q="otto", active="true") == set()
    assert await names(api, acme.finance, active="false") == {"Otto Former"}
    assert await names(api, acme.finance, role="legal", active="true") == {
        "Jürgen Groß",
        acme.legal.person.name,
    }
    assert await names(api, acme.finance, q="nobody") == set()


async def test_the_last_sign_in_is_shown_to_whom_it_concerns(
    api: Api, acme: Tenant, database: Database
) -> None:
    for who, days in ((acme.legal, 40), (acme.legal, 2), (acme.finance, 3)):
        await signed_in(database, who, days)
    for role, reader in acme.members.items():
        rows = {row["id"]: row["last_sign_in_at"] for row in (await api.get(PATH, reader)).json()["data"]}
        seen = {id_ for id_, at in rows.items() if at is not None}
        everybody = {acme.legal.id, acme.finance.id}
        expected = everybody if role in (Role.BILLING_ADMIN, Role.AUDITOR) else everybody & {reader.id}
        assert seen == expected, role
    mine = (await api.get(f"{PATH}/{acme.legal.id}", acme.legal)).json()["last_sign_in_at"]
    assert mine[:10] == f"{utc_now() - timedelta(days=2):%Y-%m-%d}"


@pytest.mark.parametrize("role", list(Role))
async def test_who_reads_what_somebody_may_give(api: Api, acme: Tenant, role: Role) -> None:
    for somebody in acme.members.values():
        own = somebody is acme.members[role]
        answer = await api.get(f"{PATH}/{somebody.id}", acme.members[role])
        assert answer.status_code == (200 if own or role in OVERSEERS else 403), answer.text
        if answer.status_code == 200:
            counted = own or role in (Role.BILLING_ADMIN, Role.AUDITOR)
            assert (answer.json()["live_keys"], answer.json()["live_sessions"]) == (
                (1, 0) if counted else (None, None)
            )


async def test_authority_is_what_they_themselves_see(api: Api, acme: Tenant, database: Database) -> None:
    operation = a_refund_operation(acme)
    given = {"authority_of": acme.admin.id, "decided_at": utc_now() - timedelta(days=1)}
    lasting = {"starts_at": utc_now() - timedelta(days=1), "ends_at": utc_now() + timedelta(days=9)}
    delegation = a_delegation(acme.legal.person, acme.admin.person, **lasting)
    await store(database, operation, a_commitment(operation, 30_000, **given), delegation)
    shown = (await api.get(f"{PATH}/{acme.admin.id}", acme.controller)).json()
    mine = (await api.get("/v1/me", acme.admin)).json()
    for name in ("authority", "delegations_given", "delegations_received", "zone", "email", "roles"):
        assert shown[name] == mine[name], name
    assert shown["authority"][0]["used"]["amount_minor"] == 30_000
    assert [one["delegator"] for one in shown["delegations_received"]] == [acme.legal.id]


async def test_who_is_not_active_or_audits_gives_nothing(api: Api, acme: Tenant, database: Database) -> None:
    gone = await member(database, acme.organization, [Role.CONTROLLER], active=False)
    both = await member(database, acme.organization, [Role.CONTROLLER, Role.AUDITOR])
    for who in (gone, both):
        assert (await api.get(f"{PATH}/{who.id}", acme.admin)).json()["authority"] == []


async def test_another_organizations_people_are_not_there(api: Api, acme: Tenant, other: Tenant) -> None:
    for id_ in (other.admin.id, "per_nobody"):
        assert (await api.get(f"{PATH}/{id_}", acme.admin)).json()["code"] == "not_found"
    assert other.admin.person.name not in await names(api, acme.admin) - await names(api, other.admin)


async def test_few_queries_are_enough(api: Api, acme: Tenant) -> None:
    with queries(api) as listed:
        await api.get(PATH, acme.admin)
    with queries(api) as read:
        await api.get(f"{PATH}/{acme.admin.id}", acme.admin)
    assert (len(listed) <= 4, len(read) <= 8) == (True, True), (listed, read)

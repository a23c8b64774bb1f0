"""Who calls: their authority, their delegations, and what waits for them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.core.operations import Role
from db.core.session import Database

from ...support.builders import Member, Tenant, a_notice, an_approval, an_operation, member, store
from ...support.money_rows import a_commitment, a_delegation
from ..conftest import ON_ONE_DATABASE, Api
from ..counting import queries

TODAY = datetime.now(UTC).replace(microsecond=0)


def usd(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "usd"}


async def me(api: Api, who: Member) -> dict[str, Any]:
    answer = await api.get("/v1/me", who)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def gave(database: Database, acme: Tenant, who: Member, amount: int, **fields: Any) -> None:
    operation = an_operation(acme, kind=fields.get("kind", "refund"))
    given = {"authority_of": who.id, "decided_at": TODAY - timedelta(days=1)} | fields
    await store(database, operation, a_commitment(operation, amount, customer_id="cus_1", **given))


async def test_somebody_sees_who_they_are_and_in_whose_zone_they_read(
    api: Api, acme: Tenant, database: Database
) -> None:
    abroad = await member(database, acme.organization, [Role.LEGAL, Role.FINANCE], zone="Europe/Berlin")
    seen, admin = await me(api, abroad), await me(api, acme.admin)
    assert (seen["id"], seen["name"], seen["email"]) == (abroad.id, abroad.person.name, abroad.person.email)
    assert (seen["zone"], admin["zone"]) == ("Europe/Berlin", "America/New_York")
    assert seen["roles"] == ["legal", "finance"]
    assert seen["organization"] == {
        "id": acme.id,
        "name": acme.organization.name,
        "zone": "America/New_York",
    }


async def test_authority_is_shown_with_what_was_used_of_it_over_kinds_that_count_together(
    api: Api, acme: Tenant, database: Database
) -> None:
    await gave(database, acme, acme.admin, 30_000)
    await gave(database, acme, acme.admin, 60_000, kind="credit")
    await gave(database, acme, acme.admin, 9_000, decided_at=TODAY - timedelta(days=31))
    await gave(database, acme, acme.admin, 9_000, released_at=TODAY)
    await gave(database, acme, acme.controller, 9_000)
    shown = {one["kind"]: one for one in (await me(api, acme.admin))["authority"]}
    assert list(shown) == ["refund", "credit", "void", "write_off"]
    refund, credit = shown["refund"], shown["credit"]
    assert refund == {
        "kind": "refund",
        "role": "billing_admin",
        "per_item": usd(50_000),
        "window_days": 30,
        "window_total": usd(200_000),
        "customer_total": usd(300_000),
        "used": usd(90_000),
        "left": usd(110_000),
        "most_now": usd(50_000),
    }
    assert {one["used"]["amount_minor"] for one in shown.values()} == {90_000}
    assert (credit["left"], credit["most_now"]) == (usd(10_000), usd(10_000))


async def test_what_is_used_beyond_a_window_leaves_nothing(
    api: Api, acme: Tenant, database: Database
) -> None:
    await gave(database, acme, acme.admin, 150_000)
    _, *others = (await me(api, acme.admin))["authority"]
    assert [one["kind"] for one in others] == ["credit", "void", "write_off"]
    assert all((one["left"], one["most_now"]) == (usd(0), usd(0)) for one in others)


async def test_who_has_no_authority_sees_none(api: Api, acme: Tenant, database: Database) -> None:
    everything = await member(database, acme.organization, list(Role))
    for who in (acme.finance, acme.auditor, everything):
        assert (await me(api, who))["authority"] == []


async def test_delegations_that_stand_are_shown_to_both(api: Api, acme: Tenant, database: Database) -> None:
    legal, finance = acme.legal.person, acme.finance.person
    lasting = {"starts_at": TODAY - timedelta(days=1), "ends_at": TODAY + timedelta(days=1)}
    active = a_delegation(legal, finance, **lasting)
    offered = a_delegation(legal, finance, **lasting | {"accepted_at": None, "role": "legal"})
    gone = [
        a_delegation(legal, finance, **lasting | {"ends_at": TODAY - timedelta(hours=1)}),
        a_delegation(legal, finance, **lasting, revoked_at=TODAY, revoked_by=legal.id),
        a_delegation(legal, finance, **lasting | {"accepted_at": None}, declined_at=TODAY),
    ]
    await store(database, active, offered, *gone)
    giver, delegate, nobody = [await me(api, who) for who in (acme.legal, acme.finance, acme.admin)]
    assert {one["id"]: one["state"] for one in giver["delegations_given"]} == {
        active.id: "active",
        offered.id: "offered",
    }
    assert giver["delegations_received"] == delegate["delegations_given"] == []
    assert delegate["delegations_received"] == giver["delegations_given"]
    assert nobody["delegations_given"] == nobody["delegations_received"] == []


async def test_what_waits_is_counted_for_whom_it_waits(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    mine, theirs = an_operation(acme), an_operation(other)
    asked, closed = an_approval(mine), an_approval(mine, round=2, state="approved")
    await store(database, mine, theirs, asked, closed, an_approval(theirs), a_notice(theirs))
    await store(
        database,
        a_notice(mine),
        a_notice(mine, kind="plan_change_applied", state="escalated"),
        a_notice(mine, kind="plan_change_reverted", state="acknowledged"),
    )
    waiting = {
        who.person.roles[0]: tuple((await me(api, who))["waiting"].values()) for who in acme.members.values()
    }
    assert waiting == {
        "billing_admin": (0, 0),
        "controller": (1, 1),
        "legal": (0, 0),
        "finance": (0, 2),
        "auditor": (0, 0),
    }


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", [Role.CONTROLLER, Role.FINANCE])
async def test_it_takes_few_queries(api: Api, acme: Tenant, role: Role) -> None:
    with queries(api) as sent:
        await me(api, acme.members[role])
    assert len(sent) <= 8, sent

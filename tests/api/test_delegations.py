"""Being away: who decides meanwhile, who sees it, who ends it; and the people whom one can name."""

from typing import Any

import pytest

from billing.operations import Role
from db.session import Database
from db.tables import Approval, Delegation, Outbox

from ..builders import Member, Tenant, an_approval, an_operation, member, store
from ..money_rows import a_delegation
from .conftest import Api, counted
from .test_approval_delegation import DAY, NOW, TOMORROW, lasting, to, z


def away(who: Member | str, **more: Any) -> dict[str, Any]:
    named = who if isinstance(who, str) else who.id
    return {"to": named, "ends_at": TOMORROW, "reason": "On leave."} | more


@pytest.fixture
async def review(database: Database, acme: Tenant) -> Approval:
    operation = an_operation(acme)
    approval = an_approval(operation)
    await store(database, operation, approval)
    return approval


async def test_who_is_away_names_who_decides_meanwhile(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    answer = await api.post("/v1/delegations", acme.controller, away(acme.finance, role="controller"))

    given = answer.json()
    assert answer.status_code == 201, answer.text
    assert (given["role"], given["approval"], given["state"]) == ("controller", None, "active")
    assert (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()["can_decide"] is True
    again = await api.post("/v1/delegations", acme.controller, away(acme.finance, role="controller"))
    assert again.json()["id"] == given["id"]
    assert await counted(database, Delegation, Outbox) == [1, 0]


async def test_a_role_that_one_does_not_have_is_not_lent(api: Api, acme: Tenant, database: Database) -> None:
    answer = await api.post("/v1/delegations", acme.controller, away(acme.finance, role="legal"))
    assert (answer.status_code, answer.json()["code"]) == (403, "role_not_held")
    assert answer.json()["errors"][0]["pointer"] == "/role"
    assert await counted(database, Delegation) == [0]


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"to": "per_nobody"}, "/to", "delegate_unknown"),
        ({"starts_at": z(NOW - DAY)}, "/starts_at", "delegation_in_past"),
        ({"starts_at": z(NOW + 2 * DAY)}, "/ends_at", "delegation_inverted"),
        ({"ends_at": z(NOW + 367 * DAY)}, "/ends_at", "delegation_too_long"),
    ],
)
async def test_an_absence_that_cannot_be_is_refused_by_its_own_code(
    api: Api, acme: Tenant, more: Any, pointer: str, code: str
) -> None:
    answer = await api.post("/v1/delegations", acme.controller, away(acme.finance, **more))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_everybody_sees_their_own_and_auditors_all(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    mine = a_delegation(acme.controller.person, acme.finance.person, **lasting())
    over = a_delegation(
        acme.controller.person, acme.finance.person, starts_at=NOW - 3 * DAY, ends_at=NOW - DAY
    )
    theirs = a_delegation(acme.legal.person, acme.admin.person, **lasting())
    strangers = a_delegation(other.legal.person, other.admin.person, **lasting())
    await store(database, mine, over, theirs, strangers)

    async def seen(who: Member, **query: Any) -> set[str]:
        data = (await api.get("/v1/delegations", who, **query)).json()["data"]
        return {one["id"] for one in data}

    assert await seen(acme.controller) == {mine.id, over.id}
    assert await seen(acme.finance, active="true") == {mine.id}
    assert await seen(acme.admin) == {theirs.id}
    assert await seen(acme.auditor) == {mine.id, over.id, theirs.id}
    listed = (await api.get("/v1/delegations", acme.controller)).json()["data"]
    assert {one["id"]: one["state"] for one in listed} == {mine.id: "active", over.id: "over"}


async def test_who_gave_it_ends_it_at_once_and_again_changes_nothing(
    api: Api, acme: Tenant, review: Approval
) -> None:
    path = f"/v1/approvals/{review.id}/delegate"
    given = (await api.post(path, acme.controller, to(acme.finance))).json()
    first, second = [
        (await api.post(f"/v1/delegations/{given['id']}/revoke", acme.controller)).json() for _ in range(2)
    ]

    assert (first["state"], first["revoked_by"]) == ("revoked", acme.controller.id)
    assert second == first
    assert (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()["can_decide"] is False
    timeline_ = (await api.get(f"/v1/operations/{review.operation_id}/timeline", acme.auditor)).json()["data"]
    assert [event["event"] for event in timeline_] == ["delegated", "delegation revoked"]
    # Given anew, it is another one.
    assert (await api.post(path, acme.controller, to(acme.finance))).json()["id"] != given["id"]


async def test_only_who_gave_it_ends_it(api: Api, acme: Tenant, other: Tenant, database: Database) -> None:
    row = a_delegation(acme.controller.person, acme.finance.person, **lasting())
    await store(database, row)
    answers = {
        who: await api.post(f"/v1/delegations/{row.id}/revoke", member_)
        for who, member_ in (
            ("delegate", acme.finance),
            ("auditor", acme.auditor),
            ("admin", acme.admin),
            ("stranger", other.controller),
        )
    }
    assert {who: answer.json()["code"] for who, answer in answers.items()} == {
        "delegate": "not_your_delegation",
        "auditor": "not_your_delegation",
        "admin": "not_found",
        "stranger": "not_found",
    }
    assert (await api.get("/v1/delegations", acme.finance)).json()["data"][0]["state"] == "active"


# --- People -----------------------------------------------------------------------------------------------


async def test_the_people_one_can_name_are_listed_page_by_page(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    gone = await member(database, acme.organization, [Role.LEGAL, Role.CONTROLLER], active=False)
    everybody = {one.id for one in acme.members.values()} | {gone.id}

    async def listed(**query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await api.get("/v1/people", acme.admin, limit=2, **query, **cursor)).json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    assert {one["id"] for one in await listed()} == everybody
    assert {one["id"] for one in await listed(role="legal")} == {acme.legal.id, gone.id}
    assert await listed(role="legal", active="false") == [
        {"id": gone.id, "name": gone.person.name, "roles": ["legal", "controller"], "active": False}
    ]

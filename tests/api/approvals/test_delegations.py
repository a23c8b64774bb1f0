"""Being away: who decides meanwhile, who sees it, who ends it; and the people whom one can name."""

from typing import Any

import pytest

from billing.core.operations import Role
from db.core.session import Database
from db.tables import Approval, Delegation, Outbox

from ...support.builders import Member, Tenant, an_approval, an_operation, member, store
from ...support.money_rows import a_delegation
from ..conftest import Api, counted
from .test_delegation import DAY, NOW, TOMORROW, accept, lasting, to, z


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
    assert (given["role"], given["approval"], given["state"]) == ("controller", None, "offered")
    assert (await accept(api, acme.finance, given["id"]))["state"] == "active"
    assert (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()["can_decide"] is True
    again = await api.post("/v1/delegations", acme.controller, away(acme.finance, role="controller"))
    assert again.json()["id"] == given["id"]
    assert await counted(database, Delegation, Outbox) == [1, 2]


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
    await accept(api, acme.finance, given["id"])
    first, second = [
        (await api.post(f"/v1/delegations/{given['id']}/revoke", acme.controller)).json() for _ in range(2)
    ]

    assert (first["state"], first["revoked_by"]) == ("revoked", acme.controller.id)
    assert second == first
    assert (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()["can_decide"] is False
    timeline_ = (await api.get(f"/v1/operations/{review.operation_id}/timeline", acme.auditor)).json()["data"]
    assert [event["code"] for event in timeline_] == [
        "delegation_offered",
        "delegation_accepted",
        "delegation_revoked",
    ]
    # Given anew, it is another one.
    assert (await api.post(path, acme.controller, to(acme.finance))).json()["id"] != given["id"]


@pytest.mark.parametrize("who", ["controller", "finance"])
async def test_either_of_both_ends_it(api: Api, acme: Tenant, database: Database, who: str) -> None:
    row = a_delegation(acme.controller.person, acme.finance.person, **lasting())
    await store(database, row)

    ended = await api.post(f"/v1/delegations/{row.id}/revoke", getattr(acme, who))

    assert (ended.json()["state"], ended.json()["revoked_by"]) == ("revoked", getattr(acme, who).id)


async def test_nobody_else_ends_or_answers_it(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    row = a_delegation(acme.controller.person, acme.finance.person, **lasting(), accepted_at=None)
    await store(database, row)
    codes = {
        (what, who): (await api.post(f"/v1/delegations/{row.id}/{what}", member_)).json()["code"]
        for what in ("accept", "decline", "revoke")
        for who, member_ in (("auditor", acme.auditor), ("admin", acme.admin), ("stranger", other.controller))
    }
    assert {code for (_, who), code in codes.items() if who == "auditor"} == {"role_missing"}
    assert {code for (_, who), code in codes.items() if who != "auditor"} == {"not_found"}
    giver = await api.post(f"/v1/delegations/{row.id}/accept", acme.controller)
    assert (giver.status_code, giver.json()["code"]) == (403, "not_your_delegation")
    assert (await api.get(f"/v1/delegations/{row.id}", acme.auditor)).json()["state"] == "offered"
    assert (await api.get(f"/v1/delegations/{row.id}", acme.admin)).status_code == 404


# --- It takes both ----------------------------------------------------------------------------------------


async def test_a_requester_bars_nobody_by_naming_them(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    """Or whoever asks could choose who may not decide, until only the one whom they want is left."""
    given = (await api.post("/v1/delegations", acme.admin, away(acme.controller))).json()
    assert (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()["can_decide"] is True

    await accept(api, acme.controller, given["id"])

    seen = (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()
    assert not seen["can_decide"]
    assert seen["why_not"]


async def test_who_declines_never_acted_for_anybody(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    given = (await api.post("/v1/delegations", acme.admin, away(acme.controller))).json()
    assert (await accept(api, acme.controller, given["id"], "decline"))["state"] == "declined"
    assert (await accept(api, acme.controller, given["id"], "decline"))["state"] == "declined"

    late = await api.post(f"/v1/delegations/{given['id']}/accept", acme.controller)

    assert (late.status_code, late.json()["code"]) == (409, "delegation_closed")
    assert (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()["can_decide"] is True


async def test_who_acted_for_the_requester_when_they_asked_is_no_judge_of_it_once_that_is_revoked(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    asked = review.opened_at
    row = a_delegation(
        acme.admin.person, acme.controller.person, starts_at=asked - DAY, ends_at=NOW + DAY, revoked_at=NOW
    )
    await store(database, row)

    seen = (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()

    assert seen["can_decide"] is False
    assert seen["why_not"]


async def test_nobody_accepts_a_say_that_they_may_not_have(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    row = a_delegation(
        acme.controller.person, acme.admin.person, **lasting(), approval_id=review.id, accepted_at=None
    )
    await store(database, row)
    answer = await api.post(f"/v1/delegations/{row.id}/accept", acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_request")


async def test_an_auditor_is_nobodys_delegate(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    both = await member(database, acme.organization, [Role.AUDITOR, Role.CONTROLLER])
    for who in (acme.auditor, both):
        for path, body in (
            ("/v1/delegations", away(who)),
            (f"/v1/approvals/{review.id}/delegate", to(who)),
        ):
            answer = await api.post(path, acme.controller, body)
            assert (answer.status_code, answer.json()["code"]) == (422, "delegate_is_auditor")
    # Nor one whom somebody had named before.
    await store(database, a_delegation(acme.controller.person, acme.auditor.person, **lasting()))
    for who in (acme.auditor, both):
        seen = (await api.get(f"/v1/approvals/{review.id}", who)).json()
        assert not seen["can_decide"]
        assert seen["why_not"]


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
        {
            "id": gone.id,
            "name": gone.person.name,
            "email": gone.person.email,
            "roles": ["legal", "controller"],
            "active": False,
            "last_sign_in_at": None,
        }
    ]

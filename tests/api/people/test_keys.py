"""API keys: who makes, sees and revokes which, and that a secret is shown once."""

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.core.operations import Role
from db.core.clock import utc_now
from db.core.session import Database
from db.people import keys, people
from db.people.people import find_key, new_api_key
from db.tables import ApiKey, KeyUse

from ...support.builders import Member, Tenant, an_api_key, member, store
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..counting import queries

pytestmark = ON_ONE_DATABASE

PATH = "/v1/api-keys"


async def make(api: Api, who: Member, **body: Any) -> Any:
    answer = await api.post(PATH, who, {"name": "Month-end export"} | body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def by(key: str, who: Member) -> Member:
    """The person, with another key."""
    return Member(who.person, key)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AUDITOR])
async def test_everybody_makes_keys_for_themselves_that_do_what_they_may(
    api: Api, acme: Tenant, role: Role
) -> None:
    who = acme.members[role]
    made = await make(api, who)
    assert (made["person"], made["created_by"], made["state"]) == (who.id, who.id, "live")
    assert made["api_key"].startswith(f"pk_{made['id']}_")
    mine = (await api.get("/v1/me", by(made["api_key"], who))).json()
    assert mine["roles"] == [role]
    assert mine == (await api.get("/v1/me", who)).json()


async def test_its_secret_is_shown_once_and_kept_nowhere(
    api: Api, acme: Tenant, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = await make(api, acme.admin)
    secret = made["api_key"].rpartition("_")[2]
    for path in (PATH, f"{PATH}?live=true", "/v1/me", "/v1/people"):
        assert secret not in (await api.get(path, acme.admin)).text
    assert secret not in (await api.post(f"{PATH}/{made['id']}/revoke", acme.admin)).text
    assert secret not in caplog.text
    assert f"API key {made['id']} was made by {acme.admin.id}" in caplog.text
    assert f"API key {made['id']} was revoked by {acme.admin.id}" in caplog.text
    async with database.reading() as session:
        holder = await find_key(session, made["id"])
        assert holder is not None
        assert secret not in str(holder.key.model_dump())


async def test_two_requests_make_two_keys(api: Api, acme: Tenant) -> None:
    first, second = await make(api, acme.admin), await make(api, acme.admin)
    assert first["id"] != second["id"]
    assert first["api_key"] != second["api_key"]


async def test_who_sees_and_revokes_whose(api: Api, acme: Tenant, other: Tenant) -> None:
    theirs = await make(api, acme.legal)
    strange = await make(api, other.legal)
    path = f"{PATH}/{theirs['id']}/revoke"
    everybody = {one.id for one in acme.members.values()}
    for role, who in acme.members.items():
        rows = (await api.get(PATH, who)).json()["data"]
        expected = everybody if role in (Role.BILLING_ADMIN, Role.AUDITOR) else {who.id}
        assert {row["person"] for row in rows} == expected, role
        assert strange["id"] not in {row["id"] for row in rows}
    for outsider in (acme.controller, acme.finance, other.admin, other.legal):
        assert (await api.post(path, outsider)).json()["code"] == "not_found"
    assert (await api.post(path, acme.auditor)).json()["code"] == "role_missing"
    assert (await api.get(PATH, acme.legal, person=acme.admin.id)).json()["data"] == []
    assert (await api.get(PATH, acme.admin, person=other.legal.id)).json()["data"] == []

    revoked = (await api.post(path, acme.admin)).json()
    assert (revoked["state"], revoked["revoked_by"]) == ("revoked", acme.admin.id)
    assert (await api.post(path, acme.legal)).json() == revoked, "it is revoked once"


async def test_a_key_that_is_revoked_is_out_with_the_next_request(api: Api, acme: Tenant) -> None:
    made = await make(api, acme.finance)
    mine = by(made["api_key"], acme.finance)
    assert (await api.post(f"{PATH}/{made['id']}/revoke", mine)).status_code == 200
    assert (await api.get("/v1/me", mine)).json()["code"] == "credentials_revoked"
    live = (await api.get(PATH, acme.finance, live="true")).json()["data"]
    assert made["id"] not in {row["id"] for row in live}


async def test_a_key_ends_with_the_key_by_which_it_was_made(api: Api, acme: Tenant) -> None:
    """Whoever has got hold of a key can't keep a door open by making another with it."""
    first = await make(api, acme.finance)
    second = await make(api, by(first["api_key"], acme.finance))
    third = await make(api, by(second["api_key"], acme.finance))
    other = await make(api, acme.finance)
    assert (second["made_with"], third["made_with"]) == (first["id"], second["id"])

    assert (await api.post(f"{PATH}/{first['id']}/revoke", acme.admin)).status_code == 200

    for key in (first, second, third):
        answer = await api.get("/v1/me", by(key["api_key"], acme.finance))
        assert answer.json()["code"] == "credentials_revoked"
    assert (await api.get("/v1/me", by(other["api_key"], acme.finance))).status_code == 200
    rows = {row["id"]: row for row in (await api.get(PATH, acme.finance)).json()["data"]}
    assert rows[third["id"]]["revoked_by"] == acme.admin.id


async def test_a_key_that_is_revoked_meanwhile_makes_none(
    api: Api, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(api, acme.finance)
    before = await counted(database, ApiKey)
    lock = people.lock_organization

    async def after_it_was_let_in(session: Any, organization: str) -> None:
        async with database.transaction() as other:
            await keys.revoke(other, made["id"], by=acme.admin.id, at=utc_now())
        await lock(session, organization)

    monkeypatch.setattr(people, "lock_organization", after_it_was_let_in)
    answer = await api.post(PATH, by(made["api_key"], acme.finance), {"name": "One more"})
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_revoked")
    assert await counted(database, ApiKey) == before


async def test_auditors_and_strangers_make_none(api: Api, acme: Tenant, database: Database) -> None:
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.AUDITOR])
    before = await counted(database, ApiKey)
    for who in (acme.auditor, both):
        assert (await api.post(PATH, who, {"name": "Mine"})).json()["code"] == "role_missing"
    assert (await api.post(PATH, None, {"name": "Mine"})).status_code == 401
    for extra in ({"person": acme.controller.id}, {"roles": ["controller"]}):
        refused = await api.post(PATH, acme.admin, {"name": "Theirs"} | extra)
        assert refused.json()["errors"][0]["code"] == "unknown_field"
    assert await counted(database, ApiKey) == before


async def test_a_key_ends_when_it_is_said_to_and_makes_none_that_outlives_it(
    api: Api, acme: Tenant, database: Database
) -> None:
    until = utc_now().replace(microsecond=0) + timedelta(days=2)
    made = await make(api, acme.admin, expires_at=until.isoformat())
    assert datetime.fromisoformat(made["expires_at"]) == until
    mine = by(made["api_key"], acme.admin)
    longer = {"name": "Longer", "expires_at": (until + timedelta(seconds=1)).isoformat()}
    refused = await api.post(PATH, mine, longer)
    assert (refused.status_code, refused.json()["code"]) == (403, "key_outlives_yours")
    assert datetime.fromisoformat((await make(api, mine))["expires_at"]) == until
    shorter = await make(api, mine, expires_at=(until - timedelta(days=1)).isoformat())
    assert datetime.fromisoformat(shorter["expires_at"]) == until - timedelta(days=1)
    async with database.transaction() as session:
        row = await session.get(ApiKey, made["id"])
        assert row is not None
        row.expires_at = utc_now()
    assert (await api.get("/v1/me", mine)).json()["code"] == "credentials_expired"
    [shown] = [row for row in (await api.get(PATH, acme.admin)).json()["data"] if row["id"] == made["id"]]
    assert shown["state"] == "expired"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"name": "  "}, "too_short"),
        ({"name": "x" * 101}, "too_long"),
        ({"name": "bell\u0007"}, "invalid_text"),
        ({"name": "Mine", "expires_at": "2020-01-01T00:00:00Z"}, "key_expiry_past"),
        ({"name": "Mine", "expires_at": "tomorrow"}, "invalid_text"),
    ],
)
async def test_what_is_wrong_with_it_is_named(api: Api, acme: Tenant, body: Any, code: str) -> None:
    answer = await api.post(PATH, acme.admin, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == code


@pytest.fixture
async def full(database: Database, acme: Tenant) -> Tenant:
    """The billing admin has as many keys as one can have."""
    keys = (an_api_key(acme.admin.person, new_api_key(), name="Spare") for _ in range(19))
    await store(database, *keys)
    return acme


async def test_a_person_has_so_many_that_work(api: Api, full: Tenant) -> None:
    refused = await api.post(PATH, full.admin, {"name": "One more"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_keys")
    theirs = (await api.get(PATH, full.admin, person=full.admin.id)).json()["data"]
    one = next(key for key in theirs if key["name"] == "Spare")
    assert (await api.post(f"{PATH}/{one['id']}/revoke", full.admin)).status_code == 200
    await make(api, full.admin)
    await make(api, full.controller)


async def test_the_last_use_is_shown_with_its_address(api: Api, acme: Tenant, database: Database) -> None:
    made = await make(api, acme.legal)
    assert (made["last_used_at"], made["last_used_from"]) == (None, None)
    earlier, later = utc_now() - timedelta(days=3), utc_now() - timedelta(days=2)

    def use(at: datetime, address: str, **fields: Any) -> KeyUse:
        given = {"prefix": made["id"], "window_start": at, "last_at": at, "accepted": True}
        return KeyUse(address=address, **given | fields)

    await store(
        database,
        use(earlier, "192.0.2.1"),
        use(later, "192.0.2.2"),
        use(later, "192.0.2.3", last_at=later - timedelta(minutes=2)),
        use(utc_now(), "203.0.113.9", accepted=False, wrong=3),
    )
    rows = (await api.get(PATH, acme.admin, person=acme.legal.id)).json()["data"]
    [shown] = [row for row in rows if row["id"] == made["id"]]
    assert (datetime.fromisoformat(shown["last_used_at"]), shown["last_used_from"]) == (later, "192.0.2.2")


async def test_pages_follow_each_other_in_few_queries(api: Api, full: Tenant) -> None:
    with queries(api) as sent:
        first = (await api.get(PATH, full.admin, limit=15)).json()
    assert len(sent) <= 5, sent
    rest = (await api.get(PATH, full.admin, limit=15, cursor=first["next_cursor"])).json()
    ids = [row["id"] for page in (first, rest) for row in page["data"]]
    assert len(ids) == len(set(ids)) == 24
    assert rest["next_cursor"] is None


async def rotated(api: Api, who: Member, id: str, **body: Any) -> Any:
    return await api.post(f"{PATH}/{id}/rotation", who, body)


async def test_both_keys_work_for_a_while_when_one_takes_the_others_place(
    api: Api, acme: Tenant, database: Database
) -> None:
    old = await make(api, acme.admin, scopes=["read"])
    answer = await rotated(api, acme.admin, old["id"], overlap_hours=2)
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (new["name"], new["scopes"], new["expires_at"]) == (old["name"], ["read"], None)
    for key in (old, new):
        assert (await api.get("/v1/me", by(key["api_key"], acme.admin))).status_code == 200
    rows = {row["id"]: row for row in (await api.get(PATH, acme.admin)).json()["data"]}
    assert rows[old["id"]]["replaced_by"] == new["id"]
    ends = datetime.fromisoformat(rows[old["id"]]["expires_at"])
    assert timedelta(hours=1, minutes=59) < ends - utc_now() <= timedelta(hours=2)
    async with database.transaction() as session:
        row = await session.get_one(ApiKey, old["id"])
        row.expires_at = utc_now()
    assert (await api.get("/v1/me", by(old["api_key"], acme.admin))).json()["code"] == "credentials_expired"
    assert (await api.get("/v1/me", by(new["api_key"], acme.admin))).status_code == 200


async def test_a_key_replaces_itself_and_works_no_longer_than_it_would_have(api: Api, acme: Tenant) -> None:
    until = utc_now().replace(microsecond=0) + timedelta(days=2)
    old = await make(api, acme.finance, expires_at=until.isoformat())
    by_itself = (await rotated(api, by(old["api_key"], acme.finance), old["id"])).json()
    assert datetime.fromisoformat(by_itself["expires_at"]) == until
    assert by_itself["made_with"] == old["id"]
    assert (await api.post(f"{PATH}/{old['id']}/revoke", acme.admin)).status_code == 200
    answer = await api.get("/v1/me", by(by_itself["api_key"], acme.finance))
    assert answer.json()["code"] == "credentials_revoked", "whoever got hold of the old one has the new one"

    signed_in = await make(api, acme.finance, expires_at=until.isoformat())
    again = (await rotated(api, acme.finance, signed_in["id"])).json()
    assert datetime.fromisoformat(again["expires_at"]) > until, "for as long again"


async def test_a_key_is_replaced_once_and_by_its_person_alone(api: Api, acme: Tenant, other: Tenant) -> None:
    old = await make(api, acme.legal)

    async def code(who: Member, id: str = old["id"], **body: Any) -> Any:
        answer = await rotated(api, who, id, **body)
        return answer.json().get("code", answer.status_code)

    assert await code(acme.admin) == "key_of_another"
    assert [await code(who) for who in (acme.finance, other.admin)] == ["not_found"] * 2
    assert await code(acme.auditor) == "role_missing"
    assert await code(acme.legal, overlap_hours=-1) == "invalid_request"
    narrow = await make(api, acme.legal, scopes=["read", "write"])
    assert await code(by(narrow["api_key"], acme.legal)) == "key_may_less"
    assert await code(acme.legal) == 201
    assert await code(acme.legal) == "key_replaced"
    rows = {row["id"]: row for row in (await api.get(PATH, acme.legal)).json()["data"]}
    successor = rows[old["id"]]["replaced_by"]
    await api.post(f"{PATH}/{successor}/revoke", acme.legal)
    assert await code(acme.legal) == 201, "nobody has the other's secret"
    await api.post(f"{PATH}/{old['id']}/revoke", acme.legal)
    revoked = await make(api, acme.legal)
    await api.post(f"{PATH}/{revoked['id']}/revoke", acme.legal)
    assert await code(acme.legal, revoked["id"]) == "key_not_live"

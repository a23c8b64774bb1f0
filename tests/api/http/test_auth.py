"""Who gets in, and what who does not is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.core.operations import Role
from db.core.session import Database
from db.people.people import new_api_key
from db.tables import ApiKey, Person

from ...support.builders import Member, Tenant, a_person, an_api_key, member, store
from ..conftest import ON_ONE_DATABASE, Api

A_MINUTE = timedelta(minutes=1)


async def with_key(database: Database, acme: Tenant, **fields: Any) -> Member:
    person, key = a_person(acme.id, roles=[Role.AUDITOR]), new_api_key()
    await store(database, person, an_api_key(person, key, **fields))
    return Member(person, key.plaintext)


@pytest.mark.parametrize("header", [None, ""])
async def test_without_credentials_nobody_gets_in(api: Api, acme: Tenant, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await api.http.get("/v1/operations", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="plixo"'


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "header",
    [
        b"Bearer",
        b"Bearer ",
        b"Basic cGs6c2VjcmV0",
        b"Bearer sk_live_1",
        b"Bearer pk_",
        b"Bearer pk_a_",
        b"Bearer pk__b",
        b"Bearer pk_unknown_0123456789abcdef",
        b"Bearer pk_a_b_c",
        b"Bearer pk_a\x00_b",
        "Bearer pk_schlüssel_geheim".encode(),
        b"Bearer \xff\xfe",
        b"Bearer pk_" + b"a" * 65 + b"_b",
        b"Bearer pk_' OR 1=1 --_b",
    ],
)
async def test_what_is_no_key_of_ours_is_refused(api: Api, acme: Tenant, header: bytes) -> None:
    answer = await api.http.get("/v1/operations", headers={b"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_invalid")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="plixo", error="invalid_token"'


async def test_a_wrong_secret_is_refused_and_not_repeated(api: Api, acme: Tenant) -> None:
    wrong = acme.admin.api_key[:-1] + ("0" if acme.admin.api_key[-1] != "0" else "1")
    answer = await api.http.get("/v1/operations", headers={"Authorization": f"Bearer {wrong}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_invalid")
    assert wrong.rpartition("_")[2] not in answer.text


async def test_an_expired_key_is_refused_from_the_second_it_expires(
    api: Api, acme: Tenant, database: Database
) -> None:
    now = datetime.now(UTC)
    valid = await with_key(database, acme, expires_at=now + A_MINUTE)
    expired = await with_key(database, acme, expires_at=now)
    assert (await api.get("/v1/operations", valid)).status_code == 200
    answer = await api.get("/v1/operations", expired)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_expired")


async def test_a_key_that_is_revoked_stops_at_once(api: Api, acme: Tenant, database: Database) -> None:
    assert (await api.get("/v1/operations", acme.auditor)).status_code == 200
    async with database.transaction() as session:
        key = await session.get(ApiKey, acme.auditor.api_key.split("_")[1])
        assert key is not None
        key.revoked_at = datetime.now(UTC)
    answer = await api.get("/v1/operations", acme.auditor)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_revoked")


async def test_somebody_who_left_stops_at_once(api: Api, acme: Tenant, database: Database) -> None:
    async with database.transaction() as session:
        person = await session.get(Person, acme.auditor.id)
        assert person is not None
        person.active = False
    answer = await api.get("/v1/operations", acme.auditor)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_revoked")


async def test_that_a_key_has_expired_is_told_to_its_holder_only(
    api: Api, acme: Tenant, database: Database
) -> None:
    expired = await with_key(database, acme, expires_at=datetime.now(UTC) - A_MINUTE)
    guess = "_".join([*expired.api_key.split("_")[:2], "0" * 64])
    answer = await api.http.get("/v1/operations", headers={"Authorization": f"Bearer {guess}"})
    assert answer.json()["code"] == "credentials_invalid"


async def test_the_scheme_is_read_in_any_case(api: Api, acme: Tenant) -> None:
    answer = await api.http.get("/v1/operations", headers={"Authorization": f"bEARER {acme.admin.api_key}"})
    assert answer.status_code == 200


async def test_everybody_with_a_key_reads(api: Api, acme: Tenant, database: Database) -> None:
    nobody_special = await member(database, acme.organization, [])
    for path in ("operations", "approvals", "notices", "organization", "plans", "customers", "invoices"):
        assert (await api.get(f"/v1/{path}", nobody_special)).status_code == 200, path


@ON_ONE_DATABASE
async def test_every_route_under_v1_needs_a_key(api: Api, acme: Tenant) -> None:
    routes = (await api.get("/openapi.json")).json()["paths"]
    asked = [(m, path) for path, methods in routes.items() if path.startswith("/v1") for m in methods]
    assert len(asked) > 10
    for method, path in asked:
        answer = await api.http.request(method, path.replace("{id}", "x"))
        assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing"), path

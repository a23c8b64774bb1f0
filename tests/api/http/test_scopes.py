"""What a key may be used for: of every route, and of the keys that it makes."""

from typing import Any

import pytest

from api.http.scopes import KeyScope, scope_of
from billing.core.operations import Role
from db.core.session import Database
from db.people.people import new_api_key

from ...support.builders import Member, Tenant, an_api_key, store
from ..conftest import ON_ONE_DATABASE, Api

READ, WRITE, DECIDE = KeyScope


async def by_key(database: Database, who: Member, *scopes: KeyScope) -> Member:
    key = new_api_key()
    await store(database, an_api_key(who.person, key, scopes=[str(scope) for scope in scopes]))
    return Member(who.person, key.plaintext)


@pytest.mark.parametrize(
    ("method", "route", "needed"),
    [
        ("GET", "/v1/operations/{id}/evidence", READ),
        ("HEAD", "/v1/me", READ),
        ("POST", "/v1/refunds/quote", READ),
        ("POST", "/v1/mail-templates/{name}/preview", READ),
        ("POST", "/v1/refunds", WRITE),
        ("POST", "/v1/refunds/{id}/cancel", WRITE),
        ("PATCH", "/v1/customers/{id}/settings", WRITE),
        ("DELETE", "/v1/portal-networks/{id}", WRITE),
        ("POST", "/v1/api-keys", WRITE),
        ("POST", "/v1/notices/{id}/acknowledge", WRITE),
        ("POST", "/v1/approvals/{id}/decision", DECIDE),
        ("POST", "/v1/approvals/{id}/delegate", DECIDE),
        ("POST", "/v1/delegations", DECIDE),
        ("POST", "/v1/delegations/{id}/accept", DECIDE),
        ("POST", "/v1/mail-templates/{name}/{language}/approve", DECIDE),
        ("POST", "/v1/plan-changes/{id}/resolution", DECIDE),
    ],
)
def test_a_route_needs_one_scope(method: str, route: str, needed: KeyScope) -> None:
    assert scope_of(method, route) is needed


@ON_ONE_DATABASE
async def test_every_route_refuses_a_key_without_its_scope(
    api: Api, acme: Tenant, database: Database
) -> None:
    """Whatever else is wrong with the request."""
    document = (await api.get("/openapi.json")).json()
    without = {
        scope: await by_key(database, acme.admin, *(one for one in KeyScope if one is not scope))
        for scope in KeyScope
    }
    asked = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not operation["security"]:
                continue
            [scope] = operation["security"][0]["ApiKey"]
            url = path.replace("{month}", "2026-03").replace("{n}", "1").replace("{id}", "op_1")
            url = url.replace("{pdf}", "x").replace("{name}", "reminder").replace("{language}", "de")
            answer = await api.http.request(method.upper(), url, headers=without[KeyScope(scope)].headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), (method, path)
            asked += 1
    assert asked > 100


@ON_ONE_DATABASE
async def test_scopes_never_give_what_the_person_may_not(api: Api, acme: Tenant, database: Database) -> None:
    mine = await by_key(database, acme.legal, *KeyScope)
    asked = await api.ask(mine)
    assert (asked.status_code, asked.json()["code"]) == (403, "role_missing")


@ON_ONE_DATABASE
async def test_a_refusal_says_which_scopes_there_are_and_which_is_missing(
    api: Api, acme: Tenant, database: Database
) -> None:
    answer = await api.ask(await by_key(database, acme.admin, DECIDE, READ))
    assert answer.json()["detail"].startswith(
        "This requires the scope write, and this API key has only read, decide;"
    )


@ON_ONE_DATABASE
async def test_a_key_makes_none_that_may_do_more(api: Api, acme: Tenant, database: Database) -> None:
    mine = await by_key(database, acme.admin, READ, WRITE)

    async def made(**body: Any) -> Any:
        return (await api.post("/v1/api-keys", mine, {"name": "Export"} | body)).json()

    assert (await made())["scopes"] == ["read", "write"]
    assert (await made(scopes=["read"]))["scopes"] == ["read"]
    assert (await made(scopes=["read", "decide"]))["code"] == "key_may_less"
    assert (await made(scopes=[]))["errors"][0]["pointer"] == "/scopes"
    assert (await made(scopes=["all"]))["errors"][0]["pointer"] == "/scopes/0"
    assert (await api.post("/v1/api-keys", acme.admin, {"name": "All"})).json()["scopes"] == list(KeyScope)


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", [Role.BILLING_ADMIN, Role.AUDITOR])
async def test_keys_from_before_and_from_provisioning_may_all(api: Api, acme: Tenant, role: Role) -> None:
    who = acme.members[role]
    rows = (await api.get("/v1/api-keys", who, person=who.id)).json()["data"]
    assert [row["scopes"] for row in rows] == [list(KeyScope)]

"""Whoever reads evidence, or takes rows with them as a file, is on record before they have it."""

import base64
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from billing.core.operations import Role
from billing.policy.policy import Policy
from db.core.session import Database

from ...support.builders import Member, Tenant, a_customer, store
from ..conftest import ON_ONE_DATABASE, Api, existing

PATH = "/v1/reads"
CSV = {"Accept": "text/csv"}


@pytest.fixture
async def operation(database: Database, acme: Tenant, policy: Policy) -> str:
    return (await existing(database, acme, policy))["operations"]


async def taken(api: Api, who: Member, path: str, **headers: str) -> Any:
    answer = await api.http.get(path, headers=who.headers | headers)
    assert answer.status_code == 200, answer.text
    return answer


async def recorded(api: Api, who: Member, **query: Any) -> list[tuple[str, str, str, str]]:
    rows = (await api.get(PATH, who, **query)).json()["data"]
    return [(row["what"], row["path"], row["query"], row["person"]) for row in rows]


async def test_evidence_and_files_are_recorded_with_who_when_and_by_what(
    api: Api, acme: Tenant, operation: str
) -> None:
    evidence = f"/v1/operations/{operation}/evidence"
    read = await taken(api, acme.auditor, evidence)
    await taken(api, acme.legal, "/v1/operations?state=accepted&q=Blue+Bottle", **CSV)
    await taken(api, acme.finance, "/v1/months/2026-03")
    period = "from=2026-03-01&to=2026-03-31"
    await taken(api, acme.finance, f"/v1/evidence/export?{period}")
    assert await recorded(api, acme.admin) == [
        ("evidence", "/v1/evidence/export", period, acme.finance.id),
        ("file", "/v1/months/2026-03", "", acme.finance.id),
        ("file", "/v1/operations", "state=accepted&q=…", acme.legal.id),
        ("evidence", evidence, "", acme.auditor.id),
    ]
    _, row = (await api.get(PATH, acme.admin, what="evidence")).json()["data"]
    assert row["request"] == read.headers["X-Request-Id"]
    assert (row["key"], row["session"]) == (acme.auditor.api_key.split("_")[1], None)
    assert row["address"] == "127.0.0.1"


@ON_ONE_DATABASE
async def test_no_name_is_recorded_by_way_of_a_cursor(api: Api, acme: Tenant, database: Database) -> None:
    """A page's cursor holds the last row's key; by name that is the customer's, and is kept when they are
    erased."""
    for id_ in ("cus_1", "cus_2"):
        await store(database, a_customer(acme.id, id=id_, name="Wilhelmina Quackenbush"))
    page = (await api.get("/v1/customers", acme.admin, sort="name", limit=1)).json()
    cursor = page["next_cursor"]
    assert b"quackenbush" in base64.urlsafe_b64decode(cursor + "==")
    await taken(api, acme.legal, f"/v1/customers?sort=name&cursor={cursor}", **CSV)
    [(*_, query, _)] = await recorded(api, acme.admin)
    assert query == "sort=name&cursor=…"


@ON_ONE_DATABASE
async def test_what_only_looks_is_not(api: Api, acme: Tenant, operation: str) -> None:
    await taken(api, acme.admin, "/v1/operations")
    await taken(api, acme.admin, f"/v1/operations/{operation}")
    await api.http.head(f"/v1/operations/{operation}/evidence", headers=acme.admin.headers)
    assert (await api.get("/v1/operations/op_none/evidence", acme.admin)).status_code == 404
    assert (await api.get(f"/v1/operations/{operation}/evidence")).status_code == 401
    assert await recorded(api, acme.admin) == []


@ON_ONE_DATABASE
async def test_who_sees_whose(api: Api, acme: Tenant, other: Tenant) -> None:
    for who in (acme.legal, acme.finance, other.legal):
        await taken(api, who, "/v1/customers", **CSV)
    for role, who in acme.members.items():
        people = [row[3] for row in await recorded(api, who)]
        everybodys = role in (Role.BILLING_ADMIN, Role.AUDITOR)
        mine = [who.id] if who in (acme.legal, acme.finance) else []
        assert people == ([acme.finance.id, acme.legal.id] if everybodys else mine), role
    assert await recorded(api, acme.controller, person=acme.legal.id) == []
    assert len(await recorded(api, acme.auditor, person=acme.legal.id)) == 1


@ON_ONE_DATABASE
async def test_who_takes_the_list_of_reads_is_in_it(api: Api, acme: Tenant) -> None:
    answer = await taken(api, acme.auditor, PATH, **CSV)
    _, row = answer.text.splitlines()
    assert f"{acme.auditor.id}," in row
    assert ",file,/v1/reads," in row


@ON_ONE_DATABASE
async def test_nothing_is_given_out_that_can_not_be_recorded(
    api: Api, acme: Tenant, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OperationalError("INSERT", None, OSError("gone"))

    monkeypatch.setattr("api.http.reads.reads.note", away)
    for path in (f"/v1/operations/{operation}/evidence", "/v1/months/2026-03"):
        answer = await api.get(path, acme.auditor)
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
        assert "timeline" not in answer.text
    assert (await api.get("/v1/operations", acme.auditor)).status_code == 200

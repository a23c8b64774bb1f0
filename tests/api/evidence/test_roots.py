"""Roots, keys and exports: what an auditor takes along is enough to find what is done to records later."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from api.evidence import exports
from billing.core.operations import Role
from billing.evidence.seals.files import File, read_file
from billing.evidence.seals.judgment import judge
from db.core.clock import utc_now
from db.core.session import Database
from worker.evidence.daily_roots import DailyRoots

from ...billing.evidence.sealing import SIGNER
from ...support.builders import Tenant
from ...support.evidence_stored import Insider
from ..conftest import Api
from ..giving import ask

EXPORTERS = {Role.AUDITOR, Role.CONTROLLER, Role.FINANCE}


async def night(database: Database, days: int = 1) -> None:
    """So many days from now the worker makes its roots."""
    await DailyRoots(database, SIGNER, clock=lambda: utc_now() + timedelta(days=days)).look()


async def read(api: Api, tenant: Tenant, path: str, **query: Any) -> File:
    answer = await api.get(path, tenant.auditor, **query)
    assert answer.status_code == 200, answer.text
    return read_file(path, answer.content)


def period() -> dict[str, str]:
    today = utc_now().date()
    return {"from": f"{today - timedelta(days=1)}", "to": f"{today + timedelta(days=2)}"}


async def export(api: Api, tenant: Tenant) -> File:
    return await read(api, tenant, "/v1/evidence/export", **period())


def found(*files: File) -> list[str]:
    return [str(fault) for fault in judge(files).faults]


async def test_what_an_auditor_takes_along_is_intact_and_fits_together(
    api: Api, acme: Tenant, other: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PAGE", 1)
    first = (await ask(api, acme.admin, "refunds", key="one")).json()["id"]
    await ask(api, other.admin, "refunds", key="theirs")
    await night(database)
    before = await export(api, acme)
    second = (await ask(api, acme.admin, "credits", key="two")).json()["id"]
    await night(database, 2)
    files = [
        await export(api, acme),
        before,
        *[await read(api, acme, f"/v1/evidence/{name}") for name in ("roots", "keys")],
        *[await read(api, acme, f"/v1/operations/{id_}/evidence") for id_ in (first, second)],
        *[await read(api, acme, f"/v1/operations/{id_}/evidence/seal") for id_ in (first, second)],
    ]
    assert found(*files) == []
    assert [root.number for root in files[0].roots] == [1, 2]
    assert [head.operation for heads in files[0].heads.values() for head in heads] == [first, second]
    assert {one.evidence.operation.id for one in files[0].evidence() if one.evidence} == {first, second}


async def test_who_kept_an_export_finds_by_name_what_was_removed_since(
    api: Api, acme: Tenant, database: Database
) -> None:
    """Whether the insider knows of the heads or not."""
    gone = (await ask(api, acme.admin, "refunds", key="one")).json()["id"]
    await ask(api, acme.admin, "credits", key="two")
    await night(database)
    kept = await export(api, acme)
    insider = Insider(database)
    await insider.does("DELETE FROM outbox", "DELETE FROM commitments")
    await insider.removes(gone)
    [fault] = found(await export(api, acme))
    assert fault.startswith(f"{gone}: it was removed: root 1 of ")
    await insider.does("DELETE FROM sealed_heads WHERE operation_id = :id", id=gone)
    assert any(fault.startswith(f"{gone}: it was removed") for fault in found(await export(api, acme), kept))


async def test_an_export_has_what_went_on_before_there_was_a_root(
    api: Api, acme: Tenant, database: Database
) -> None:
    id_ = (await ask(api, acme.admin, "refunds")).json()["id"]
    file = await export(api, acme)
    assert [one.evidence.operation.id for one in file.evidence() if one.evidence] == [id_]
    assert found(file) == []
    assert (await api.get(f"/v1/operations/{id_}/evidence/seal", acme.auditor)).status_code == 404


async def test_an_export_can_be_read_without_us(api: Api, acme: Tenant, database: Database) -> None:
    await ask(api, acme.admin, "refunds")
    await night(database)
    answer = await api.get("/v1/evidence/export", acme.auditor, **period())
    assert answer.headers["content-type"] == "application/zip"
    days = period()
    name = f"evidence-{days['from']}-{days['to']}.zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert acme.id in opened.read("README.md").decode()
        columns, row = opened.read("operations.csv").decode().splitlines()
        assert columns.startswith("id,kind,state,requested_by,")
        assert row.split(",")[1:4] == ["refund", "accepted", acme.admin.id]
        assert json.loads(opened.read("keys.json"))["keys"][0]["kid"] == SIGNER.public_key.kid


@pytest.mark.parametrize("role", list(Role))
async def test_an_export_is_for_auditors_controllers_and_finance(api: Api, acme: Tenant, role: Role) -> None:
    answer = await api.get("/v1/evidence/export", acme.members[role], **period())
    assert answer.status_code == (200 if role in EXPORTERS else 403)
    for path in ("roots", "heads", "keys"):
        assert (await api.get(f"/v1/evidence/{path}", acme.members[role])).status_code == 200


async def test_another_organizations_roots_are_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    id_ = (await ask(api, acme.admin, "refunds")).json()["id"]
    await night(database)
    theirs = await read(api, other, "/v1/evidence/roots")
    assert {root.organization for root in theirs.roots} == {other.id}
    assert (await api.get("/v1/evidence/heads", other.auditor)).json()["data"] == []
    assert (await api.get(f"/v1/operations/{id_}/evidence/seal", other.auditor)).status_code == 404
    assert [*(await export(api, other)).evidence()] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "period_inverted"),
        ({"from": "2025-03-01", "to": "2026-03-02"}, "period_too_long"),
        ({"from": "2026-03-01"}, "invalid_request"),
        ({"from": "2026-02-30", "to": "2026-03-01"}, "invalid_request"),
    ],
)
async def test_a_period_that_is_none_is_refused(
    api: Api, acme: Tenant, query: dict[str, str], code: str
) -> None:
    answer = await api.get("/v1/evidence/export", acme.auditor, **query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_roots_are_listed_by_days(api: Api, acme: Tenant, database: Database) -> None:
    for days in (1, 2, 3):
        await night(database, days)
    listed = (await api.get("/v1/evidence/roots", acme.auditor)).json()["data"]
    assert [row["number"] for row in listed] == [1, 2, 3]
    query = {"from": listed[1]["day"], "to": listed[1]["day"]}
    assert (await api.get("/v1/evidence/roots", acme.auditor, **query)).json()["data"] == [listed[1]]
    month = (await api.get(f"/v1/months/{listed[0]['day'][:7]}", acme.finance)).json()
    assert listed[0] in month["roots"]

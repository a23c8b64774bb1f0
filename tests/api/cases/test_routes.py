"""Cases over HTTP: listed, taken on and closed by those who give money back, with their note."""

import pytest

from billing.cases.case import CloseCase
from billing.core.operations import Role
from billing.money.notes import with_objects
from billing.policy.policy import Policy
from db.core.session import Database

from ...support.builders import Tenant, member
from ...support.case_rows import a_case
from ..conftest import Api
from ..giving import NOTE, sent


async def test_a_case_is_listed_and_read_with_what_it_is_about(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy
) -> None:
    case = await a_case(database, policy, acme.id, amount=700)
    listed = (await api.get("/v1/cases", acme.auditor, open="true", object_kind="refund")).json()["data"]
    shown = (await api.get(f"/v1/cases/{case.id}", acme.admin)).json()
    assert [one["id"] for one in listed] == [case.id]
    assert (shown["object"], shown["amount"]) == (
        case.request["object"],
        {"amount_minor": 700, "currency": "usd"},
    )
    assert (shown["deadline"], shown["owner"], shown["escalated"]) == ("2026-03-03T15:00:00Z", None, False)
    assert shown["allowed_actions"] == ["take", "close"]
    assert listed[0]["allowed_actions"] == [], "an auditor only looks"
    for query in ({"open": "false"}, {"object_kind": "subscription"}):
        assert (await api.get("/v1/cases", acme.auditor, **query)).json()["data"] == []
    operations = (await api.get("/v1/operations", acme.auditor, kind="case")).json()["data"]
    assert [one["id"] for one in operations] == [case.id]
    assert (await api.get("/v1/cases", other.admin)).json()["data"] == []
    for answer in (
        await api.get(f"/v1/cases/{case.id}", other.admin),
        await api.post(f"/v1/cases/{case.id}/take", other.admin),
        await api.post(f"/v1/cases/{case.id}/close", other.admin, {"note": NOTE}),
    ):
        assert answer.status_code == 404


async def test_what_is_said_of_a_case_is_recorded_though_temporal_is_down(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    case = await a_case(database, policy, acme.id)
    taken = await api.post(f"/v1/cases/{case.id}/take", acme.admin)
    assert (taken.status_code, taken.json()["pending"]) == (202, True)
    body = {"note": NOTE, "done_by": acme.controller.id}
    closed = await api.post(f"/v1/cases/{case.id}/close", acme.admin, body)
    assert closed.status_code == 202
    messages = {row.name: row.payload for row in await sent(database)}
    assert messages["take"] == {"person": acme.admin.id}
    assert CloseCase.model_validate(messages["close"]) == CloseCase(
        person=acme.admin.id, note=NOTE, done_by=acme.controller.id
    )
    noted = await api.post(f"/v1/cases/{case.id}/notes", acme.admin, {"note": NOTE})
    assert noted.json()["text"] == with_objects(NOTE, ["pi_1"])
    listed = (await api.get(f"/v1/cases/{case.id}/notes", acme.auditor)).json()["data"]
    assert [one["seq"] for one in listed] == [1]


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_who_may_not_and_what_is_wrong_is_said(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy
) -> None:
    case = await a_case(database, policy, acme.id)
    path = f"/v1/cases/{case.id}"
    gone = await member(database, acme.organization, [Role.CONTROLLER], active=False)
    for answer, code in (
        (await api.post(f"{path}/take", acme.finance), "role_missing"),
        (await api.post(f"{path}/close", acme.legal, {"note": NOTE}), "role_missing"),
        (await api.post(f"{path}/close", acme.admin, {}), "note_missing"),
        (await api.post(f"{path}/close", acme.admin, {"note": "short"}), "note_too_short"),
        (
            await api.post(f"{path}/close", acme.admin, {"note": NOTE, "done_by": other.admin.id}),
            "done_by_unknown",
        ),
        (
            await api.post(f"{path}/close", acme.admin, {"note": NOTE, "done_by": acme.auditor.id}),
            "done_by_unfit",
        ),
        (await api.post(f"{path}/close", acme.admin, {"note": NOTE, "done_by": gone.id}), "done_by_unfit"),
        (await api.post(f"{path}/confirm", acme.admin, {"made": True}), "not_confirmable"),
        (await api.post(f"{path}/confirm", acme.auditor, {"made": True}), "role_missing"),
    ):
        assert answer.json()["code"] == code, answer.text
    assert [row.name for row in await sent(database)] == ["CaseWorkflow"]

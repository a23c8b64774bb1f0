"""Runs that compare with Stripe, over HTTP. Temporal is down: what is asked for is kept and starts later."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.mirror.reconciliation import ReconcileInput
from db.core.session import Database
from db.tables import DifferenceRow, Outbox, Reconciliation

from ...support.builders import NOW, Tenant, store
from ...support.reconciliation_rows import a_difference, a_run
from ..conftest import ON_ONE_DATABASE, Api, counted


@pytest.fixture
async def run(database: Database, acme: Tenant, other: Tenant) -> Reconciliation:
    """By schedule: it found a customer of the one organization and an invoice of the other."""
    counts = {acme.id: {"customer": 3, "refund": 1}, other.id: {"customer": 5, "invoice": 9}}
    made = a_run(state="completed", ended_at=NOW, counts=counts)
    await store(database, made)
    theirs = a_difference(made, other.id, object_kind="invoice", object_id="in_1")
    await store(database, a_difference(made, acme.id), theirs)
    return made


async def test_a_run_that_is_asked_for_is_recorded_and_its_start_too(
    api: Api, acme: Tenant, database: Database
) -> None:
    answer = await api.post("/v1/reconciliations", acme.admin)

    assert answer.status_code == 202
    shown = answer.json()
    assert answer.headers["Location"] == f"/v1/reconciliations/{shown['id']}"
    assert (shown["state"], shown["stage"], shown["requested_by"]) == ("running", "waiting", acme.admin.id)
    async with database.reading() as session:
        [row] = await session.exec(select(Reconciliation))
        [start] = await session.exec(select(Outbox))
    assert (row.id, row.organization_id) == (shown["id"], acme.id)
    assert (start.name, start.workflow_id) == ("ReconcileWorkflow", row.workflow_id)
    assert ReconcileInput.model_validate(start.payload) == ReconcileInput(reconciliation=row.id)


async def test_one_that_still_runs_is_answered_again_to_its_own_organization(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    await store(database, a_run())  # by schedule: it may have looked already at what is asked about now
    first = (await api.post("/v1/reconciliations", acme.admin)).json()
    again = (await api.post("/v1/reconciliations", acme.controller)).json()
    theirs = (await api.post("/v1/reconciliations", other.controller)).json()

    assert again["id"] == first["id"] != theirs["id"]
    assert await counted(database, Reconciliation, Outbox) == [3, 2]


@ON_ONE_DATABASE
async def test_only_who_gives_money_back_asks_for_one(api: Api, acme: Tenant, database: Database) -> None:
    answers = [await api.post("/v1/reconciliations", who) for who in (acme.auditor, acme.finance, acme.legal)]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "role_missing")] * 3
    assert await counted(database, Reconciliation, Outbox) == [0, 0]


async def test_a_run_shows_what_it_compared_of_this_organization_alone(
    api: Api, acme: Tenant, run: Reconciliation
) -> None:
    shown = (await api.get(f"/v1/reconciliations/{run.id}", acme.auditor)).json()
    assert (shown["requested_by"], shown["state"]) == ("system", "completed")
    assert shown["counts"] == [
        {"object_kind": "customer", "compared": 3, "differing": 1},
        {"object_kind": "refund", "compared": 1, "differing": 0},
    ]
    listed = (await api.get("/v1/reconciliations", acme.auditor)).json()
    assert listed["data"] == [shown]


@ON_ONE_DATABASE
async def test_a_run_that_another_organization_asked_for_is_not_there(
    api: Api, acme: Tenant, other: Tenant, run: Reconciliation
) -> None:
    theirs = (await api.post("/v1/reconciliations", other.admin)).json()
    hidden = await api.get(f"/v1/reconciliations/{theirs['id']}", acme.admin)
    listed = (await api.get("/v1/reconciliations", acme.admin)).json()["data"]
    assert (hidden.status_code, [one["id"] for one in listed]) == (404, [run.id])


@ON_ONE_DATABASE
async def test_runs_are_listed_by_state_and_the_newest_first(
    api: Api, acme: Tenant, database: Database, run: Reconciliation
) -> None:
    failed = {"state": "failed", "error": {"code": "rate_limit", "message": "Too many requests."}}
    later = a_run(started_at=NOW + timedelta(minutes=15), **failed)
    await store(database, later)

    every = (await api.get("/v1/reconciliations", acme.admin)).json()["data"]
    some = (await api.get("/v1/reconciliations", acme.admin, state="failed")).json()["data"]

    assert [one["id"] for one in every] == [later.id, run.id]
    assert [(one["id"], one["error"]) for one in some] == [(later.id, failed["error"])]


async def test_differences_are_this_organizations_and_can_be_asked_for_by_object(
    api: Api, acme: Tenant, run: Reconciliation, database: Database
) -> None:
    money = [{"name": "amount_paid", "ours": 0, "stripe": 500, "currency": "usd"}]
    paid = a_difference(run, acme.id, object_kind="invoice", object_id="in_2", fields=money)
    await store(database, paid)

    async def asked(**query: str) -> list[dict[str, Any]]:
        answer = await api.get("/v1/differences", acme.auditor, **query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    assert {one["object"] for one in await asked()} == {"cus_1", "in_2"}
    assert await asked(object="in_1") == await asked(reconciliation="rec_none") == []
    [one] = await asked(object_kind="invoice", reconciliation=run.id)
    assert one == {
        "id": paid.id,
        "reconciliation": run.id,
        "object_kind": "invoice",
        "object": "in_2",
        "fields": money,
        "since": "2026-03-02T15:00:00Z",
        "found_at": "2026-03-02T15:00:00Z",
        "correction": "overwritten",
    }


@ON_ONE_DATABASE
async def test_a_kind_that_there_is_not_is_refused(api: Api, acme: Tenant) -> None:
    answer = await api.get("/v1/differences", acme.auditor, object_kind="plan")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_differences_come_in_pages(
    api: Api, acme: Tenant, run: Reconciliation, database: Database
) -> None:
    more = [a_difference(run, acme.id, object_id=f"cus_{number}") for number in range(2, 5)]
    await store(database, *more)
    first = (await api.get("/v1/differences", acme.auditor, limit=3)).json()
    last = (await api.get("/v1/differences", acme.auditor, limit=3, cursor=first["next_cursor"])).json()
    seen = [one["object"] for one in first["data"] + last["data"]]
    assert sorted(seen) == ["cus_1", "cus_2", "cus_3", "cus_4"]
    assert (len(first["data"]), last["next_cursor"]) == (3, None)
    assert await counted(database, DifferenceRow) == [5]

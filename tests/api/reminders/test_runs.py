"""Runs that remind customers, over HTTP. Temporal is down here, so that what people say stays on its way."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select

from billing.core.operations import SYSTEM, Kind
from billing.policy.policy import Policy
from billing.reminders.rules import words
from billing.reminders.runs import ReminderRunInput, RunPause
from db.core.session import Database
from db.mail import customer_mails
from db.tables import CustomerMail, Operation, Outbox, new_id

from ...support.builders import NOW, Tenant, an_operation, store
from ..conftest import ON_ONE_DATABASE, Api, counted

HELD_UNTIL = datetime(2026, 3, 3, 14, 0, tzinfo=UTC)


def a_run(acme: Tenant, **fields: Any) -> Operation:
    defaults = {"kind": Kind.REMINDER_RUN.value, "request": {"dry_run": False}, "requested_by": SYSTEM}
    return an_operation(acme, **defaults | fields)


def decided(run: Operation, invoice: str, **fields: Any) -> dict[str, Any]:
    """A reminder as a run writes it: all columns."""
    defaults: dict[str, Any] = {
        "id": new_id("cml"),
        "organization_id": run.organization_id,
        "customer_id": "cus_blue",
        "invoice_id": invoice,
        "step": "due-7d",
        "template": customer_mails.REMINDER,
        "operation_id": run.id,
        "state": "due",
        "reason": "due",
        "amount_minor": 10_000,
        "currency": "usd",
        "decided_at": NOW,
        "due_at": NOW,
    }
    return CustomerMail(**defaults | fields).model_dump()


async def add(database: Database, *rows: dict[str, Any]) -> None:
    async with database.transaction() as session:
        await customer_mails.add_decisions(session, rows)


@pytest.mark.parametrize(("body", "dry_run"), [(None, False), ({}, False), ({"dry_run": True}, True)])
async def test_a_run_that_is_asked_for_is_recorded_and_started_once(
    api: Api, acme: Tenant, database: Database, policy: Policy, body: Any, dry_run: bool
) -> None:
    first = await api.post("/v1/reminder-runs", acme.controller, body, key="now")
    again = await api.post("/v1/reminder-runs", acme.admin, {"dry_run": dry_run}, key="now")
    assert (first.status_code, again.status_code) == (202, 202)
    run = first.json()
    assert again.json()["id"] == run["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (run["kind"], run["request"], run["requested_by"], run["allowed_actions"]) == (
        "reminder_run",
        {"dry_run": dry_run},
        acme.controller.id,
        ["pause", "cancel"],
    )
    async with database.reading() as session:
        row = (await session.exec(select(Outbox))).one()
    assert (row.action, row.name, row.workflow_id) == (
        "start",
        "ReminderSweepWorkflow",
        f"operation-{run['id']}",
    )
    assert ReminderRunInput.model_validate(row.payload) == ReminderRunInput(
        organization=acme.id, operation=run["id"], dry_run=dry_run, policy=policy
    )


@ON_ONE_DATABASE
async def test_the_same_key_for_a_dry_run_is_refused(api: Api, acme: Tenant) -> None:
    await api.post("/v1/reminder-runs", acme.admin, {}, key="now")
    answer = await api.post("/v1/reminder-runs", acme.admin, {"dry_run": True}, key="now")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", ["", "/{id}/pause", "/{id}/resume", "/{id}/cancel"])
async def test_who_may_not_give_money_back_does_not_write_to_customers_either(
    api: Api, acme: Tenant, database: Database, path: str
) -> None:
    run = a_run(acme)
    await store(database, run)
    answer = await api.post("/v1/reminder-runs" + path.format(id=run.id), acme.finance, {}, key="now")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


async def test_runs_are_listed_newest_first_and_filtered(api: Api, acme: Tenant, database: Database) -> None:
    by_schedule = a_run(acme, closed_at=NOW)
    dry = a_run(acme, request={"dry_run": True}, requested_by=acme.admin.id)
    await store(database, by_schedule, dry, an_operation(acme))

    async def shown(**query: Any) -> list[tuple[str, str]]:
        page = (await api.get("/v1/reminder-runs", acme.auditor, **query)).json()
        return [(run["id"], run["requested_by"]) for run in page["data"]]

    old, new = (by_schedule.id, "system"), (dry.id, acme.admin.id)
    assert await shown() == [new, old]
    assert await shown(dry_run=True) == [new]
    assert await shown(dry_run=False) == [old]
    assert await shown(open=True) == [new]
    assert await shown(open=False) == [old]
    first = (await api.get("/v1/reminder-runs", acme.auditor, limit=1)).json()
    assert [run["id"] for run in first["data"]] == [dry.id]
    assert await shown(limit=1, cursor=first["next_cursor"]) == [old]


async def test_a_run_shows_its_counts_with_words_and_amounts_by_currency(
    api: Api, acme: Tenant, database: Database
) -> None:
    run = a_run(acme, state="running", stage="sending", subject={"dry_run": False, "seen": 7})
    await store(database, run)
    await add(
        database,
        decided(run, "in_1", state="sent", reason="sent", settled_at=NOW),
        decided(run, "in_2", state="held", reason="weekend", due_at=HELD_UNTIL),
        decided(run, "in_3", state="held", reason="weekend", amount_minor=250, currency="eur"),
        decided(run, "in_4", state="held", reason="weekend", amount_minor=50),
    )
    found = (await api.get(f"/v1/reminder-runs/{run.id}", acme.auditor)).json()
    assert (found["id"], found["requested_by"], found["stage"]) == (run.id, "system", "sending")
    assert found["progress"] == {
        "seen": 7,
        "mails": 4,
        "counts": [
            {
                "state": "held",
                "reason": "weekend",
                "words": words("weekend"),
                "mails": 3,
                "amounts": [
                    {"amount_minor": 250, "currency": "eur"},
                    {"amount_minor": 10_050, "currency": "usd"},
                ],
            },
            {
                "state": "sent",
                "reason": "sent",
                "words": words("sent"),
                "mails": 1,
                "amounts": [{"amount_minor": 10_000, "currency": "usd"}],
            },
        ],
    }


async def test_a_dry_run_counts_and_lists_what_is_its_own(api: Api, acme: Tenant, database: Database) -> None:
    run, dry = a_run(acme), a_run(acme, request={"dry_run": True})
    await store(database, run, dry)
    mine = decided(dry, "in_1", dry_run=dry.id)
    await add(database, decided(run, "in_1", state="sent", reason="sent"), mine)
    found = (await api.get(f"/v1/reminder-runs/{dry.id}", acme.admin)).json()["progress"]
    assert [(count["state"], count["mails"]) for count in found["counts"]] == [("due", 1)]
    listed = (await api.get(f"/v1/reminder-runs/{dry.id}/decisions", acme.admin)).json()["data"]
    assert [one["id"] for one in listed] == [mine["id"]]


async def test_decisions_are_listed_with_their_reasons_a_page_at_a_time(
    api: Api, acme: Tenant, database: Database
) -> None:
    run = a_run(acme)
    await store(database, run)
    held = decided(run, "in_1", state="held", reason="quiet_hours", due_at=HELD_UNTIL)
    sent = decided(run, "in_2", state="sent", reason="sent", settled_at=NOW)
    await add(database, held, sent)
    path = f"/v1/reminder-runs/{run.id}/decisions"
    first = (await api.get(path, acme.auditor, limit=1)).json()
    assert [one["id"] for one in first["data"]] == [sent["id"]]
    rest = (await api.get(path, acme.auditor, limit=1, cursor=first["next_cursor"])).json()
    assert rest == {
        "data": [
            {
                "id": held["id"],
                "run": run.id,
                "invoice": "in_1",
                "customer": "cus_blue",
                "step": "due-7d",
                "state": "held",
                "reason": "quiet_hours",
                "words": words("quiet_hours"),
                "decided_at": "2026-03-02T15:00:00Z",
                "due_at": "2026-03-03T14:00:00Z",
                "settled_at": None,
                "amount": {"amount_minor": 10_000, "currency": "usd"},
            }
        ],
        "next_cursor": None,
    }
    only = (await api.get(path, acme.auditor, state="sent")).json()["data"]
    assert [one["id"] for one in only] == [sent["id"]]


@pytest.mark.parametrize(
    ("action", "event"),
    [("pause", "pause_requested"), ("resume", "resume_requested"), ("cancel", "cancellation_requested")],
)
async def test_what_people_tell_a_run_is_recorded_once_and_on_its_way(
    api: Api, acme: Tenant, database: Database, action: str, event: str
) -> None:
    run = a_run(acme, state="running", stage="sending", allowed_actions=["pause", "resume", "cancel"])
    await store(database, run)
    for body in ({"comment": "Prices are wrong."}, None):
        answer = await api.post(f"/v1/reminder-runs/{run.id}/{action}", acme.controller, body)
        assert (answer.status_code, answer.json()["pending"]) == (202, True)
    async with database.reading() as session:
        row = (await session.exec(select(Outbox))).one()
    assert (row.action, row.name, row.workflow_id) == ("update", action, run.workflow_id)
    said = RunPause(person=acme.controller.id, comment="Prices are wrong.")
    assert RunPause.model_validate(row.payload) == said
    timeline = (await api.get(f"/v1/operations/{run.id}/timeline", acme.auditor)).json()["data"]
    assert [(one["code"], one["actor"], one["detail"]) for one in timeline] == [
        (event, acme.controller.id, {"comment": "Prices are wrong."})
    ]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("action", "code"),
    [("pause", "not_pausable"), ("resume", "not_resumable"), ("cancel", "not_cancellable")],
)
async def test_a_run_that_has_ended_is_told_nothing_more(
    api: Api, acme: Tenant, database: Database, action: str, code: str
) -> None:
    run = a_run(acme, state="completed", stage="completed", allowed_actions=[], closed_at=NOW)
    await store(database, run)
    answer = await api.post(f"/v1/reminder-runs/{run.id}/{action}", acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["detail"].count("completed") == 2
    assert await counted(database, Outbox) == [0]


@ON_ONE_DATABASE
async def test_other_organizations_runs_and_other_operations_are_not_found(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    theirs, change = a_run(other), an_operation(acme)
    await store(database, theirs, change)
    assert (await api.get("/v1/reminder-runs", acme.admin)).json()["data"] == []
    for id_ in (theirs.id, change.id):
        for path in (f"/v1/reminder-runs/{id_}", f"/v1/reminder-runs/{id_}/decisions"):
            assert (await api.get(path, acme.admin)).status_code == 404
        for action in ("pause", "resume", "cancel"):
            answer = await api.post(f"/v1/reminder-runs/{id_}/{action}", acme.admin)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await counted(database, Outbox) == [0]

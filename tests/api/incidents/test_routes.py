"""The banner, incidents and their runbooks over HTTP, on rows as their workflow leaves them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.incidents.key_permissions import Capability
from billing.incidents.runbooks import Component, runbook
from billing.mail.messages import MailRequest
from db.core.session import Database
from db.incidents.mails import mail_key
from db.portal import links as portal_links
from db.tables import CustomerMail, HealthCount, Hold, Incident, Outbox, new_id

from ...support.builders import NOW, Tenant, a_customer, an_invoice, an_operation, store
from ..conftest import ON_ONE_DATABASE, Api, serving

NOTE = {"note": "The key was rolled; all held refunds went through."}


async def an_incident(database: Database, **fields: Any) -> Incident:
    defaults: dict[str, Any] = {
        "id": new_id("inc"),
        "component": "stripe",
        "cause": "rate_limit",
        "first_fault_at": NOW,
        "opened_at": NOW + timedelta(seconds=30),
        "alerted_at": NOW + timedelta(seconds=31),
        "last_check_at": NOW + timedelta(minutes=5),
    }
    incident = Incident(**defaults | fields)
    await store(database, incident)
    return incident


def recovered() -> dict[str, Any]:
    return {"recovered_at": NOW + timedelta(minutes=10)}


async def a_hold(database: Database, of: Tenant, number: int = 1) -> str:
    operation = an_operation(of, kind="refund", state="held")
    hold = Hold(
        id=new_id("hold"),
        operation_id=operation.id,
        organization_id=of.id,
        workflow_id=operation.workflow_id,
        component="stripe",
        state="running",
        held_at=NOW + timedelta(seconds=number),
    )
    await store(database, operation, hold)
    return operation.id


@ON_ONE_DATABASE
async def test_the_banner_is_empty_when_all_is_well(api: Api, acme: Tenant, database: Database) -> None:
    await an_incident(database, **recovered(), cleared_at=NOW + timedelta(hours=1))
    answer = await api.get("/v1/banner", acme.auditor)
    assert (answer.status_code, answer.json()) == (200, {"degraded": False, "incidents": []})
    assert (await api.get("/v1/banner")).status_code == 401


async def test_the_banner_says_what_it_means_and_counts_what_is_held_of_ones_own(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    incident = await an_incident(database)
    held = [await a_hold(database, acme, number) for number in (1, 2)]
    await a_hold(database, other)
    banner = (await api.get("/v1/banner", acme.auditor)).json()
    assert banner["degraded"] is True
    [shown] = banner["incidents"]
    assert (shown["severity"], shown["state"], shown["held"]) == ("degraded", "degraded", 2)
    assert shown["words"]
    assert {one["capability"] for one in shown["capabilities"] if one["words"]} == set(Capability)
    detail = (await api.get(shown["runbook"], acme.auditor)).json()
    assert detail["id"] == incident.id
    assert [one["id"] for one in detail["held_operations"]] == held
    assert [step["text"] for step in detail["steps"]] == list(runbook(Component.STRIPE).steps)
    times = (detail["seconds_to_detect"], detail["seconds_to_alert"], detail["seconds_to_clear"])
    assert times == (30, 1, None)


@ON_ONE_DATABASE
async def test_mails_that_were_tried_and_put_off_are_held_by_the_mail_server(
    api: Api, acme: Tenant, database: Database
) -> None:
    await an_incident(database, component="mail", cause="mail_server_unreachable")
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    await store(database, customer, invoice)
    for number, attempts in enumerate((0, 1, 4)):
        mail = CustomerMail(
            id=new_id("mail"),
            organization_id=acme.id,
            customer_id=customer.id,
            invoice_id=invoice.id,
            step=f"due-{number}d",
            template="reminder",
            state="due",
            reason="due",
            amount_minor=100,
            currency="usd",
            decided_at=NOW,
            due_at=NOW,
            attempts=attempts,
        )
        await store(database, mail)
    [shown] = (await api.get("/v1/banner", acme.auditor)).json()["incidents"]
    assert (shown["severity"], shown["held"]) == ("down", 2)


@ON_ONE_DATABASE
async def test_they_are_listed_the_newest_first_and_filtered(
    api: Api, acme: Tenant, database: Database
) -> None:
    over = await an_incident(database, **recovered(), cleared_at=NOW + timedelta(hours=1))
    open_ = await an_incident(database, component="mail", opened_at=NOW + timedelta(hours=2))
    every = (await api.get("/v1/incidents", acme.auditor)).json()["data"]
    assert [one["id"] for one in every] == [open_.id, over.id]
    for wanted, found in (("true", open_.id), ("false", over.id)):
        [one] = (await api.get("/v1/incidents", acme.auditor, open=wanted)).json()["data"]
        assert one["id"] == found
    page = (await api.get("/v1/incidents", acme.auditor, limit=1)).json()
    rest = (await api.get("/v1/incidents", acme.auditor, limit=1, cursor=page["next_cursor"])).json()
    assert [one["id"] for one in page["data"] + rest["data"]] == [open_.id, over.id]
    assert (await api.get("/v1/incidents/inc_none", acme.auditor)).status_code == 404


async def test_steps_are_ticked_off_for_all_and_named_for_ones_own(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    incident = await an_incident(database)
    path = f"/v1/incidents/{incident.id}/steps"
    ticked = await api.post(f"{path}/2", acme.admin, {"comment": "Two refunds wait."})
    assert ticked.status_code == 200, ticked.text
    again = await api.post(f"{path}/2", other.controller, {})
    step = again.json()["steps"][1]
    assert (step["done"], step["done_by"], step["comment"]) == (True, None, None)
    step = (await api.get(f"/v1/incidents/{incident.id}", acme.auditor)).json()["steps"][1]
    assert (step["done_by"], step["comment"]) == (acme.admin.id, "Two refunds wait.")

    await api.post(f"{path}/2", other.controller, {"done": False})
    assert (await api.get(f"/v1/incidents/{incident.id}", acme.auditor)).json()["steps"][1]["done"]
    taken_back = await api.post(f"{path}/2", acme.controller, {"done": False})
    assert not taken_back.json()["steps"][1]["done"]


@ON_ONE_DATABASE
async def test_who_may_and_what_there_is_no_step_of(api: Api, acme: Tenant, database: Database) -> None:
    incident = await an_incident(database)
    path = f"/v1/incidents/{incident.id}"
    for who in (acme.legal, acme.finance, acme.auditor):
        assert (await api.post(f"{path}/steps/1", who, {})).json()["code"] == "role_missing"
        assert (await api.post(f"{path}/resolve", who, NOTE)).json()["code"] == "role_missing"
    answer = await api.post(f"{path}/steps/99", acme.admin, {})
    assert (answer.status_code, answer.json()["code"]) == (404, "step_unknown")
    assert (await api.post("/v1/incidents/inc_none/steps/1", acme.admin, {})).status_code == 404
    assert (await api.post("/v1/incidents/inc_none/resolve", acme.admin, NOTE)).status_code == 404


async def test_a_note_is_recorded_once_while_temporal_is_down(
    api: Api, acme: Tenant, database: Database
) -> None:
    incident = await an_incident(database, **recovered())
    for _ in range(2):
        answer = await api.post(f"/v1/incidents/{incident.id}/resolve", acme.admin, NOTE)
        assert (answer.status_code, answer.json()["pending"]) == (202, True)
    async with database.reading() as session:
        [row] = await session.exec(select(Outbox).where(Outbox.name == "resolve"))
    assert row.workflow_id == f"incident-{incident.id}"
    assert row.payload == {
        "incident": incident.id,
        "person": acme.admin.id,
        "organization": acme.id,
        "note": NOTE["note"],
    }


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("fields", "body", "status", "code"),
    [
        ({}, NOTE, 409, "still_degraded"),
        (recovered() | {"cleared_at": NOW + timedelta(hours=1)}, NOTE, 409, "already_cleared"),
        (recovered(), {"note": "Done."}, 422, "note_too_short"),
        (recovered(), {}, 422, "note_missing"),
    ],
)
async def test_a_note_that_is_not_taken(
    api: Api, acme: Tenant, database: Database, fields: dict[str, Any], body: Any, status: int, code: str
) -> None:
    incident = await an_incident(database, **fields)
    answer = await api.post(f"/v1/incidents/{incident.id}/resolve", acme.admin, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@ON_ONE_DATABASE
async def test_the_note_and_who_was_told_are_shown_within_their_organization(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    incident = await an_incident(
        database,
        **recovered(),
        cleared_at=NOW + timedelta(hours=1),
        cleared_by=acme.admin.id,
        cleared_in=acme.id,
        note=NOTE["note"],
    )
    told = Outbox(
        id=new_id("out"),
        action="mail",
        workflow_id=MailRequest(
            organization=acme.id,
            operation="",
            key=mail_key(incident.id, "alert-1"),
            template="incident_alert",
        ).id,
        name="incident_alert",
        payload={"roles": ["controller"], "template": "incident_alert"},
        created_at=NOW,
        next_attempt_at=NOW,
    )
    await store(database, told)
    ours = (await api.get(f"/v1/incidents/{incident.id}", acme.auditor)).json()
    assert (ours["note"], ours["cleared_by"]) == (NOTE["note"], acme.admin.id)
    assert ours["seconds_to_clear"] == 3570
    assert ours["told"] == [{"role": "controller", "what": "incident_alert", "at": "2026-03-02T15:00:00Z"}]
    theirs = (await api.get(f"/v1/incidents/{incident.id}", other.auditor)).json()
    assert (theirs["note"], theirs["cleared_by"], theirs["told"]) == (None, None, [])


# --- What the API itself counts ---------------------------------------------------------------------------


@ON_ONE_DATABASE
async def test_metrics_name_the_components_with_an_open_incident(
    api: Api, acme: Tenant, database: Database
) -> None:
    await an_incident(database, component="mail", **recovered())
    figures = await api.figures()
    assert 'plixo_incidents_open{component="mail"} 1.0' in figures
    assert 'plixo_incidents_open{component="stripe"} 0.0' in figures


async def test_visits_to_the_customers_pages_are_counted_and_written_when_it_stops(
    api: Api, database: Database
) -> None:
    async with api.app.router.lifespan_context(api.app):
        await api.get("/portal/")
        await api.get("/portal/style.css")
        await api.get("/v1/banner")
    async with database.reading() as session:
        rows = (await session.exec(select(HealthCount))).all()
    assert {row.component for row in rows} == {"portal"}
    assert (sum(row.ok for row in rows), sum(row.faults for row in rows)) == (2, 0)


@ON_ONE_DATABASE
async def test_a_page_without_records_is_a_fault_of_the_portal(
    api: Api, database: Database, policy: Any, no_temporal: Any
) -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/none")
    async for lost in serving(away, policy, no_temporal):
        token = "a" * 43
        cookie = {"Cookie": f"plixo_portal={token}"}
        page = f"/portal/i/{portal_links.page_id(token)}/"
        assert (await lost.http.get(page, headers=cookie)).status_code == 503
        await lost.context.meter.flush(database)
    async with database.reading() as session:
        [row] = (await session.exec(select(HealthCount))).all()
    assert (row.component, row.faults, row.codes) == ("portal", 1, {"records_away": 1})
    await away.dispose()

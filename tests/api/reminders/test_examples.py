"""The examples of reminder runs and of one invoice's reminders, as the API answers."""

from datetime import timedelta
from typing import Any

from ...support.builders import NOW
from ..conftest import ON_ONE_DATABASE
from ..recording import CUSTOMER, INVOICE, ExampleHouse, first
from .test_runs import a_run, add, decided

pytestmark = ON_ONE_DATABASE
RUN = "op_01JD0V9K2M5P8R1T4W7Z0C3F6H"


async def test_a_run_is_asked_for(house: ExampleHouse) -> None:
    body = house.body("run_body")
    await house.request("accepted_run", "POST", "/v1/reminder-runs", body=body, **{"Idempotency-Key": "run"})


async def test_a_run_is_read_with_its_progress_and_decisions(house: ExampleHouse) -> None:
    run = a_run(
        house.acme,
        id=RUN,
        requested_by=house.acme.admin.id,
        state="running",
        stage="sending",
        subject={"dry_run": False, "seen": 3},
        allowed_actions=["pause", "cancel"],
    )
    sent = {"state": "sent", "reason": "sent", "settled_at": NOW + timedelta(seconds=1)}
    held = {"state": "held", "reason": "quiet_hours", "due_at": NOW + timedelta(hours=16)}
    await house.store(run)
    await add(house.database, decided(run, INVOICE, customer_id=CUSTOMER, amount_minor=100_000, **sent))
    await add(house.database, decided(run, "in_other", currency="eur", amount_minor=42_000, **held))
    await house.get("sending_run", f"/v1/operations/{RUN}")
    await house.get("run_with_progress", f"/v1/reminder-runs/{RUN}")
    await house.get("decision", f"/v1/reminder-runs/{RUN}/decisions?state=sent", part=first)
    await house.get("invoice_reminders", f"/v1/invoices/{INVOICE}/reminders")


async def test_a_run_that_waits_and_one_that_was_called_off(house: ExampleHouse) -> None:
    paused = {"state": "held", "stage": "paused", "allowed_actions": ["resume", "cancel"]}
    counts = [
        {"state": "sent", "reason": "sent", "mails": 1, "amounts": {"usd": 100_000}},
        {"state": "skipped", "reason": "called_off", "mails": 1, "amounts": {"usd": 5_000}},
    ]
    cancelled = {
        "id": "op_01JD0V9K2M5P8R1T4W7Z0C3F6J",
        "state": "cancelled",
        "stage": "cancelled",
        "result": {"seen": 3, "dry_run": False, "counts": counts},
        "allowed_actions": [],
    }
    by: dict[str, Any] = {"requested_by": house.acme.admin.id, "subject": {"dry_run": False, "seen": 3}}
    await house.store(a_run(house.acme, **by | paused, id=RUN), a_run(house.acme, **by | cancelled))
    await house.get("paused_run", f"/v1/operations/{RUN}")
    await house.get("cancelled_run", f"/v1/operations/{cancelled['id']}")


async def test_reminders_of_an_invoice_are_paused_and_go_on(house: ExampleHouse) -> None:
    path = f"/v1/invoices/{INVOICE}/reminder-pause"
    await house.request("paused_invoice", "PUT", path, body=house.body("pause_body"))
    await house.request("invoice_not_paused", "DELETE", path)

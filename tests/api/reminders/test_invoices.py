"""Reminders of one invoice, over HTTP: what was decided, what is next or why nothing is, and the pause."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response

from billing.core.business_time import local_day
from billing.policy.policy import Policy
from billing.reminders.rules import Rules, next_step
from db.core.session import Database
from db.reminders import facts as reminder_rows
from db.tables import CustomerSettings, Invoice, ReminderPause

from ...support.builders import Member, Tenant, a_customer, an_invoice, store
from ..conftest import ON_ONE_DATABASE, Api, counted
from .test_runs import a_run, add, decided

NOW = datetime.now(UTC)
ZONE = "Pacific/Kiritimati"
TODAY = local_day(NOW, ZONE)
"""Where it is the furthest on; a day later if a test runs over midnight there, which changes nothing here."""

NOT_PAUSED = {"paused": False, "until": None, "reason": None, "paused_by": None, "paused_at": None}


async def owed(database: Database, acme: Tenant, *, opted_out: bool = False, **fields: Any) -> Invoice:
    """An open invoice, due in thirty days, of a customer in the Line Islands."""
    customer = a_customer(acme.id)
    settings = CustomerSettings(
        customer_id=customer.id,
        organization_id=acme.id,
        zone=ZONE,
        opted_out_at=NOW if opted_out else None,
        updated_at=NOW,
        updated_by=acme.admin.id,
    )
    due = {"due_date": NOW + timedelta(days=30), "collection_method": "send_invoice"}
    invoice = an_invoice(customer, **due | fields)
    await store(database, customer, settings, invoice)
    return invoice


async def read(api: Api, who: Member, invoice: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/v1/invoices/{invoice}/reminders", who, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pause(api: Api, who: Member, invoice: str, **body: Any) -> Response:
    path = f"/v1/invoices/{invoice}/reminder-pause"
    return await api.http.put(path, headers=who.headers, json={"reason": "A dispute."} | body)


async def let_go_on(api: Api, who: Member, invoice: str) -> Response:
    return await api.http.delete(f"/v1/invoices/{invoice}/reminder-pause", headers=who.headers)


async def test_an_invoice_of_which_nothing_was_decided_shows_its_next_reminder(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    invoice = await owed(database, acme)
    async with database.reading() as session:
        found_facts = await reminder_rows.of_invoice(session, acme.id, invoice.id, at=NOW)
    assert found_facts is not None
    facts, portal_down = found_facts
    assert not portal_down
    coming = next_step(facts, Rules(policy.reminders, NOW))
    found = await read(api, acme.auditor, invoice.id)
    assert coming is not None
    assert coming.step == "due-7d"
    assert found == {
        "data": [],
        "next_cursor": None,
        "next": {
            "step": "due-7d",
            "due_at": coming.due_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sends_at": coming.sends_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "why_none": None,
        "pause": NOT_PAUSED | {"invoice": invoice.id},
    }


async def test_what_was_decided_is_shown_newest_first_without_dry_runs_and_other_mails(
    api: Api, acme: Tenant, database: Database
) -> None:
    invoice = await owed(database, acme)
    run, dry = a_run(acme), a_run(acme, request={"dry_run": True})
    await store(database, run, dry)
    old = decided(run, invoice.id, state="skipped", reason="newer_step", settled_at=NOW)
    new = decided(run, invoice.id, step="due-1d", state="sent", reason="sent", decided_at=NOW, settled_at=NOW)
    link = decided(run, invoice.id, step="link:1", template="portal_link")
    await add(database, new, old, link, decided(dry, invoice.id, dry_run=dry.id))

    found = await read(api, acme.auditor, invoice.id)
    assert [(one["id"], one["run"], one["step"], one["reason"]) for one in found["data"]] == [
        (new["id"], run.id, "due-1d", "sent"),
        (old["id"], run.id, "due-7d", "newer_step"),
    ]
    assert found["next"]["step"] == "overdue-3d"
    first = await read(api, acme.auditor, invoice.id, limit=1)
    rest = await read(api, acme.auditor, invoice.id, limit=1, cursor=first["next_cursor"])
    assert [one["id"] for one in first["data"] + rest["data"]] == [new["id"], old["id"]]
    assert rest["next_cursor"] is None


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"status": "paid"}, "paid", "The invoice is paid."),
        ({"opted_out": True}, "opted_out", "The customer does not want to be reminded."),
        (
            {"due_date": None},
            "none_left",
            "Every reminder was decided, or the invoice has no date that one goes by.",
        ),
    ],
)
async def test_where_no_reminder_follows_it_says_why(
    api: Api, acme: Tenant, database: Database, fields: dict[str, Any], reason: str, words: str
) -> None:
    invoice = await owed(database, acme, **fields)
    found = await read(api, acme.auditor, invoice.id)
    assert (found["next"], found["why_none"]) == (None, {"reason": reason, "words": words})


async def test_a_pause_holds_until_it_is_taken_away_and_each_can_be_said_twice(
    api: Api, acme: Tenant, database: Database
) -> None:
    invoice = await owed(database, acme)
    until = (TODAY + timedelta(days=10)).isoformat()
    first = await pause(api, acme.controller, invoice.id, until=until)
    again = await pause(api, acme.admin, invoice.id, until=until)
    assert (first.status_code, again.json()) == (200, first.json())
    assert first.json() == {
        "invoice": invoice.id,
        "paused": True,
        "until": until,
        "reason": "A dispute.",
        "paused_by": acme.controller.id,
        "paused_at": first.json()["paused_at"],
    }
    found = await read(api, acme.auditor, invoice.id)
    assert found["pause"] == first.json()
    assert found["why_none"]["reason"] == "paused"

    for _ in range(2):
        answer = await let_go_on(api, acme.controller, invoice.id)
        assert (answer.status_code, answer.json()) == (200, NOT_PAUSED | {"invoice": invoice.id})
    assert (await read(api, acme.auditor, invoice.id))["next"]["step"] == "due-7d"


async def test_another_pause_takes_the_place_of_the_first(api: Api, acme: Tenant, database: Database) -> None:
    invoice = await owed(database, acme)
    await pause(api, acme.controller, invoice.id, until=(TODAY + timedelta(days=10)).isoformat())
    answer = (await pause(api, acme.admin, invoice.id)).json()
    assert (answer["until"], answer["paused_by"]) == (None, acme.admin.id)
    assert (await pause(api, acme.admin, invoice.id, reason="Another.")).json()["reason"] == "Another."
    assert await counted(database, ReminderPause) == [1]


@ON_ONE_DATABASE
async def test_a_pause_until_a_day_that_has_come_where_the_customer_is_is_refused(
    api: Api, acme: Tenant, database: Database
) -> None:
    invoice = await owed(database, acme)
    answer = await pause(api, acme.admin, invoice.id, until=TODAY.isoformat())
    assert (answer.status_code, answer.json()["code"]) == (422, "pause_over")
    assert answer.json()["errors"][0]["pointer"] == "/until"
    assert await counted(database, ReminderPause) == [0]


@ON_ONE_DATABASE
@pytest.mark.parametrize("until", [1_800_000_000, "20300101", "2030-02-30", "2030-W01-1", "tomorrow", True])
async def test_a_day_is_written_in_one_way_only(
    api: Api, acme: Tenant, database: Database, until: Any
) -> None:
    invoice = await owed(database, acme)
    answer = await pause(api, acme.admin, invoice.id, until=until)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    [error] = answer.json()["errors"]
    assert (error["where"], error["pointer"], error["code"]) == ("body", "/until", "invalid_text")
    assert re.search(r"\d{4}-\d{2}-\d{2}", error["message"]), "how it is written"


@ON_ONE_DATABASE
async def test_another_organizations_invoice_is_not_found(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    invoice = await owed(database, other)
    for id_ in (invoice.id, "in_nowhere"):
        asked = await api.get(f"/v1/invoices/{id_}/reminders", acme.admin)
        said = [await pause(api, acme.admin, id_), await let_go_on(api, acme.admin, id_)]
        assert [one.status_code for one in (asked, *said)] == [404, 404, 404]
    await pause(api, other.admin, invoice.id)
    await let_go_on(api, acme.admin, invoice.id)
    assert await counted(database, ReminderPause) == [1]


@ON_ONE_DATABASE
async def test_who_may_not_give_money_back_pauses_nothing(api: Api, acme: Tenant, database: Database) -> None:
    invoice = await owed(database, acme)
    for answer in (
        await pause(api, acme.finance, invoice.id),
        await let_go_on(api, acme.auditor, invoice.id),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")

"""What should be done soon and is not is told to an operator, however quietly its sweep has stopped."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from activities.incidents.alerts import AlertCode, AlertMessage
from db.core.session import Database
from db.stripe import events as stripe_events
from db.tables import CustomerMail, Notice, Outbox, Setback, StripeEvent
from worker.watch.lateness import AGAIN, LATE, Lateness

from ...support.builders import NOW, a_customer, a_notice, an_invoice, an_operation, store, tenant


class Operator:
    """Whom the alert webhook reaches, and a worker that looks at the test's time."""

    def __init__(self, database: Database) -> None:
        self.at = NOW
        self.heard: list[AlertMessage] = []
        self._lateness = Lateness(database, self._hears, clock=lambda: self.at)

    async def _hears(self, told: AlertMessage) -> None:
        self.heard.append(told)

    async def look(self, after: timedelta = timedelta()) -> list[AlertMessage]:
        """What is heard at a look so much later."""
        self.at += after
        before = len(self.heard)
        await self._lateness.look()
        return self.heard[before:]


def a_start(**fields: Any) -> Outbox:
    usual: dict[str, Any] = {
        "id": "out_1",
        "action": "start",
        "workflow_id": "w1",
        "name": "RefundWorkflow",
        "payload": {},
        "created_at": NOW,
        "next_attempt_at": NOW,
    }
    return Outbox(**usual | fields)


async def waits(database: Database, what: str) -> None:
    """Something of the kind, since now."""
    acme = await tenant(database)
    if what == "outbox":
        await store(database, a_start(attempts=40, next_attempt_at=NOW + timedelta(hours=2)))
    elif what == "person_mail":
        mail = {"action": "mail", "workflow_id": "mail-1", "name": "notice"}
        await store(database, a_start(attempts=40, **mail))
    elif what == "event":
        event = StripeEvent(
            id="evt_1",
            type="refund.updated",
            object_id="re_1",
            livemode=True,
            created_at=NOW,
            received_at=NOW,
        )
        await store(database, event)
    elif what == "events_asked":
        async with database.transaction() as session:
            await stripe_events.checked(session, complete_until=NOW, at=NOW, missed=0)
    elif what == "notice":
        operation = an_operation(acme)
        await store(database, operation, a_notice(operation, deadline=NOW))
    else:
        await store(database, *await _a_mail(database, acme))


async def _a_mail(database: Database, acme: Any, **run: Any) -> list[Any]:
    customer = a_customer(acme.id)
    operation = an_operation(acme, kind="reminder_run", **run)
    invoice = an_invoice(customer)
    await store(database, customer, operation, invoice)
    return [
        CustomerMail(
            id=f"cml_{operation.id}",
            organization_id=acme.id,
            customer_id=customer.id,
            invoice_id=invoice.id,
            step="due-7d",
            template="reminder",
            operation_id=operation.id,
            state="due",
            reason="due",
            amount_minor=1,
            currency="usd",
            decided_at=NOW,
            due_at=NOW,
        )
    ]


@pytest.mark.parametrize("what", LATE)
async def test_the_oldest_of_what_should_be_done_soon_is_told_when_it_is_late(
    database: Database, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    await waits(database, what)
    operator = Operator(database)
    limit, words = LATE[what]
    assert await operator.look(limit) == []
    [alert] = await operator.look(timedelta(seconds=1))
    assert alert[:2] == (AlertCode.WORK_OVERDUE, what)
    assert words in alert.text
    assert words in caplog.text
    assert await operator.look(timedelta(minutes=1)) == [], "not every minute"
    assert len(await operator.look(AGAIN)) == 1, "now and again"
    for table in (Outbox, StripeEvent, CustomerMail, Notice):
        await _gone(database, table)
    async with database.transaction() as session:
        await stripe_events.checked(session, complete_until=NOW, at=operator.at, missed=0)
    [over] = await operator.look()
    assert over[:2] == (AlertCode.WORK_ON_TIME, what)
    assert await operator.look() == []


async def _gone(database: Database, table: type[Any]) -> None:
    async with database.transaction() as session:
        await session.exec(delete(table))


async def test_what_a_paused_run_has_still_to_send_is_not_late(database: Database) -> None:
    await store(database, *await _a_mail(database, await tenant(database), state="held"))
    assert await Operator(database).look(timedelta(days=3)) == []


async def test_what_fails_while_the_others_go_on_is_told_from_the_second_time(database: Database) -> None:
    operator = Operator(database)
    setback = Setback(sweep="reminders", unit="org_1", error="KeyError", first_at=NOW, last_at=NOW)
    await store(database, setback)
    assert await operator.look() == []
    async with database.transaction() as session:
        (await session.get_one(Setback, ("reminders", "org_1"))).tries = 2
    [alert] = await operator.look()
    assert alert[:2] == (AlertCode.WORK_OVERDUE, "setbacks")


async def test_mails_to_people_that_were_given_up_are_told_of_for_a_day(database: Database) -> None:
    operator = Operator(database)
    refused = {"state": "refused", "settled_at": NOW, "name": "notice"}
    mails = [a_start(id=f"out_{n}", workflow_id=f"mail-{n}", action="mail", **refused) for n in range(2)]
    await store(database, *mails, a_start(id="out_3", **refused))
    [alert] = await operator.look()
    assert alert[:2] == (AlertCode.WORK_OVERDUE, "mails_given_up")
    assert "2 mail" in alert.text
    [over] = await operator.look(timedelta(days=1, seconds=1))
    assert over[:2] == (AlertCode.WORK_ON_TIME, "mails_given_up")

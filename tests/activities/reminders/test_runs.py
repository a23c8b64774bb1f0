"""Reminder runs on the records: opened for who has something to decide, decided a page at a time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

import activities.reminders.runs as under_test
from activities.reminders.runs import Reminders
from billing.core.operations import SYSTEM, Kind, State
from billing.reminders.runs import (
    CallOff,
    Count,
    DecidePage,
    LookAgain,
    OpenedRuns,
    OpenRuns,
    PageDecided,
    RunSummary,
)
from db.core.session import Database
from db.mail import customer_mails
from db.reminders import facts
from db.tables import CustomerMail, Incident, Invoice, Operation, Organization, ReminderPause, Setback

from ...support.builders import Tenant, a_customer, an_invoice, an_operation, store, tenant
from ...support.house import default_policy

NOW = datetime(2026, 4, 15, 14, 0, tzinfo=UTC)
"""A Wednesday, 10:00 in New York."""

EVENING = datetime(2026, 4, 15, 22, 0, tzinfo=UTC)
MORNING = datetime(2026, 4, 16, 13, 0, tzinfo=UTC)
IN_A_WEEK = datetime(2026, 4, 22, 12, 0, tzinfo=UTC)
POLICY = default_policy()


class Desk:
    """The activities, on an organization with a customer."""

    def __init__(self, database: Database, acme: Tenant) -> None:
        self.database, self.acme = database, acme
        self.reminders = Reminders(database, POLICY)
        self.customer = a_customer(acme.id)

    async def invoices(self, count: int = 1, **fields: Any) -> None:
        """Open invoices in_1, in_2 …, due in a week: their first step is this morning's."""
        wanted = {"due_date": IN_A_WEEK, "finalized_at": NOW - timedelta(days=20)} | fields
        rows = [an_invoice(self.customer, **{"id": f"in_{n}"} | wanted) for n in range(1, count + 1)]
        await store(self.database, *rows)

    async def run(self, *, dry_run: bool = False) -> str:
        operation = an_operation(
            self.acme,
            kind=Kind.REMINDER_RUN.value,
            request={"dry_run": dry_run},
            policy=POLICY.model_dump(mode="json", by_alias=True),
        )
        await store(self.database, operation)
        return operation.id

    async def decide(
        self, run: str, at: datetime = NOW, after: str | None = None, seen: int = 0
    ) -> PageDecided:
        return await self.reminders.decide_reminders(DecidePage(operation=run, at=at, after=after, seen=seen))

    async def open(self, at: datetime = NOW, after: str | None = None) -> OpenedRuns:
        return await self.reminders.open_runs(OpenRuns(at=at, after=after))

    async def mails(self) -> list[CustomerMail]:
        async with self.database.reading() as session:
            return list(
                await session.exec(
                    select(CustomerMail).order_by(CustomerMail.invoice_id, CustomerMail.decided_at)  # type: ignore[arg-type]
                )
            )

    async def told(self) -> list[tuple[str, str, str, str]]:
        return [(mail.invoice_id, mail.step, mail.state, mail.reason) for mail in await self.mails()]

    async def change(self, table: type[Any], id_: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            row = await session.get(table, id_)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    async def end(self, run: str) -> None:
        await self.change(Operation, run, state=State.FAILED.value, closed_at=NOW)


@pytest.fixture
async def desk(database: Database) -> Desk:
    desk = Desk(database, await tenant(database))
    await store(database, desk.customer)
    return desk


# --- Pages ------------------------------------------------------------------------------------------------


async def test_a_page_decides_what_is_due_and_keeps_why(desk: Desk) -> None:
    await desk.invoices(2, total=2_500)
    await store(
        desk.database,
        ReminderPause(
            invoice_id="in_2",
            organization_id=desk.acme.id,
            reason="disputed",
            paused_by=desk.acme.admin.id,
            paused_at=NOW,
        ),
    )
    run = await desk.run()

    assert await desk.decide(run) == PageDecided(seen=2, after=None)

    [due, skipped] = await desk.mails()
    assert (due.invoice_id, due.step, due.state, due.reason) == ("in_1", "due-7d", "due", "due")
    assert (due.amount_minor, due.currency, due.operation_id) == (2_500, "usd", run)
    assert (due.due_at, due.decided_at, due.settled_at) == (NOW - timedelta(hours=1), NOW, None)
    assert (skipped.state, skipped.reason, skipped.settled_at) == ("skipped", "paused", NOW)


async def test_a_page_that_is_repeated_changes_nothing(desk: Desk) -> None:
    await desk.invoices(3)
    run = await desk.run()

    first = await desk.decide(run)
    before = [mail.model_dump() for mail in await desk.mails()]

    assert await desk.decide(run) == first
    assert [mail.model_dump() for mail in await desk.mails()] == before


async def test_every_page_begins_where_the_one_before_ended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "PAGE", 2)
    await desk.invoices(5)
    run = await desk.run()

    assert await desk.decide(run) == PageDecided(seen=2, after="in_2")
    assert await desk.decide(run, after="in_2", seen=2) == PageDecided(seen=2, after="in_4")
    assert await desk.decide(run, after="in_4", seen=4) == PageDecided(seen=1, after=None)

    assert [mail.invoice_id for mail in await desk.mails()] == ["in_1", "in_2", "in_3", "in_4", "in_5"]
    summary = await desk.reminders.read_run_summary(run)
    assert summary == RunSummary(
        seen=5,
        dry_run=False,
        counts=(Count(state="due", reason="due", mails=5, amounts={"usd": 50_000}),),
    )


async def test_two_runs_at_once_decide_each_step_once(desk: Desk) -> None:
    await desk.invoices(60)
    runs = [await desk.run() for _ in range(3)]

    await asyncio.gather(*(desk.decide(run) for run in runs))

    mails = await desk.mails()
    assert len(mails) == len({mail.invoice_id for mail in mails}) == 60


async def test_another_organizations_invoices_are_its_own_runs(desk: Desk) -> None:
    other = Desk(desk.database, await tenant(desk.database))
    await store(desk.database, other.customer)
    await other.invoices()

    assert await desk.decide(await desk.run()) == PageDecided(seen=0, after=None)
    assert await desk.mails() == []


async def test_a_dry_run_decides_the_same_and_leaves_nothing_to_send(desk: Desk) -> None:
    await desk.invoices(2)
    dry, real = await desk.run(dry_run=True), await desk.run()

    await desk.decide(dry)

    assert await desk.told() == [("in_1", "due-7d", "due", "due"), ("in_2", "due-7d", "due", "due")]
    assert {mail.dry_run for mail in await desk.mails()} == {dry}
    async with desk.database.transaction() as session:
        claimed = await customer_mails.claim(session, at=NOW, until=EVENING, most=1, operation=dry)
    assert claimed == []
    await desk.decide(dry)
    assert len(await desk.mails()) == 2
    await desk.decide(real)
    assert len(await desk.mails()) == 4
    assert (await desk.reminders.read_run_summary(dry)).dry_run


async def test_a_dry_run_tells_what_would_become_of_what_is_held_and_does_not_touch_it(desk: Desk) -> None:
    await desk.invoices()
    await desk.decide(await desk.run(), EVENING)
    dry = await desk.run(dry_run=True)

    await desk.decide(dry, MORNING)

    assert [(mail.dry_run == dry, mail.state) for mail in await desk.mails()] == [
        (False, "held"),
        (True, "due"),
    ]


async def test_what_one_run_held_another_releases_at_the_opening(desk: Desk) -> None:
    await desk.invoices()
    evening, morning = await desk.run(), await desk.run()
    await desk.decide(evening, EVENING)
    [held] = await desk.mails()
    assert (held.state, held.reason, held.due_at) == ("held", "quiet_hours", MORNING)

    await desk.decide(morning, MORNING - timedelta(seconds=1))
    assert (await desk.mails())[0].state == "held"
    await desk.decide(morning, MORNING)

    [due] = await desk.mails()
    assert (due.id, due.state, due.operation_id) == (held.id, "due", morning)


async def test_what_is_held_of_an_invoice_that_was_paid_is_skipped_by_the_next_run(desk: Desk) -> None:
    await desk.invoices()
    await desk.decide(await desk.run(), EVENING)
    await desk.change(Invoice, "in_1", status="paid")

    await desk.decide(await desk.run(), MORNING)

    assert await desk.told() == [("in_1", "due-7d", "skipped", "paid")]


async def test_what_a_run_that_ended_left_is_taken_over_and_what_another_will_send_is_not(
    desk: Desk,
) -> None:
    await desk.invoices()
    first, second = await desk.run(), await desk.run()
    await desk.decide(first)

    await desk.decide(second)
    assert [mail.operation_id for mail in await desk.mails()] == [first]

    await desk.end(first)
    await desk.decide(second)
    assert [(mail.operation_id, mail.state) for mail in await desk.mails()] == [(second, "due")]


async def test_nobody_is_reminded_while_the_portal_has_an_incident(desk: Desk) -> None:
    await desk.invoices()
    incident = Incident(id="inc_1", component="portal", opened_at=NOW)
    other = Incident(id="inc_2", component="mail", opened_at=NOW)
    await store(desk.database, incident, other)

    await desk.decide(await desk.run())

    assert await desk.told() == [("in_1", "due-7d", "skipped", "portal_incident")]


async def test_an_incident_that_is_over_is_in_nobodys_way(desk: Desk) -> None:
    await desk.invoices()
    over = Incident(id="inc_1", component="portal", opened_at=NOW, cleared_at=NOW)
    await store(desk.database, over, Incident(id="inc_2", component="mail", opened_at=NOW))

    await desk.decide(await desk.run())

    assert await desk.told() == [("in_1", "due-7d", "due", "due")]


# --- Looking again, calling off ---------------------------------------------------------------------------


async def test_what_a_run_has_still_to_send_is_looked_at_again(desk: Desk) -> None:
    await desk.invoices(3)
    run = await desk.run()
    await desk.decide(run)
    await desk.change(Invoice, "in_1", status="paid")
    await desk.invoices(id="in_4")

    await desk.reminders.review_held_reminders(LookAgain(operation=run, at=NOW + timedelta(minutes=1)))
    assert await desk.told() == [
        ("in_1", "due-7d", "skipped", "paid"),
        ("in_2", "due-7d", "due", "due"),
        ("in_3", "due-7d", "due", "due"),
    ]

    await desk.reminders.review_held_reminders(LookAgain(operation=run, at=EVENING))
    assert await desk.told() == [
        ("in_1", "due-7d", "skipped", "paid"),
        ("in_2", "due-7d", "held", "quiet_hours"),
        ("in_3", "due-7d", "held", "quiet_hours"),
    ]


async def test_a_run_that_is_called_off_leaves_what_is_held_to_the_next(desk: Desk) -> None:
    await desk.invoices(2)
    run = await desk.run()
    await desk.decide(run)
    await desk.change(CustomerMail, (await desk.mails())[0].id, state="held", due_at=MORNING)

    await desk.reminders.cancel_reminders(CallOff(operation=run, at=NOW))

    assert [(mail.state, mail.reason) for mail in await desk.mails()] == [
        ("held", "due"),
        ("skipped", "called_off"),
    ]


# --- By schedule ------------------------------------------------------------------------------------------


async def test_a_run_is_opened_for_who_has_something_to_decide(desk: Desk) -> None:
    idle = await tenant(desk.database)
    await desk.invoices()

    opened = await desk.open()

    assert opened.after is None
    [run] = opened.runs
    assert (run.organization, run.dry_run, run.at, run.policy) == (desk.acme.id, False, None, POLICY)
    async with desk.database.reading() as session:
        operation = await session.get(Operation, run.operation)
        assert operation is not None
        operations = list(await session.exec(select(Operation)))
    assert (operation.kind, operation.state, operation.requested_by) == ("reminder_run", "accepted", SYSTEM)
    assert operation.product_key == "reminder-sweep:2026-04-15T14:00"
    assert operation.workflow_id == f"operation-{run.operation}"
    assert idle.id not in {one.organization_id for one in operations}


async def test_no_key_that_a_person_sends_is_the_schedules_own(desk: Desk) -> None:
    await desk.invoices()
    other = await tenant(desk.database)
    theirs = an_operation(other, kind="refund", idempotency_key="reminder-sweep:2026-04-15T14:00")
    ours = an_operation(desk.acme, kind="refund", idempotency_key="reminder-sweep:2026-04-15T14:00")
    await store(desk.database, theirs, ours)

    [run] = (await desk.open()).runs

    assert run.organization == desk.acme.id
    assert run.operation != ours.id


async def test_what_is_wrong_with_one_organization_is_no_reason_to_remind_nobody_of_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.invoices()
    broken = await tenant(desk.database)
    customer = a_customer(broken.id)
    await store(desk.database, customer, an_invoice(customer, due_date=IN_A_WEEK))
    page = facts.page

    async def poisoned(session: Any, organization: str, **more: Any) -> Any:
        if organization == broken.id:
            raise KeyError("zone")
        return await page(session, organization, **more)

    monkeypatch.setattr(facts, "page", poisoned)
    for tries in (1, 2):
        assert desk.acme.id in {run.organization for run in (await desk.open()).runs}
        [setback] = await setbacks_of(desk.database)
        assert (setback.sweep, setback.unit, setback.tries) == ("reminders", broken.id, tries)
        assert setback.error.startswith("KeyError at ")
    monkeypatch.undo()
    assert {run.organization for run in (await desk.open()).runs} == {desk.acme.id, broken.id}
    assert await setbacks_of(desk.database) == []


async def test_records_that_are_away_are_no_organizations_fault(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.invoices()

    async def away(*_: Any, **more: Any) -> Any:
        raise ConnectionRefusedError("no database")

    monkeypatch.setattr(facts, "page", away)
    with pytest.raises(ConnectionRefusedError):
        await desk.open()
    assert await setbacks_of(desk.database) == []


async def setbacks_of(database: Database) -> list[Setback]:
    async with database.reading() as session:
        return list(await session.exec(select(Setback)))


async def test_a_run_that_has_not_begun_is_answered_again_and_no_second_one_opened(desk: Desk) -> None:
    await desk.invoices()

    first, again = await desk.open(), await desk.open()
    later = await desk.open(NOW + timedelta(minutes=15))

    assert first.runs == again.runs == later.runs


async def test_two_who_open_runs_at_the_same_time_open_one(desk: Desk) -> None:
    await desk.invoices()

    opened = await asyncio.gather(*(desk.open() for _ in range(4)))

    assert len({run.operation for one in opened for run in one.runs}) == 1
    assert all(len(one.runs) == 1 for one in opened)


async def test_who_has_a_run_going_gets_no_second_one_by_schedule(desk: Desk) -> None:
    await desk.invoices()
    [run] = (await desk.open()).runs
    await desk.change(Operation, run.operation, state=State.RUNNING.value)

    assert (await desk.open(NOW + timedelta(minutes=15))).runs == ()


async def test_when_everything_is_decided_there_is_nothing_to_open(desk: Desk) -> None:
    await desk.invoices()
    [run] = (await desk.open()).runs
    await desk.decide(run.operation)
    await desk.end(run.operation)
    await desk.change(CustomerMail, (await desk.mails())[0].id, state="sent", reason="sent")

    assert (await desk.open(NOW + timedelta(minutes=15))).runs == ()


async def test_of_a_minute_that_had_its_run_there_is_no_other(desk: Desk) -> None:
    await desk.invoices()
    [run] = (await desk.open()).runs
    await desk.end(run.operation)

    assert (await desk.open()).runs == ()


@pytest.mark.parametrize("status", ["open", "paid"])
async def test_a_run_is_opened_for_what_is_held_at_its_hour(desk: Desk, status: str) -> None:
    await desk.invoices()
    run = await desk.run()
    await desk.decide(run, EVENING)
    await desk.end(run)
    await desk.change(Invoice, "in_1", status=status, amount_remaining=0)

    assert (await desk.open(MORNING - timedelta(minutes=1))).runs == ()
    [opened] = (await desk.open(MORNING)).runs
    await desk.decide(opened.operation, MORNING)

    expected = ("due", "due") if status == "open" else ("skipped", "paid")
    assert [mail[2:] for mail in await desk.told()] == [expected]


@pytest.mark.parametrize("status", ["open", "paid"])
async def test_a_run_is_opened_for_what_another_left_unsent(desk: Desk, status: str) -> None:
    await desk.invoices()
    run = await desk.run()
    await desk.decide(run)
    await desk.change(Invoice, "in_1", status=status)
    assert (await desk.open(NOW + timedelta(minutes=1))).runs == ()
    await desk.end(run)

    [opened] = (await desk.open(NOW + timedelta(minutes=2))).runs
    await desk.decide(opened.operation, NOW + timedelta(minutes=2))
    await desk.change(CustomerMail, (await desk.mails())[0].id, state="skipped", reason="paid")
    await desk.end(opened.operation)

    assert (await desk.open(NOW + timedelta(minutes=17))).runs == ()


async def test_a_step_whose_due_date_was_moved_opens_no_run_until_its_day(desk: Desk) -> None:
    await desk.invoices()
    run = await desk.run()
    await desk.decide(run, EVENING)
    await desk.end(run)
    await desk.change(Invoice, "in_1", due_date=IN_A_WEEK + timedelta(days=14))

    assert (await desk.open(MORNING)).runs == ()
    assert len((await desk.open(MORNING + timedelta(days=13))).runs) == 1


async def test_organizations_are_looked_at_in_order_a_few_at_a_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "ORGANIZATIONS", 2)
    desks = [desk]
    for _ in range(3):
        desks.append(Desk(desk.database, await tenant(desk.database)))
        await store(desk.database, desks[-1].customer)
    for number, one in enumerate(desks):
        await one.invoices(id=f"in_{number}")

    found, after = [], None
    for _ in range(3):
        opened = await desk.open(after=after)
        found.append([run.organization for run in opened.runs])
        after = opened.after

    assert [one for page in found for one in page] == sorted(one.acme.id for one in desks)
    assert [len(one) for one in found] == [2, 2, 0]
    assert after is None
    async with desk.database.reading() as session:
        assert len(list(await session.exec(select(Organization)))) == 4

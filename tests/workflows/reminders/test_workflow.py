"""Reminder runs from end to end: decided, held, sent by the real mailer to the sink, paused and ended."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel import col, select
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.operations.records import Records
from activities.reminders.runs import Reminders
from billing.core.operations import Kind
from billing.reminders.runs import ReminderRunInput, RunPause, RunSummary
from db.tables import CustomerMail, CustomerSettings, Invoice, Operation, TimelineEvent
from sandbox.stack.mail import Fault
from worker.queues import RUNNER
from workflows.core import ids
from workflows.reminders.workflow import ReminderSweepWorkflow

from ...support.builders import Tenant, a_customer, an_invoice, an_operation, store, tenant
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES

STEP = "due-7d"


class Sweep:
    """A house on the next Monday but one, 15:00 UTC, with an organization that works by UTC."""

    def __init__(self, home: House, acme: Tenant, monday: datetime) -> None:
        self.home, self.acme, self.monday = home, acme, monday

    async def invoice(self, zone: str = "UTC", *, number: int = 1, days: int = 7, **fields: Any) -> str:
        """An open invoice of a customer there, whose first reminder is due this morning."""
        customer = a_customer(self.acme.id)
        settings = CustomerSettings(
            customer_id=customer.id,
            organization_id=self.acme.id,
            zone=zone,
            updated_by=self.acme.admin.id,
            updated_at=self.monday,
        )
        due_date = datetime.combine(self.monday.date() + timedelta(days=days), time(6), UTC)
        issued = self.monday - timedelta(days=20)
        row = an_invoice(customer, due_date=due_date, finalized_at=issued, created_at=issued, **fields)
        await store(self.home.database, customer)
        await store(self.home.database, settings, row)
        return row.id

    async def start(self, *, dry_run: bool = False, queue: str = ids.MAIN_QUEUE) -> WorkflowHandle[Any, Any]:
        """A run as somebody asks for it."""
        operation = an_operation(
            self.acme,
            kind=Kind.REMINDER_RUN.value,
            request={"dry_run": dry_run},
            policy=self.home.policy.model_dump(mode="json", by_alias=True),
        )
        await store(self.home.database, operation)
        asked = ReminderRunInput(
            organization=self.acme.id, operation=operation.id, dry_run=dry_run, policy=self.home.policy
        )
        return await self.home.temporal.start_workflow(
            ids.REMINDER_SWEEP,
            asked,
            id=ids.operation_workflow(operation.id),
            task_queue=queue,
        )

    async def by_schedule(self) -> list[Operation]:
        """What the schedule starts; the runs that it opened, at their ends."""
        before = {run.id for run in await self.runs()}
        now = await self.now()
        handle = await self.home.temporal.start_workflow(
            ids.REMINDER_SWEEP, id=f"reminder-sweep-{now.isoformat()}", task_queue=ids.MAIN_QUEUE
        )

        async def opened() -> bool:
            return (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED

        await until(opened, lambda: "the schedule's workflow goes on")
        return [await self.closed(run.id) for run in await self.runs() if run.id not in before]

    async def runs(self) -> list[Operation]:
        async with self.home.database.reading() as session:
            kind = Operation.kind == Kind.REMINDER_RUN.value
            return list(await session.exec(select(Operation).where(kind)))

    async def run_of(self, handle: WorkflowHandle[Any, Any]) -> Operation:
        async with self.home.database.reading() as session:
            found = await session.exec(select(Operation).where(Operation.workflow_id == handle.id))
            return found.one()

    async def ended(self, handle: WorkflowHandle[Any, Any]) -> Operation:
        return await self.closed((await self.run_of(handle)).id)

    async def closed(self, run: str) -> Operation:
        """As soon as it is: who awaited its result would let the server's clock run."""
        found: Operation | None = None

        async def there() -> bool:
            nonlocal found
            async with self.home.database.reading() as session:
                found = await session.get(Operation, run)
            return found is not None and found.closed_at is not None

        await until(there, lambda: f"{run} is {found and found.stage}")
        assert found is not None
        return found

    async def mails(self) -> list[tuple[str, str, str]]:
        async with self.home.database.reading() as session:
            found = await session.exec(
                select(CustomerMail).order_by(col(CustomerMail.invoice_id), col(CustomerMail.step))
            )
            return [(mail.step, mail.state, mail.reason) for mail in found]

    async def change(self, invoice: str, **values: Any) -> None:
        async with self.home.database.transaction() as session:
            row = await session.get(Invoice, invoice)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    async def events(self, handle: WorkflowHandle[Any, Any]) -> list[tuple[str, str]]:
        run = await self.run_of(handle)
        async with self.home.database.reading() as session:
            found = await session.exec(
                select(TimelineEvent)
                .where(TimelineEvent.operation_id == run.id)
                .order_by(col(TimelineEvent.seq))
            )
            return [(event.code, event.actor) for event in found]

    async def until_reason(self, reason: str) -> None:
        async def there() -> bool:
            return reason in {mail[2] for mail in await self.mails()}

        await until(there, lambda: f"no mail is {reason}")

    async def now(self) -> datetime:
        assert self.home.environment is not None
        return await self.home.environment.get_current_time()

    async def go_to(self, moment: datetime) -> None:
        assert self.home.environment is not None
        await self.home.environment.sleep(moment - await self.now())

    def people(self, comment: str | None = None) -> RunPause:
        return RunPause(person=self.acme.admin.id, comment=comment)


@pytest.fixture
async def sweep(home: House) -> Sweep:
    assert home.environment is not None
    now = await home.environment.get_current_time()
    monday = datetime.combine(now.date() + timedelta(days=14 - now.weekday()), time(15), UTC)
    # Nobody's holidays, and no change of clocks: what a test expects is so on whatever day it runs.
    acme = await tenant(home.database, zone="UTC", country="XX")
    sweep = Sweep(home, acme, monday)
    await sweep.go_to(monday)
    return sweep


def counted(run: Operation) -> dict[tuple[str, str], tuple[int, dict[str, int]]]:
    assert run.result is not None
    return {
        (count["state"], count["reason"]): (count["mails"], count["amounts"])
        for count in run.result["counts"]
    }


@ON_BOTH_DATABASES
async def test_a_run_sends_what_is_due_and_holds_what_a_later_run_sends_at_the_opening(sweep: Sweep) -> None:
    await sweep.invoice()
    await sweep.invoice("Asia/Kolkata", total=2_500, currency="inr")
    await sweep.invoice(status="paid", days=-30)

    run = await sweep.ended(await sweep.start())

    assert (run.state, run.stage, run.allowed_actions) == ("completed", "done", [])
    assert run.result is not None
    assert (run.result["seen"], run.result["dry_run"]) == (2, False)
    assert counted(run) == {
        ("sent", "sent"): (1, {"usd": 10_000}),
        ("held", "quiet_hours"): (1, {"inr": 2_500}),
    }
    assert len(sweep.home.mail.mailbox.mails) == 1

    tuesday = datetime.combine(sweep.monday.date() + timedelta(days=1), time(3, 30), UTC)
    await sweep.go_to(tuesday - timedelta(minutes=10))
    assert await sweep.by_schedule() == []
    await sweep.go_to(tuesday + timedelta(minutes=5))
    [later] = await sweep.by_schedule()

    assert (later.state, later.requested_by) == ("completed", "system")
    assert counted(later) == {("sent", "sent"): (1, {"inr": 2_500})}
    assert await sweep.mails() == [(STEP, "sent", "sent")] * 2
    assert len(sweep.home.mail.mailbox.mails) == 2
    assert await sweep.by_schedule() == []


@ON_BOTH_DATABASES
async def test_two_runs_at_once_do_not_double(sweep: Sweep) -> None:
    for _ in range(12):
        await sweep.invoice()

    handles = [await sweep.start() for _ in range(2)]
    ends = await asyncio.gather(*(sweep.ended(handle) for handle in handles))

    assert [end.state for end in ends] == ["completed", "completed"]
    assert sum(counted(end).get(("sent", "sent"), (0, {}))[0] for end in ends) == 12
    assert await sweep.mails() == [(STEP, "sent", "sent")] * 12
    to = [tuple(mail["to"]) for mail in sweep.home.mail.mailbox.mails]
    assert len(to) == len(set(to)) == 12


async def test_a_dry_run_tells_all_and_sends_nothing(sweep: Sweep) -> None:
    await sweep.invoice()
    await sweep.invoice("Asia/Kolkata")

    run = await sweep.ended(await sweep.start(dry_run=True))

    assert run.result is not None
    assert run.result["dry_run"]
    assert counted(run) == {
        ("due", "due"): (1, {"usd": 10_000}),
        ("held", "quiet_hours"): (1, {"usd": 10_000}),
    }
    assert sweep.home.mail.mailbox.mails == []
    real = await sweep.ended(await sweep.start())
    assert counted(real)[("sent", "sent")] == (1, {"usd": 10_000})


@ON_BOTH_DATABASES
async def test_a_run_is_paused_and_what_was_paid_in_between_is_not_reminded_of(sweep: Sweep) -> None:
    paid = await sweep.invoice(total=500)
    await sweep.invoice()
    sweep.home.mail.mailbox.fault = Fault(code=451, times=2)
    handle = await sweep.start()
    await sweep.until_reason("later")

    await handle.execute_update("pause", sweep.people("Wait for the bank."))
    run = await sweep.run_of(handle)
    assert (run.state, run.stage, run.allowed_actions) == ("held", "paused", ["resume", "cancel"])
    await sweep.change(paid, status="paid", amount_remaining=0)
    await sweep.home.skip(minutes=40)
    assert sweep.home.mail.mailbox.mails == []

    await handle.execute_update("resume", sweep.people())
    await sweep.home.skip(minutes=5)
    run = await sweep.ended(handle)

    assert run.state == "completed"
    assert counted(run) == {("skipped", "paid"): (1, {"usd": 0}), ("sent", "sent"): (1, {"usd": 10_000})}
    assert len(sweep.home.mail.mailbox.mails) == 1
    admin = sweep.acme.admin.id
    assert await sweep.events(handle) == [
        ("run_begun", "system"),
        ("paused", admin),
        ("resumed", admin),
        ("completed", "system"),
    ]


async def test_a_run_that_is_cancelled_sends_nothing_more_and_says_who_ended_it(sweep: Sweep) -> None:
    await sweep.invoice()
    await sweep.invoice("Asia/Kolkata")
    sweep.home.mail.mailbox.fault = Fault(code=451, times=1)
    handle = await sweep.start()
    await sweep.until_reason("later")

    await handle.execute_update("cancel", sweep.people("Not today."))

    run = await sweep.ended(handle)
    assert (run.state, run.stage, run.allowed_actions) == ("cancelled", "done", [])
    assert counted(run) == {
        ("held", "quiet_hours"): (1, {"usd": 10_000}),
        ("skipped", "called_off"): (1, {"usd": 10_000}),
    }
    assert sweep.home.mail.mailbox.mails == []
    assert (await sweep.events(handle))[-1] == ("cancelled", sweep.acme.admin.id)


async def test_a_paused_run_can_be_cancelled(sweep: Sweep) -> None:
    await sweep.invoice()
    sweep.home.mail.mailbox.fault = Fault(code=451, times=1)
    handle = await sweep.start()
    await sweep.until_reason("later")

    await handle.execute_update("pause", sweep.people())
    await handle.execute_update("cancel", sweep.people())

    assert (await sweep.ended(handle)).state == "cancelled"
    assert await sweep.mails() == [(STEP, "skipped", "called_off")]


class SlowToSumUp(Reminders):
    """The real activities, of which the last one waits to be let through."""

    def __init__(self, home: House) -> None:
        super().__init__(home.database, home.policy)
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def read_run_summary(self, operation: str) -> RunSummary:
        self.reached.set()
        await self.go_on.wait()
        return await super().read_run_summary(operation)


async def test_who_comes_while_it_is_summed_up_is_told_that_it_has_ended(sweep: Sweep) -> None:
    """None is accepted and then not heeded."""
    slow, records = SlowToSumUp(sweep.home), Records(sweep.home.database)
    worker = Worker(
        sweep.home.temporal,
        task_queue="slow",
        workflows=[ReminderSweepWorkflow],
        activities=[
            records.record_progress,
            records.end_operation,
            slow.decide_reminders,
            slow.cancel_reminders,
            slow.read_run_summary,
        ],
        workflow_runner=RUNNER,
    )
    async with worker:
        handle = await sweep.start(dry_run=True, queue="slow")
        await slow.reached.wait()
        codes = []
        for what in ("pause", "resume", "cancel"):
            with pytest.raises(WorkflowUpdateFailedError) as refusal:
                await handle.execute_update(what, sweep.people())
            assert isinstance(refusal.value.cause, ApplicationError)
            codes.append(refusal.value.cause.type)
        slow.go_on.set()
        run = await sweep.ended(handle)

    assert codes == ["already_ended"] * 3
    assert run.state == "completed"


async def test_what_the_mail_server_can_not_take_is_tried_again_within_the_run(sweep: Sweep) -> None:
    await sweep.invoice()
    sweep.home.mail.mailbox.fault = Fault(code=451, times=2)
    handle = await sweep.start()
    await sweep.until_reason("later")

    await sweep.home.skip(minutes=10)
    run = await sweep.ended(handle)

    assert counted(run) == {("sent", "sent"): (1, {"usd": 10_000})}
    assert len(sweep.home.mail.mailbox.mails) == 1


async def test_what_the_server_can_not_take_for_longer_is_left_to_the_next_run(sweep: Sweep) -> None:
    await sweep.invoice()
    sweep.home.mail.mailbox.fault = Fault(code=451, times=1_000)
    handle = await sweep.start()
    await sweep.until_reason("later")
    await sweep.home.skip(minutes=40)
    run = await sweep.ended(handle)
    assert counted(run) == {("due", "later"): (1, {"usd": 10_000})}
    sweep.home.mail.mailbox.fault = Fault(code=451, times=0)
    await sweep.home.skip(minutes=60)

    [first] = await sweep.by_schedule()

    assert counted(first) == {("sent", "sent"): (1, {"usd": 10_000})}
    assert len(sweep.home.mail.mailbox.mails) == 1


async def test_by_schedule_nothing_is_run_where_nothing_is_to_be_decided(sweep: Sweep) -> None:
    await sweep.invoice(days=60)
    idle = await tenant(sweep.home.database)
    assert await sweep.by_schedule() == []

    await sweep.invoice()
    [run] = await sweep.by_schedule()

    assert (run.organization_id, run.state) == (sweep.acme.id, "completed")
    assert idle.id != run.organization_id
    assert await sweep.by_schedule() == []


@pytest.mark.parametrize(
    ("late", "end"),
    [(timedelta(hours=49), ("sent", "sent")), (timedelta(hours=67), ("skipped", "missed"))],
)
async def test_after_an_outage_a_step_is_taken_only_within_its_window(
    sweep: Sweep, late: timedelta, end: tuple[str, str]
) -> None:
    """Due on Monday at nine: Thursday at nine is the last chance."""
    await sweep.invoice()
    await sweep.go_to(sweep.monday + late)

    [run] = await sweep.by_schedule()

    assert counted(run) == {end: (1, {"usd": 10_000})}
    assert len(sweep.home.mail.mailbox.mails) == (end[0] == "sent")

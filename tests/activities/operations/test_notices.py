"""A notice to Finance: opened with the step that causes it, escalated when late; each once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select
from temporalio.exceptions import ApplicationError

from activities.operations.records import Records
from billing.approvals.notice_messages import NoticeInput
from billing.core.business_time import Calendar
from billing.core.events import EventCode
from billing.core.notices import NoticeKind
from billing.core.operations import State
from billing.mail.messages import MailRequest
from billing.mail.steps import Step
from db.core import timeline
from db.core.session import Database
from db.operations import notices, operations
from db.tables import Notice, Operation, Outbox
from worker.late_notices import LateNotices

from ...support.builders import NOW, Tenant, an_operation, store, tenant
from ..mail.contexts import an_upgrade

DUE = NOW + timedelta(hours=8)
LATER = NOW + timedelta(hours=1)
ALWAYS = Calendar(name="24x7", zone="UTC", always=True)


class Told:
    """A plan change of which Finance is told."""

    def __init__(self, database: Database, acme: Tenant, operation: Operation) -> None:
        self.database, self.acme, self.operation = database, acme, operation
        self.records = Records(database)
        self.now = DUE + timedelta(seconds=1)
        self.late = LateNotices(database, clock=lambda: self.now)
        self.id = self.id_of(NoticeKind.PLAN_CHANGE_REQUESTED)

    def id_of(self, kind: NoticeKind, number: int = 1) -> str:
        again = f"-{number}" if number > 1 else ""
        return f"ntc_{self.operation.id.removeprefix('op_')}-{kind}{again}"

    def step(self, key: str, kind: NoticeKind, number: int = 1, **step: Any) -> Step:
        notice = NoticeInput(
            notice=self.id_of(kind, number),
            organization=self.acme.id,
            operation=self.operation.id,
            kind=kind,
            subject=an_upgrade(),
            calendar=ALWAYS,
            acknowledge_within=480,
        )
        usual = {"operation": self.operation.id, "key": key, "event": EventCode.PREVIEWED, "at": NOW}
        return Step.model_validate(usual | step | {"notice": notice})

    async def open(self, number: int = 1, **step: Any) -> None:
        """The request is previewed, of which Finance is told."""
        kind = NoticeKind.PLAN_CHANGE_REQUESTED
        await self.records.record_progress(self.step(f"preview:{number}", kind, number, **step))

    async def end(self, state: State, event: EventCode, kind: NoticeKind) -> None:
        ended = {"event": event, "state": state, "stage": "done", "at": LATER}
        await self.records.end_operation(self.step("ended", kind, **ended))

    async def acknowledge(self, person: str) -> None:
        async with self.database.transaction() as session:
            await operations.lock(session, self.operation.id)
            await notices.acknowledge(session, self.id, person_id=person, at=LATER)

    async def row(self, id_: str | None = None) -> Notice | None:
        async with self.database.reading() as session:
            return await notices.get(session, self.acme.id, id_ or self.id)

    async def state(self, id_: str | None = None) -> str:
        row = await self.row(id_)
        assert row is not None
        return row.state

    async def events(self) -> list[str]:
        async with self.database.reading() as session:
            return [row.code for row in await timeline.read(session, self.operation.id)]

    async def mails(self) -> list[MailRequest]:
        async with self.database.reading() as session:
            rows = await session.exec(select(Outbox).order_by(col(Outbox.id)))
            return [MailRequest.model_validate(row.payload) for row in rows]


@pytest.fixture
async def told(database: Database) -> Told:
    acme = await tenant(database)
    operation = an_operation(acme)
    await store(database, operation)
    return Told(database, acme, operation)


async def test_a_notice_is_opened_with_its_deadline_event_and_mail_by_the_step_that_causes_it(
    told: Told,
) -> None:
    await told.open()

    row = await told.row()
    assert row is not None
    assert (row.state, row.kind, row.deadline, row.created_at) == (
        "open",
        "plan_change_requested",
        DUE,
        NOW,
    )
    assert row.subject == an_upgrade().document()
    async with told.database.reading() as session:
        [step, event] = await timeline.read(session, told.operation.id)
    assert (step.code, event.code) == ("previewed", "finance_told")
    assert event.detail == {
        "notice": told.id,
        "kind": "plan_change_requested",
        "deadline": "2026-03-02T23:00:00+00:00",
    }
    [mail] = await told.mails()
    assert (mail.key, mail.template, mail.roles) == (f"{told.id}:told", "notice", ("finance",))
    assert (mail.about, mail.context.notice, mail.context.deadline) == (told.id, told.id, DUE)


async def test_a_step_that_is_repeated_tells_nothing_new_and_keeps_the_first_deadline(told: Told) -> None:
    await told.open()
    await told.open(at=LATER)

    row = await told.row()
    assert row is not None
    assert row.deadline == DUE
    assert await told.events() == ["previewed", "finance_told"]
    assert len(await told.mails()) == 1


async def test_newer_figures_replace_the_notice_before_and_their_mail_says_so(told: Told) -> None:
    await told.open()
    await told.open(2)

    assert (await told.state(), await told.state(f"{told.id}-2")) == ("superseded", "open")
    assert [mail.context.replaces for mail in await told.mails()] == [False, True]
    again = "previewed", "notice_superseded", "finance_told"
    assert await told.events() == ["previewed", "finance_told", *again]


async def test_the_end_of_an_operation_brings_the_notice_of_its_final_figures(told: Told) -> None:
    await told.open()

    await told.end(State.COMPLETED, EventCode.VERIFIED, NoticeKind.PLAN_CHANGE_APPLIED)

    assert await told.state() == "superseded"
    assert await told.state(told.id_of(NoticeKind.PLAN_CHANGE_APPLIED)) == "open"


async def test_finance_is_not_told_of_what_came_to_nothing_by_then(told: Told) -> None:
    await told.end(State.CANCELLED, EventCode.CANCELLED, NoticeKind.PLAN_CHANGE_APPLIED)

    assert await told.row(told.id_of(NoticeKind.PLAN_CHANGE_APPLIED)) is None
    assert await told.events() == ["cancelled"]


async def test_a_step_of_an_operation_that_has_ended_meanwhile_opens_no_notice(told: Told) -> None:
    async with told.database.transaction() as session:
        at, stage = LATER, "done"
        await operations.update_state(session, told.operation.id, state=State.CANCELLED, stage=stage, at=at)

    with pytest.raises(ApplicationError, match="has ended"):
        await told.open(state=State.RUNNING, stage="previewed")

    assert await told.row() is None
    assert await told.mails() == []


async def test_a_late_notice_is_escalated_once_to_the_controller_however_often_is_looked(told: Told) -> None:
    await told.open()
    told.now = DUE - timedelta(seconds=1)
    await told.late.look()
    assert await told.state() == "open"
    told.now = DUE

    for _ in range(2):
        await told.late.look()

    assert await told.state() == "escalated"
    assert await told.events() == ["previewed", "finance_told", "notice_escalated"]
    _, mail = await told.mails()
    assert (mail.key, mail.template, mail.roles) == (
        f"{told.id}:escalated",
        "notice_escalated",
        ("controller",),
    )
    assert mail.context.subject == an_upgrade()
    assert (mail.context.deadline, mail.about) == (DUE, told.id)


async def test_what_was_acknowledged_meanwhile_is_not_escalated(told: Told) -> None:
    await told.open()
    await told.acknowledge(told.acme.finance.id)

    await told.late.look()

    assert await told.state() == "acknowledged"
    assert "notice_escalated" not in await told.events()


async def test_a_notice_that_cannot_be_escalated_keeps_no_other_from_it(told: Told) -> None:
    await told.open()
    broken = an_operation(told.acme, kind="refund")
    await store(told.database, broken)
    await store(
        told.database,
        Notice(
            id="ntc_broken",
            organization_id=told.acme.id,
            operation_id=broken.id,
            kind="never_heard_of",
            subject={},
            state="open",
            deadline=NOW,
            created_at=NOW,
        ),
    )

    await told.late.look()

    assert (await told.state(), await told.state("ntc_broken")) == ("escalated", "open")


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_a_notice_whose_operation_is_just_being_changed_waits_for_the_next_look(told: Told) -> None:
    await told.open()
    async with told.database.transaction() as session:
        await operations.lock(session, told.operation.id)
        await told.late.look()
        assert await told.state() == "open"

    await told.late.look()

    assert await told.state() == "escalated"


async def test_a_step_and_an_acknowledgment_at_the_same_moment_do_not_wait_for_each_other(told: Told) -> None:
    """Whoever tells of a notice locks its operation before anything else: here as Finance does."""
    await told.open()
    step = told.step("reverted:1", NoticeKind.PLAN_CHANGE_REVERTED, event=EventCode.REVERT_VERIFIED)

    await asyncio.gather(
        *(told.records.record_progress(step.model_copy(update={"key": f"reverted:{n}"})) for n in range(8)),
        *(told.acknowledge(told.acme.finance.id) for _ in range(8)),
    )

    assert await told.state() in ("acknowledged", "superseded")

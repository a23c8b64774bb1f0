"""The records of a notice to Finance: opened once, escalated when late, acknowledged by the first."""

from datetime import datetime, timedelta

import pytest

from activities.operations.notices import Notices
from billing.approvals.notice_messages import NoticeInput, NoticeStep, OpenedNotice, OpenNotice
from billing.core.business_time import Calendar
from billing.core.notices import NoticeKind
from db.core import timeline
from db.core.session import Database
from db.operations import notices
from db.tables import Notice, Operation

from ...support.builders import NOW, Tenant, an_operation, store, tenant
from ..mail.contexts import an_upgrade

LATER = NOW + timedelta(hours=1)
ALWAYS = Calendar(name="24x7", zone="UTC", always=True)


class Told:
    """A notice of a plan change that was asked for."""

    def __init__(self, database: Database, acme: Tenant, operation: Operation) -> None:
        self.database, self.acme, self.operation = database, acme, operation
        self.notices = Notices(database)
        self.id = f"ntc_{operation.id.removeprefix('op_')}-plan_change_requested"

    async def open(self, at: datetime = NOW) -> OpenedNotice:
        request = NoticeInput(
            notice=self.id,
            organization=self.acme.id,
            operation=self.operation.id,
            kind=NoticeKind.PLAN_CHANGE_REQUESTED,
            subject=an_upgrade(),
            calendar=ALWAYS,
            acknowledge_within=480,
        )
        return await self.notices.open_notice(
            OpenNotice(request=request, workflow=f"notice-{self.id}", at=at)
        )

    async def escalate(self) -> None:
        await self.notices.escalate_notice(self._step())

    async def acknowledge(self, person: str) -> None:
        await self.notices.acknowledge_notice(self._step(person))

    def _step(self, person: str | None = None) -> NoticeStep:
        return NoticeStep(notice=self.id, operation=self.operation.id, at=LATER, person=person)

    async def row(self) -> Notice:
        async with self.database.reading() as session:
            row = await notices.get(session, self.acme.id, self.id)
        assert row is not None
        return row

    async def events(self) -> list[tuple[str, str]]:
        """Each event with its actor."""
        async with self.database.reading() as session:
            return [(row.code, row.actor) for row in await timeline.read(session, self.operation.id)]


@pytest.fixture
async def told(database: Database) -> Told:
    acme = await tenant(database)
    operation = an_operation(acme)
    await store(database, operation)
    return Told(database, acme, operation)


async def test_a_notice_opens_with_its_deadline_and_is_told(told: Told) -> None:
    opened = await told.open()

    assert opened == OpenedNotice(deadline=NOW + timedelta(hours=8))
    row = await told.row()
    assert (row.state, row.kind, row.deadline) == (
        "open",
        "plan_change_requested",
        NOW + timedelta(hours=8),
    )
    assert row.subject == an_upgrade().document()
    async with told.database.reading() as session:
        [event] = await timeline.read(session, told.operation.id)
    assert (event.code, event.detail) == (
        "finance_told",
        {"notice": told.id, "kind": "plan_change_requested", "deadline": "2026-03-02T23:00:00+00:00"},
    )


async def test_opening_again_keeps_the_first_deadline_and_tells_nothing_new(told: Told) -> None:
    first = await told.open()

    assert await told.open(at=LATER) == first
    assert await told.events() == [("finance_told", "system")]


async def test_a_late_notice_is_escalated_once_and_can_still_be_acknowledged(told: Told) -> None:
    await told.open()
    for _ in range(2):
        await told.escalate()
    assert (await told.row()).state == "escalated"

    await told.acknowledge(told.acme.finance.id)

    row = await told.row()
    assert (row.state, row.acknowledged_by, row.acknowledged_at) == (
        "acknowledged",
        told.acme.finance.id,
        LATER,
    )
    assert await told.events() == [
        ("finance_told", "system"),
        ("notice_escalated", "system"),
        ("notice_acknowledged", told.acme.finance.id),
    ]


async def test_who_acknowledges_first_stays_and_is_told_once(told: Told) -> None:
    await told.open()
    await told.acknowledge(told.acme.finance.id)

    await told.acknowledge(told.acme.controller.id)

    assert (await told.row()).acknowledged_by == told.acme.finance.id
    assert await told.events() == [
        ("finance_told", "system"),
        ("notice_acknowledged", told.acme.finance.id),
    ]


async def test_what_was_acknowledged_meanwhile_is_not_escalated(told: Told) -> None:
    await told.open()
    await told.acknowledge(told.acme.finance.id)

    await told.escalate()

    assert (await told.row()).state == "acknowledged"
    assert [event for event, _ in await told.events()] == ["finance_told", "notice_acknowledged"]

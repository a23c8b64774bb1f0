"""Whoever asked for an operation that is held hears of it once, and that it goes on."""

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from activities.operations.hold_mails import TELL_AFTER, tell_held, tell_resumed
from billing.incidents.states import Component
from billing.mail.messages import MailRequest
from db.core.session import Database
from db.tables import Hold, Operation, Outbox

from ...support.builders import NOW, an_operation, store, tenant

LATER = NOW + TELL_AFTER


def a_hold(operation: Operation, **fields: Any) -> Hold:
    given = {
        "id": f"hld_{operation.id}-1",
        "operation_id": operation.id,
        "organization_id": operation.organization_id,
        "workflow_id": operation.workflow_id,
        "component": Component.STRIPE.value,
        "state": "running",
        "held_at": NOW,
    }
    return Hold.model_validate(given | fields)


async def tell(database: Database, at: datetime = LATER, component: Component = Component.STRIPE) -> int:
    async with database.transaction() as session:
        return await tell_held(session, component, at)


async def mails(database: Database) -> list[tuple[str, str | None]]:
    async with database.reading() as session:
        rows = await session.exec(select(Outbox).where(Outbox.action == "mail").order_by(col(Outbox.id)))
        requests = [MailRequest.model_validate(row.payload) for row in rows]
    return [(one.template, one.person) for one in requests]


async def test_the_requester_of_what_is_held_for_minutes_hears_of_it_once(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind="refund")
    await store(database, operation, a_hold(operation))

    assert await tell(database, LATER - timedelta(seconds=1)) == 0
    assert await tell(database, component=Component.MAIL) == 0
    assert [await tell(database), await tell(database)] == [1, 0]
    assert await mails(database) == [("operation_held", acme.admin.id)]


async def test_a_moment_that_is_over_is_told_to_nobody(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind="refund")
    hold = a_hold(operation, released_at=NOW, resumed_at=NOW)
    await store(database, operation, hold)
    assert await tell(database) == 0
    async with database.transaction() as session:
        await tell_resumed(session, hold, LATER)
    assert await mails(database) == []


async def test_whoever_was_told_of_the_hold_hears_that_it_goes_on(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind="refund")
    hold = a_hold(operation, told_at=NOW)
    await store(database, operation, hold)
    for _ in range(2):
        async with database.transaction() as session:
            await tell_resumed(session, hold, LATER)
    assert await mails(database) == [("operation_resumed", acme.admin.id)]


async def test_what_nobody_asked_for_in_person_is_told_to_nobody(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind="case", requested_by="system")
    await store(database, operation, a_hold(operation))
    assert await tell(database) == 1
    assert await mails(database) == []

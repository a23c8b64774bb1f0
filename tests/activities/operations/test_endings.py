"""How an operation ends: once, and with everything that only an open one may hold."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from activities.operations.abandonment import must_be_open
from activities.operations.endings import end_operation
from activities.operations.records import write
from billing.core.operations import Kind, State
from billing.operations.messages import Progress
from db.approvals import approvals
from db.core import timeline
from db.core.session import Database
from db.money import commitments
from db.operations import operations
from db.tables import Operation

from ...support.builders import NOW, an_approval, an_operation, store, tenant
from ...support.money_rows import a_commitment

LATER = NOW + timedelta(minutes=5)


def the_end(operation: Operation, **fields: Any) -> Progress:
    given: dict[str, Any] = {
        "operation": operation.id,
        "key": "ended",
        "event": "given_up",
        "at": LATER,
        "state": State.FAILED,
        "stage": "done",
        "allowed_actions": (),
        "releases": True,
    }
    return Progress.model_validate(given | fields)


async def _held(database: Database, operation: Operation) -> list[str | None]:
    async with database.reading() as session:
        rows = await commitments.of_operation(session, operation.id)
    return [row.payment_intent for row in rows if row.released_at is None]


async def test_an_end_lets_go_of_everything_that_only_an_open_operation_may_hold(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind=Kind.REFUND.value, state="awaiting_approval")
    approval = an_approval(operation)
    await store(database, operation, approval, a_commitment(operation))

    async with database.transaction() as session:
        assert await end_operation(session, the_end(operation))

    async with database.reading() as session:
        ended = await operations.get_fresh(session, operation.id)
        dismissed = await approvals.get_any(session, approval.id)
        events = await timeline.read(session, operation.id)
    assert (ended.state, ended.closed_at, ended.allowed_actions) == ("failed", LATER, [])
    assert (dismissed.state, dismissed.closed_at) == ("dismissed", LATER)
    assert [event.code for event in events] == ["review_dismissed", "given_up"]
    assert await _held(database, operation) == []


async def test_the_first_end_stands_whoever_brings_another(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind=Kind.REFUND.value)
    await store(database, operation, a_commitment(operation, payment_intent="pi_1"))
    completed = the_end(operation, event="refunded", state=State.COMPLETED, releases=False)

    async with database.transaction() as session:
        assert await end_operation(session, completed)
    for again in (completed, the_end(operation), the_end(operation, key="closed", at=LATER)):
        async with database.transaction() as session:
            assert not await end_operation(session, again)

    async with database.reading() as session:
        ended = await operations.get_fresh(session, operation.id)
        events = await timeline.read(session, operation.id)
    assert (ended.state, ended.closed_at) == ("completed", LATER)
    assert [event.code for event in events] == ["refunded"]
    assert await _held(database, operation) == ["pi_1"]


async def test_what_came_through_stays_counted(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind=Kind.REFUND.value)
    await store(
        database,
        operation,
        a_commitment(operation),
        a_commitment(operation, part=1, payment_intent="pi_2"),
    )
    async with database.transaction() as session:
        await write(session, the_end(operation, keeps=("pi_2",)))
    assert await _held(database, operation) == ["pi_2"]


@pytest.mark.parametrize("waits", [{"state": State.MISMATCHED}, {"stays_open": True}])
async def test_what_waits_for_a_person_says_what_they_may_do(
    database: Database, waits: dict[str, Any]
) -> None:
    acme = await tenant(database)
    with pytest.raises(ValidationError) as refused:
        the_end(an_operation(acme), **waits)
    assert [one["type"] for one in refused.value.errors()] == ["value_error"]
    the_end(an_operation(acme), **waits, allowed_actions=("accept",))


async def test_an_approval_that_is_just_being_opened_is_dismissed_with_its_operation(
    database: Database,
) -> None:
    if database.is_sqlite:
        pytest.skip("one transaction follows the other")
    operation = an_operation(await tenant(database))
    await store(database, operation)
    row, opening = an_approval(operation), asyncio.Event()

    async def open_it() -> None:
        async with database.transaction() as session:
            await must_be_open(session, operation.id)
            await approvals.create(session, row)
            opening.set()
            await asyncio.sleep(0.2)

    async def end_it() -> None:
        await opening.wait()
        async with database.transaction() as session:
            await end_operation(session, the_end(operation))

    await asyncio.gather(open_it(), end_it())
    async with database.reading() as session:
        assert await approvals.open_of(session, operation.id) == []

"""What has begun and not ended, as figures show it."""

from datetime import timedelta

from db.core.clock import utc_now
from db.core.session import Database
from db.incidents import backlog
from db.incidents.backlog import Backlog, OpenOperations, StripeStanding
from db.stripe import budget
from db.tables import Outbox, StripeEvent

from ...support.builders import NOW, an_approval, an_operation, store, tenant

HOUR = timedelta(hours=1)


async def read(database: Database) -> Backlog:
    async with database.reading() as session:
        return await backlog.read(session, NOW)


async def test_where_nothing_was_asked_for_nothing_waits(database: Database) -> None:
    assert await read(database) == Backlog(
        [],
        0,
        None,
        {"temporal": 0, "mails_to_people": 0, "stripe_events": 0, "mails_to_customers": 0},
        StripeStanding(),
    )


async def test_operations_that_have_not_ended_are_counted_by_kind_and_state_of_every_organization(
    database: Database,
) -> None:
    acme, other = await tenant(database), await tenant(database)
    for owner, state, age in ((acme, "held", 3 * HOUR), (other, "held", HOUR), (acme, "running", HOUR)):
        await store(database, an_operation(owner, state=state, created_at=NOW - age, kind="refund"))
    await store(database, an_operation(acme, state="completed", closed_at=NOW, kind="refund"))
    found = await read(database)
    assert sorted(found.operations) == [
        OpenOperations("refund", "held", 2, NOW - 3 * HOUR),
        OpenOperations("refund", "running", 1, NOW - HOUR),
    ]


async def test_the_next_deadline_is_that_of_an_approval_that_still_waits(database: Database) -> None:
    acme = await tenant(database)
    for state, after in (("open", 2 * HOUR), ("open", 3 * HOUR), ("approved", HOUR)):
        operation = an_operation(acme, kind="refund")
        await store(database, operation)
        await store(database, an_approval(operation, state=state, deadline=NOW + after))
    found = await read(database)
    assert (found.approvals, found.deadline) == (2, NOW + 2 * HOUR)


async def test_what_waits_is_counted_by_what_it_waits_for(database: Database) -> None:
    rows = (("start", "pending"), ("signal", "pending"), ("mail", "pending"), ("start", "delivered"))
    for number, (action, state) in enumerate(rows):
        row = Outbox(
            id=f"out_{number}",
            action=action,
            workflow_id=f"w{number}",
            name="any",
            payload={},
            state=state,
            created_at=NOW,
            next_attempt_at=NOW,
        )
        await store(database, row)
    event = {
        "type": "invoice.paid",
        "object_id": "in_1",
        "received_at": NOW,
        "created_at": NOW,
        "livemode": False,
    }
    await store(database, StripeEvent(id="evt_1", **event), StripeEvent(id="evt_2", state="done", **event))
    assert (await read(database)).waiting == {
        "temporal": 2,
        "mails_to_people": 1,
        "stripe_events": 1,
        "mails_to_customers": 0,
    }


async def test_a_pause_that_stripe_asked_for_and_a_slower_pace_are_seen(database: Database) -> None:
    async with database.transaction() as session:
        await budget.pause(session, 20.0, seconds=3600, reason="global-rate", slow_down=True, sent_ago=0.0)
    async with database.reading() as session:
        found = (await backlog.read(session, utc_now())).stripe
    assert found.pace is not None
    assert 1 <= found.pace < 20
    assert 3590 < found.paused <= 3600
    assert not found.held

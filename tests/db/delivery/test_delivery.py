"""Deliveries from the outbox: each settled by how it ended, and claimed by one deliverer only."""

from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from billing.core.delivery import Delivery
from billing.core.events import EventCode
from billing.core.operations import Problem
from db.core import timeline
from db.core.session import Database
from db.delivery.delivery import Send, claim_due, deliver
from db.operations import outbox
from db.tables import Outbox

from ...support.builders import NOW, an_operation, store, tenant

LATER = NOW + timedelta(minutes=1)
ENDED = Problem(code="already_ended", message="It had already ended when the request arrived.")
DOWN = Problem(code="temporal_unavailable", message="Temporal can't be reached.")


def answering(
    outcome: Literal["delivered", "refused", "later"], problem: Problem | None = None
) -> tuple[Send, list[str]]:
    """A way to send that always ends like this, and the list of workflows that it was told of."""
    sent: list[str] = []

    async def send(row: Outbox) -> Delivery:
        sent.append(row.workflow_id)
        return Delivery(outcome=outcome, problem=problem)

    return send, sent


async def enqueue(database: Database, workflow_id: str = "w1", **fields: Any) -> Outbox:
    given: dict[str, Any] = {"action": "start", "name": "PlanChangeWorkflow", "payload": {}, "at": NOW}
    async with database.transaction() as session:
        return await outbox.enqueue(session, workflow_id=workflow_id, **given | fields)


async def kept(database: Database, row: Outbox) -> Outbox:
    async with database.reading() as session:
        found = await session.get(Outbox, row.id)
    assert found is not None
    return found


# --- One row ----------------------------------------------------------------------------------------------


async def test_what_was_delivered_is_settled(database: Database) -> None:
    row = await enqueue(database)
    send, sent = answering("delivered")

    delivery = await deliver(database, send, row, LATER)

    assert (delivery, sent) == (Delivery(outcome="delivered"), ["w1"])
    settled = await kept(database, row)
    assert (settled.state, settled.settled_at, settled.error) == ("delivered", LATER, None)


async def test_what_was_refused_is_settled_with_its_reason(database: Database) -> None:
    row = await enqueue(database, action="update", name="cancel", update_id="u1")
    send, _ = answering("refused", ENDED)

    assert await deliver(database, send, row, LATER) == Delivery(outcome="refused", problem=ENDED)

    settled = await kept(database, row)
    assert (settled.state, settled.settled_at) == ("refused", LATER)
    assert settled.error == "already_ended: It had already ended when the request arrived."


async def test_what_may_not_have_arrived_is_tried_again_ever_later(database: Database) -> None:
    enqueued = await enqueue(database)
    send, sent = answering("later", DOWN)

    clock = [NOW]
    for wait in (1, 2, 4):
        [[claimed]] = await claim_due(database, clock[-1], 10)
        await deliver(database, send, claimed, clock[-1])
        row = await kept(database, enqueued)
        assert (row.state, row.error) == ("pending", "temporal_unavailable")
        assert row.next_attempt_at == clock[-1] + timedelta(seconds=wait)
        clock.append(row.next_attempt_at)
    assert sent == ["w1", "w1", "w1"]


@pytest.mark.parametrize(("closed_at", "outcome"), [(None, "later"), (NOW, "delivered")])
async def test_a_signal_to_a_workflow_that_is_over_waits_as_long_as_its_operation_is_open(
    database: Database, closed_at: datetime | None, outcome: str
) -> None:
    """Until then it goes on in a moment, in another run; after it, the records have what the signal says."""
    operation = an_operation(await tenant(database), closed_at=closed_at)
    await store(database, operation)
    row = await enqueue(database, operation.workflow_id, action="signal", name="decided", update_id="apr_1")
    send, _ = answering("refused", ENDED)

    assert (await deliver(database, send, row, LATER)).outcome == outcome
    assert (await kept(database, row)).state == ("delivered" if closed_at else "pending")


@pytest.mark.parametrize(("state", "outcome"), [("cancelled", "delivered"), ("completed", "refused")])
async def test_a_cancellation_of_what_was_cancelled_counts(
    database: Database, state: str, outcome: str
) -> None:
    operation = an_operation(await tenant(database), state=state, closed_at=NOW)
    await store(database, operation)
    row = await enqueue(database, operation.workflow_id, action="update", name="cancel", update_id="u1")
    send, _ = answering("refused", ENDED)

    assert (await deliver(database, send, row, LATER)).outcome == outcome
    assert (await kept(database, row)).state == outcome


async def send_command(database: Database, workflow_id: str, operation: str, person: str) -> Outbox:
    """A cancellation with its event, as the API writes them together."""
    async with database.transaction() as session:
        await timeline.append(
            session,
            operation,
            key=outbox.command_key("cancel", "cmd_1"),
            event=EventCode.CANCELLATION_REQUESTED,
            actor=person,
            at=NOW,
        )
    return await enqueue(database, workflow_id, action="update", name="cancel", update_id="cmd_1")


async def test_a_command_that_was_refused_says_so_on_the_timeline_once(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, state="completed", closed_at=NOW)
    await store(database, operation)
    row = await send_command(database, operation.workflow_id, operation.id, acme.admin.person.id)
    send, _ = answering("refused", ENDED)

    for _ in range(2):  # the answer to the first delivery is lost
        await deliver(database, send, row, LATER)

    async with database.reading() as session:
        [asked, refused] = await timeline.read(session, operation.id)
    assert (asked.code, refused.code) == ("cancellation_requested", "command_refused")
    assert (refused.actor, refused.at) == (acme.admin.person.id, LATER)
    said = {"command": asked.key, "event": asked.code, "code": ENDED.code, "message": ENDED.message}
    assert refused.detail == said


@pytest.mark.parametrize("outcome", ["delivered", "later"])
async def test_a_command_that_was_not_refused_says_nothing_more(
    database: Database, outcome: Literal["delivered", "later"]
) -> None:
    acme = await tenant(database)
    operation = an_operation(acme)
    await store(database, operation)
    row = await send_command(database, operation.workflow_id, operation.id, acme.admin.person.id)
    send, _ = answering(outcome)

    await deliver(database, send, row, LATER)

    async with database.reading() as session:
        assert [one.code for one in await timeline.read(session, operation.id)] == ["cancellation_requested"]

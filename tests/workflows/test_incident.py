"""An incident of Stripe from its first fault to its note, on the real stand-in, mail sink and records."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from billing.delivery import Delivery
from billing.incident_messages import ResolveIncident
from billing.incidents import Component
from db.delivery import deliver_due
from db.tables import Incident, Outbox, StripeBudget
from workflows import dispatch, ids

from ..builders import Tenant
from ..house import House, until
from ..incidents import Answers, a_watch, incidents_of

STRIPE_IS_AWAY = {"path": "/v1/customers$", "method": "GET", "times": 100_000}


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def now(home: House) -> datetime:
    assert home.environment is not None
    return await home.environment.get_current_time()


async def passed_on(home: House) -> None:
    """What is in the outbox is delivered, as the schedule's sweep does; the mails have arrived."""
    at = await now(home)

    async def send(row: Outbox) -> Delivery:
        return await dispatch.send(
            home.temporal,
            action="start",
            workflow_id=row.workflow_id,
            name=row.name,
            update_id="",
            payload=row.payload,
            within=timedelta(seconds=10),
        )

    async with home.database.reading() as session:
        mails = (
            await session.exec(
                select(Outbox.workflow_id).where(
                    Outbox.name == "PersonMailWorkflow", Outbox.state == "pending"
                )
            )
        ).all()
    await deliver_due(home.database, send, lambda: at + timedelta(seconds=1), 100)
    for mail in mails:
        await home.temporal.get_workflow_handle(mail).result()


async def found_degraded(home: House) -> Incident:
    """Stripe answers no probe: three looks of each of two workers later there is an incident."""
    home.stand_in.fault("bad_gateway", **STRIPE_IS_AWAY)
    at = await now(home)
    answers = Answers()
    answers.wrong[Component.STRIPE] = "stripe_unreachable"
    clock = {"at": at - timedelta(seconds=20)}
    watches = [
        a_watch(home.database, home.temporal, answers.probes(), clock=lambda: clock["at"]) for _ in range(2)
    ]
    for _ in range(3):
        await asyncio.gather(*(watch.look() for watch in watches))
        clock["at"] += timedelta(seconds=10)
    [incident] = await incidents_of(home.database, "stripe")
    return incident


def story_of(home: House, incident: Incident) -> WorkflowHandle[Any, Any]:
    return home.temporal.get_workflow_handle(
        ids.incident_workflow(incident.id, Component(incident.component))
    )


async def row(home: House) -> Incident:
    [found] = await incidents_of(home.database, "stripe")
    return found


async def gate_closed(home: House) -> bool:
    async with home.database.reading() as session:
        found = await session.get(StripeBudget, "account")
    return found is not None and found.held_since is not None


async def recovers(home: House) -> None:
    home.stand_in.clear_faults()
    for _ in range(12):
        await home.skip(seconds=10)
        if (await row(home)).recovered_at is not None:
            return
    raise AssertionError("it does not recover")


async def test_it_is_opened_once_alerted_recovers_and_is_cleared_with_a_note(
    home: House, acme: Tenant
) -> None:
    incident = await found_degraded(home)
    assert incident.cause == "stripe_unreachable"
    assert incident.first_fault_at is not None
    assert (incident.opened_at - incident.first_fault_at).total_seconds() == 20
    assert await gate_closed(home)
    story = story_of(home, incident)

    async def alerted() -> bool:
        return (await row(home)).alerted_at is not None

    await home.skip(seconds=11)
    await until(alerted, lambda: "nobody was alerted")
    await passed_on(home)
    assert home.mail.subjects == ["Degraded: Stripe"]
    assert home.mail.mailbox.mails[0]["to"] == [acme.controller.person.email]

    resolve = ResolveIncident(
        incident=incident.id, person=acme.admin.id, organization=acme.id, note="Stripe had an outage."
    )
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await story.execute_update("resolve", resolve)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "still_degraded"

    await home.skip(minutes=5.5)
    await passed_on(home)
    assert home.mail.subjects == ["Degraded: Stripe"] * 2

    await recovers(home)
    assert not await gate_closed(home)
    await passed_on(home)
    assert home.mail.subjects[2:] == ["Normal operations resumed: Stripe"]
    assert home.mail.mailbox.mails[2]["to"] == [acme.finance.person.email]

    await story.execute_update("resolve", resolve)
    cleared = await row(home)
    assert (cleared.cleared_by, cleared.cleared_in, cleared.note) == (acme.admin.id, acme.id, resolve.note)
    await story.result()
    await passed_on(home)
    assert home.mail.subjects[3:] == ["Incident cleared: Stripe"]
    assert "> Stripe had an outage." in home.mail.mailbox.mails[3]["text"]

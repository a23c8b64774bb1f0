"""An incident of Stripe from its first fault to its note, on the real stand-in, mail sink and records."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Worker

from billing.core.delivery import Delivery
from billing.incidents.messages import ResolveIncident
from billing.incidents.states import Component
from db.incidents import holds
from db.tables import Hold, Incident, Operation, Outbox, StripeBudget
from worker.outbox import OutboxSweep
from worker.queues import RUNNER
from workflows.client import dispatch
from workflows.core import ids, options

from ...support.builders import Tenant, an_operation, store
from ...support.house import House, until
from ...support.incidents import POLICY, Answers, a_hold, a_watch, counted, incidents_of, releases
from ...support.told import mail_name
from ..conftest import ON_BOTH_DATABASES
from ..held_workflow import HeldWorkflow

STRIPE_IS_AWAY = {"path": "/v1/customers/cus_plixo_probe$", "times": 100_000}


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
            action="start" if row.action == "start" else "update",
            workflow_id=row.workflow_id,
            name=row.name,
            update_id=row.update_id,
            payload=row.payload,
            within=timedelta(seconds=10),
        )

    await OutboxSweep(home.database, send, lambda: at + timedelta(seconds=1)).sweep()
    await home.swept()


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


def workflow_of(home: House, incident: Incident) -> WorkflowHandle[Any, Any]:
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
    await skipped_until(home, lambda: _is_recovered(home), seconds=10, most=15)


async def _is_recovered(home: House) -> bool:
    return (await row(home)).recovered_at is not None


async def skipped_until(
    home: House, there: Callable[[], Awaitable[bool]], *, seconds: float, most: int
) -> None:
    for _ in range(most):
        if await there():
            return
        await home.skip(seconds=seconds)
    assert await there()


def said(home: House) -> dict[str, list[str]]:
    """Who was mailed of the incident, by the mail's name; requesters hear of what is held besides."""
    found: dict[str, list[str]] = {}
    for mail in home.mail.mailbox.mails:
        if (name := mail_name(mail)).startswith("incident_"):
            found.setdefault(name, []).extend(mail["to"])
    return {name: sorted(to) for name, to in found.items()}


def both(acme: Tenant) -> list[str]:
    """Those who hear of its beginning and of its end."""
    return sorted([acme.controller.person.email, acme.finance.person.email])


@ON_BOTH_DATABASES
async def test_it_is_opened_once_alerted_recovers_and_is_cleared_with_a_note(
    home: House, acme: Tenant
) -> None:
    incident = await found_degraded(home)
    assert incident.cause == "stripe_unreachable"
    assert incident.first_fault_at is not None
    assert (incident.opened_at - incident.first_fault_at).total_seconds() == 20
    assert await gate_closed(home)

    async def alerted() -> bool:
        return (await row(home)).alerted_at is not None

    await home.skip(seconds=11)
    await until(alerted, lambda: "nobody was alerted")
    await passed_on(home)
    assert said(home) == {"incident_alert stripe": both(acme)}

    path, note = f"/v1/incidents/{incident.id}", {"note": "Stripe had an outage; all went through."}
    early = await home.post(acme.admin, f"{path}/resolve", note)
    assert (early.status_code, early.json()["code"]) == (409, "still_degraded")
    resolve = ResolveIncident(
        incident=incident.id, person=acme.admin.id, organization=acme.id, note=note["note"]
    )
    refused = await told(home, incident, resolve)
    assert refused.problem is not None
    assert (refused.outcome, refused.problem.code) == ("refused", "still_degraded")

    await home.skip(minutes=5.5)
    await passed_on(home)
    assert said(home) == {"incident_alert stripe": sorted([*both(acme), acme.controller.person.email])}

    await recovers(home)
    assert not await gate_closed(home)
    await passed_on(home)
    assert said(home)["incident_recovered stripe"] == both(acme)

    await home.skip(seconds=1)
    answer = await home.post(acme.admin, f"{path}/resolve", note)
    assert answer.status_code in (200, 202), answer.text
    await workflow_of(home, incident).result()
    shown = await home.get(acme.admin, path)
    assert (shown["state"], shown["cleared_by"], shown["note"]) == ("cleared", acme.admin.id, note["note"])
    assert shown["seconds_to_detect"] == 20
    assert 0 <= shown["seconds_to_alert"] < 60 < shown["seconds_to_clear"]
    await passed_on(home)
    assert said(home)["incident_cleared stripe"] == both(acme)
    [text] = {one["text"] for one in home.mail.mailbox.mails if one["to"] == [acme.finance.person.email]} & {
        one["text"] for one in home.mail.mailbox.mails if mail_name(one) == "incident_cleared stripe"
    }
    assert f"> {note['note']}" in text
    shown = await home.get(acme.admin, path)
    assert [one["role"] for one in shown["told"]] == [
        *("controller", "finance", "controller"),
        *("controller", "finance", "controller", "finance"),
    ]


async def told(home: House, incident: Incident, resolve: ResolveIncident) -> Delivery:
    """As the API passes it on."""
    return await dispatch.send(
        home.temporal,
        action="update",
        workflow_id=ids.incident_workflow(incident.id, Component(incident.component)),
        name="resolve",
        update_id="early",
        payload=resolve.model_dump(mode="json"),
        within=timedelta(seconds=10),
    )


# --- What was held ----------------------------------------------------------------------------------------


@pytest.fixture
async def workflows(home: House) -> AsyncIterator[None]:
    async with Worker(home.temporal, task_queue="held", workflows=[HeldWorkflow], workflow_runner=RUNNER):
        yield


async def held(home: House, acme: Tenant, number: int, *, ended: int = -1) -> None:
    """So many workflows wait for Stripe; the one of number `ended` does not run any more."""
    operations = [an_operation(acme, kind="refund", state="held") for _ in range(number)]
    await store(home.database, *operations)
    await store(home.database, *(a_hold(one, n, one.created_at) for n, one in enumerate(operations)))
    for n, one in enumerate(operations):
        if n != ended:
            await home.temporal.start_workflow(HeldWorkflow.run, id=one.workflow_id, task_queue="held")


async def let_go(home: House) -> list[str]:
    return [hold for hold, at in await releases(home.database) if at is not None]


async def all_went_on(home: House) -> None:
    """As the workflows themselves note it, for which these stand in."""
    at = await now(home)
    async with home.database.transaction() as session:
        await holds.resumed(session, [hold for hold, _ in await releases(home.database)], at)


async def gone(home: House, number: int) -> bool:
    return len(await let_go(home)) >= number


async def test_one_workflow_tries_first_and_then_the_others_follow_ever_faster(
    home: House, acme: Tenant, workflows: None
) -> None:
    await held(home, acme, 9, ended=0)
    await found_degraded(home)
    home.stand_in.clear_faults()

    # The first has ended meanwhile, so the second tries; and it fails.
    await skipped_until(home, lambda: gone(home, 2), seconds=10, most=15)
    assert await let_go(home) == ["hold_00", "hold_01"]
    async with home.database.reading() as session:
        budget = await session.get_one(StripeBudget, "account")
    assert (await the_operation_of(home, "hold_01")).workflow_id == budget.trial
    assert await gate_closed(home)
    await counted(home.database, await now(home), ok=1, faults=1)
    await home.skip(seconds=30)
    assert await let_go(home) == ["hold_00", "hold_01"]
    async with home.database.reading() as session:
        assert (await session.get_one(StripeBudget, "account")).trial is None
    assert not await _is_recovered(home)

    # A minute later the next one tries, and gets through.
    await skipped_until(home, lambda: gone(home, 3), seconds=10, most=15)
    assert len(await let_go(home)) == 3
    assert await gate_closed(home)
    await recovers(home)
    assert not await gate_closed(home)
    await home.skip(seconds=10)
    at = [when for _, when in (await releases(home.database))[3:] if when]
    at_once = [1]
    for earlier, later in pairwise(at):
        if (later - earlier).total_seconds() < 0.5:  # half of what there is between them, at least
            at_once[-1] += 1
        else:
            at_once.append(1)
    assert at_once == [1, 2, 3], "one, then two, then the rest"
    for hold in ("hold_01", "hold_05"):
        operation = await the_operation_of(home, hold)
        assert await home.temporal.get_workflow_handle(operation.workflow_id).result() == hold


async def the_operation_of(home: House, hold: str) -> Operation:
    async with home.database.reading() as session:
        found = await session.get_one(Hold, hold)
        return await session.get_one(Operation, found.operation_id)


async def test_what_fails_again_while_they_go_on_leaves_the_rest_held_and_alerts_anew(
    home: House, acme: Tenant, workflows: None
) -> None:
    await held(home, acme, 24)
    incident = await found_degraded(home)
    await passed_on(home)
    home.stand_in.clear_faults()
    await skipped_until(home, lambda: gone(home, 1), seconds=10, most=15)
    await skipped_until(home, lambda: gone(home, 2), seconds=1, most=40)
    await counted(home.database, await now(home), ok=2, faults=3)
    await home.skip(seconds=2)
    again = await row(home)
    assert (again.id, again.recovered_at, again.cause) == (incident.id, None, "rate_limit")
    assert await gate_closed(home)
    assert len(await let_go(home)) < 24

    await home.skip(seconds=1)
    await passed_on(home)
    assert said(home) == {
        "incident_alert stripe": sorted(both(acme) * 2),
        "incident_recovered stripe": both(acme),
    }
    await recovers(home)
    await home.skip(seconds=10)
    assert len(await let_go(home)) == 24
    assert [one.id for one in await incidents_of(home.database, "stripe")] == [incident.id]


async def test_a_workflow_that_was_told_to_go_on_and_has_not_is_told_again(
    home: House, acme: Tenant, workflows: None
) -> None:
    """Whoever released it was ended between the row and the signal."""
    await held(home, acme, 2)
    await found_degraded(home)
    lost = await now(home)
    async with home.database.transaction() as session:
        assert await holds.release(session, "hold_00", lost) is not None
    await recovers(home)
    await home.skip(minutes=3)
    for hold in ("hold_00", "hold_01"):
        operation = await the_operation_of(home, hold)
        assert await home.temporal.get_workflow_handle(operation.workflow_id).result() == hold
    [(_, again), _] = await releases(home.database)
    assert again is not None
    assert again > lost


async def test_however_many_are_held_no_history_of_their_release_grows_long(
    home: House, acme: Tenant, workflows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of workflows go through usual histories; here there are fewer, and shorter ones."""
    most, number = 150, 240
    monkeypatch.setattr(options, "LONG_HISTORY", most)
    await held(home, acme, number)
    incident = await found_degraded(home)
    began = await workflow_of(home, incident).describe()
    await recovers(home)
    answer = await home.post(
        acme.admin, f"/v1/incidents/{incident.id}/resolve", {"note": "Stripe had an outage; it is over."}
    )
    assert answer.status_code in (200, 202), answer.text
    await skipped_until(home, lambda: gone(home, number), seconds=10, most=30)
    await all_went_on(home)
    await home.skip(seconds=20)
    lengths, signals = [], 0
    run: str | None = began.run_id
    while run:
        handle = home.temporal.get_workflow_handle(began.id, run_id=run)
        events = (await handle.fetch_history()).events
        lengths.append(len(events))
        signals += sum(
            one.HasField("external_workflow_execution_signaled_event_attributes") for one in events
        )
        run = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    assert (await workflow_of(home, incident).describe()).status is WorkflowExecutionStatus.COMPLETED
    assert signals == number, "each workflow was told once"
    # Each takes two events, and its share of a second's tasks; a history ends with the look after it was
    # long enough. So however many thousands there are, none comes near the 51,200 that end a workflow.
    each = sum(lengths) / number
    assert each < 4, lengths
    in_a_look = POLICY.probe_every_seconds * options.MAX_RELEASED
    assert max(lengths) < most + 4 * in_a_look, lengths
    assert 2_000 + 4 * in_a_look < 51_200 / 10


# --- Its workflow breaks off ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["terminated", "cancelled"])
@pytest.mark.parametrize("when", ["degraded", "recovered"])
async def test_an_incident_whose_workflow_breaks_off_goes_on_and_the_gate_opens(
    home: House, acme: Tenant, workflows: None, how: str, when: str
) -> None:
    incident = await found_degraded(home)
    await home.skip(seconds=31)
    await passed_on(home)
    if when == "recovered":
        await recovers(home)
        await passed_on(home)
    await held(home, acme, 3)
    told = said(home)
    broken = await workflow_of(home, incident).describe()
    await (
        workflow_of(home, incident).terminate()
        if how == "terminated"
        else workflow_of(home, incident).cancel()
    )

    async def is_over() -> bool:
        status = (await workflow_of(home, incident).describe()).status
        return status is not WorkflowExecutionStatus.RUNNING

    await until(is_over, lambda: "the workflow goes on")
    at = await now(home)
    watches = [a_watch(home.database, home.temporal, Answers().probes(), clock=lambda: at) for _ in range(2)]
    await asyncio.gather(*(watch.tend() for watch in watches))
    assert (await workflow_of(home, incident).describe()).run_id != broken.run_id
    assert await gate_closed(home) == (when == "degraded")
    await passed_on(home)
    assert said(home) == told, "nobody is told of the restart"

    if when == "degraded":
        await recovers(home)
    assert not await gate_closed(home)
    await skipped_until(home, lambda: gone(home, 3), seconds=10, most=15)
    await home.skip(seconds=1)
    path, note = f"/v1/incidents/{incident.id}", {"note": "Stripe had an outage; all went through."}
    answer = await home.post(acme.admin, f"{path}/resolve", note)
    assert answer.status_code in (200, 202), answer.text
    await all_went_on(home)

    async def is_done() -> bool:
        status = (await workflow_of(home, incident).describe()).status
        return status is WorkflowExecutionStatus.COMPLETED

    await skipped_until(home, is_done, seconds=10, most=5)
    await passed_on(home)
    assert said(home) == {
        "incident_alert stripe": both(acme),
        "incident_recovered stripe": both(acme),
        "incident_cleared stripe": both(acme),
    }
    await asyncio.gather(*(watch.tend() for watch in watches))
    assert await is_done(), "one that was cleared stays so"


async def test_the_databases_incident_whose_workflow_breaks_off_goes_on_as_the_same(home: House) -> None:
    answers = Answers()
    clock = {"at": await now(home)}
    watch = a_watch(home.database, home.temporal, answers.probes(), clock=lambda: clock["at"])
    answers.wrong[Component.DATABASE] = "unreachable"
    for _ in range(3):
        await watch.look()
    workflow = home.temporal.get_workflow_handle("incident-database")
    first = await workflow.describe()
    await workflow.terminate()
    for _ in range(4):
        clock["at"] += timedelta(seconds=10)
        await watch.look()
    again = await workflow.describe()
    assert (again.status, again.run_id != first.run_id) == (WorkflowExecutionStatus.RUNNING, True)
    began = [
        (await home.temporal.get_workflow_handle(workflow.id, run_id=one.run_id).fetch_history()).events[0]
        for one in (first, again)
    ]
    inputs = [event.workflow_execution_started_event_attributes.input for event in began]
    assert inputs[0] == inputs[1]


# --- The mail server and the database ---------------------------------------------------------------------


async def test_the_databases_incident_begins_without_records_and_writes_its_row_when_it_can(
    home: House, acme: Tenant
) -> None:
    """Two workers see it; the controllers are mailed from what their worker remembers."""
    answers, at = Answers(), await now(home)
    watches = [a_watch(home.database, home.temporal, answers.probes(), clock=lambda: at) for _ in range(2)]
    assert home.watch is not None
    await home.watch.learn()
    answers.wrong[Component.DATABASE] = "unreachable"
    for _ in range(3):
        await asyncio.gather(*(watch.look() for watch in watches))
    workflow = home.temporal.get_workflow_handle("incident-database")

    async def mailed() -> bool:
        return said(home) == {"incident_alert database": both(acme)}

    await until(mailed, lambda: f"mailed: {home.mail.names()}")

    async def is_recovered() -> bool:
        return any(one.recovered_at for one in await incidents_of(home.database, "database"))

    await skipped_until(home, is_recovered, seconds=10, most=15)
    [incident] = await incidents_of(home.database, "database")
    assert incident.alerted_at is not None
    await home.skip(seconds=1)
    path = f"/v1/incidents/{incident.id}/resolve"
    answer = await home.post(acme.controller, path, {"note": "The disk was full; it is larger now."})
    assert answer.status_code in (200, 202), answer.text
    await workflow.result()
    await passed_on(home)
    assert said(home) == {
        "incident_alert database": both(acme),
        "incident_cleared database": both(acme),
        "incident_recovered database": both(acme),
    }


async def test_a_mail_server_that_is_away_is_not_called_alerted_by_mail(home: House, acme: Tenant) -> None:
    """Without a chat nobody hears of it before it works again."""
    home.mail.close()
    answers, at = Answers(), await now(home)
    answers.wrong[Component.MAIL] = "mail_server_unreachable"
    watch = a_watch(home.database, home.temporal, answers.probes(), clock=lambda: at)
    for _ in range(3):
        await watch.look()
    await home.skip(seconds=25)
    [incident] = await incidents_of(home.database, "mail")
    assert (incident.alerted_at, incident.recovered_at) == (None, None)
    assert incident.last_check_at is not None
    await home.mail.reopen()

    async def is_recovered() -> bool:
        return (await incidents_of(home.database, "mail"))[0].recovered_at is not None

    await skipped_until(home, is_recovered, seconds=10, most=15)
    [incident] = await incidents_of(home.database, "mail")
    assert incident.alerted_at == incident.recovered_at
    await passed_on(home)
    assert said(home) == {
        "incident_alert mail": both(acme),
        "incident_recovered mail": both(acme),
    }

"""What runs beside the operations and is ended from outside or poisoned: it is done all the same, and once.

Each is poisoned before it begins, so that the blow always finds it going.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select
from temporalio.client import WorkflowExecutionStatus

from api.portal_admin.fetching import RETRY_AFTER
from billing.incidents.states import Component
from billing.policy.incidents import IncidentPolicy
from db.portal.links_mail import mail_link
from db.stripe import budget
from db.tables import CustomerMail, Hold, Incident
from worker.watch import broken_off
from worker.watch.incident_care import IncidentCare
from workflows.core import ids

from ..support import money
from ..support.builders import Tenant, a_customer, an_invoice, store
from ..support.house import default_policy, until
from ..workflows.portal.test_invoice_fetch import billed
from .ended import Blow
from .ended.theatre import PATIENCE, Theatre, theatre

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

AT_ITS_BEGINNING: tuple[Blow | None, ...] = ("terminate", "cancel", None)
"""None: it is poisoned, and nothing else."""
MORE = "The customer asked for it in writing."
HASTY = IncidentPolicy(
    window_seconds=60,
    faults=5,
    fault_share=0.5,
    probe_every_seconds=1,
    probe_failures=3,
    healthy_seconds=2,
    alert_every=5,
)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Theatre]:
    policy = default_policy().model_copy(update={"incidents": HASTY})
    async with theatre(tmp_path_factory.mktemp("beside"), policy) as built:
        yield built


async def _struck(stage: Theatre, workflow: str, blow: Blow | None) -> None:
    """A workflow that was poisoned before it began; the poison is lifted after the blow."""
    blows = stage.blows
    assert await blows.failing(workflow), f"{workflow} ended although it was poisoned"
    if blow is not None:
        assert await blows.strike(workflow, blow)
    blows.poison.lift(workflow)


async def _resets(stage: Theatre, workflow: str) -> None:
    """One that has done its work does it again from its beginning."""
    assert await stage.blows.strike(workflow, "reset to its beginning")
    await stage.blows.quiet(workflow)


# --- Notes ------------------------------------------------------------------------------------------------


async def test_a_note_whose_workflow_is_ended_or_poisoned_reaches_stripe_all_the_same(
    stage: Theatre,
) -> None:
    await asyncio.gather(*(_noted(stage, blow) for blow in AT_ITS_BEGINNING))


async def _noted(stage: Theatre, blow: Blow | None) -> None:
    home = stage.home
    acme = await home.shop.tenant(home.database)
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1_000)
    operation = await money.refund(home, acme, payment, 1_000)
    await home.wait(acme, operation, "completed")
    workflow = ids.note_workflow(operation, 2)
    stage.blows.poison.give(workflow)
    answer = await home.post(acme.admin, f"/v1/refunds/{operation}/notes", {"note": MORE})
    assert (answer.status_code, answer.json()["seq"]) == (202, 2)
    await _struck(stage, workflow, blow)

    async def is_there() -> bool:
        made = await home.shop.client.v1.refunds.list_async({"payment_intent": payment})
        return MORE in str(made.data[0].metadata)

    await until(is_there, lambda: f"the note did not reach Stripe after: {blow}", PATIENCE)
    await stage.blows.quiet(workflow)
    await _resets(stage, workflow)
    assert await is_there()


# --- Mails ------------------------------------------------------------------------------------------------


async def test_a_customers_mail_whose_workflow_is_ended_or_poisoned_is_sent_once(stage: Theatre) -> None:
    await asyncio.gather(*(_mailed_to_a_customer(stage, blow) for blow in AT_ITS_BEGINNING))


async def _mailed_to_a_customer(stage: Theatre, blow: Blow | None) -> None:
    home = stage.home
    acme = await home.shop.tenant(home.database)
    customer = a_customer(acme.id, email=f"to-{acme.id}@example.com")
    invoice = an_invoice(customer)
    await store(home.database, customer, invoice)
    async with home.database.transaction() as session:
        start = await mail_link(
            session,
            home.policy.portal,
            invoice=invoice,
            by="customer",
            reason="asked",
            at=datetime.now(UTC),
        )
    stage.blows.poison.give(start.workflow_id)
    assert home.app is not None
    home.app.state.context.dispatcher.hand_over(start)
    await _struck(stage, start.workflow_id, blow)

    async def is_sent() -> bool:
        async with home.database.reading() as session:
            row = await session.get(CustomerMail, start.payload["mail"])
        return row is not None and row.state == "sent"

    await until(is_sent, lambda: f"the mail was not sent after: {blow}", PATIENCE)
    await stage.blows.quiet(start.workflow_id)
    await _resets(stage, start.workflow_id)
    mine = [mail for mail in home.mail.mailbox.mails if f"to-{acme.id}@" in str(mail)]
    assert len(mine) == 1


# --- Somebody waits for the answer ------------------------------------------------------------------------


async def test_who_waits_for_a_reading_that_is_ended_or_poisoned_is_told_to_ask_again(
    stage: Theatre,
) -> None:
    home = stage.home
    acme = await home.shop.tenant(home.database)
    invoices = [await billed(home, acme) for _ in AT_ITS_BEGINNING]

    async def read(invoice: str, blow: Blow | None) -> None:
        path = f"/v1/invoices/{invoice}/pay-link"
        begin = f"invoice-fetch-{invoice}-"
        stage.blows.poison.give(begin)
        asking = asyncio.create_task(home.post(acme.admin, path, {}))
        if blow is not None:
            query = f"WorkflowId STARTS_WITH '{begin}'"
            found: list[str] = []

            async def begun() -> bool:
                nonlocal found
                found = [one.id async for one in home.temporal.list_workflows(query)]
                return bool(found)

            await until(begun, lambda: "nothing was asked", PATIENCE)
            assert await stage.blows.strike(found[0], blow)
            if blow == "cancel":
                stage.blows.poison.lift(begin)
        answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unavailable"), answer.text
        assert answer.headers["Retry-After"] == RETRY_AFTER["Retry-After"]
        stage.blows.poison.lift(begin)
        assert (await home.post(acme.admin, path, {})).status_code == 200

    await asyncio.gather(*map(read, invoices, AT_ITS_BEGINNING))


# --- The gate ---------------------------------------------------------------------------------------------


async def test_the_gate_opens_though_its_incident_is_ended_or_poisoned_and_what_was_held_goes_on(
    stage: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken_off, "POISONED_FOR", timedelta(seconds=2))
    home = stage.home
    care = IncidentCare(home.database, home.temporal, HASTY)

    async def tending() -> None:
        while True:
            await care.tend(datetime.now(UTC))
            await asyncio.sleep(0.5)

    looking = asyncio.create_task(tending())
    try:
        for blow in AT_ITS_BEGINNING:
            await _gate_opens(stage, await home.shop.tenant(home.database), blow)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _gate_opens(stage: Theatre, acme: Tenant, blow: Blow | None) -> None:
    home, blows = stage.home, stage.blows
    name = f"inc_{blow or 'poison'}"
    workflow = ids.incident_workflow(name, Component.STRIPE)
    blows.poison.give(workflow)
    at = datetime.now(UTC) - timedelta(minutes=1)
    async with home.database.transaction() as session:
        session.add(
            Incident(
                id=name, component="stripe", opened_at=at, first_fault_at=at, cause="rate_limit", alerts=1
            )
        )
        await budget.close_gate(session, datetime.now(UTC))
    operation = await home.ask(acme)

    async def is_held() -> bool:
        async with home.database.reading() as session:
            holds = await session.exec(select(Hold.id).where(Hold.operation_id == operation))
            return holds.first() is not None

    await until(is_held, lambda: "the gate did not hold it", PATIENCE)
    assert await blows.failing(workflow)
    first = await home.temporal.get_workflow_handle(workflow).describe()
    if blow is not None:
        assert await blows.strike(workflow, blow)
    else:
        # Nobody lifts it before it was started anew.
        await until(lambda: _another(stage, workflow, first.run_id), lambda: "it was left alone", PATIENCE)
    blows.poison.lift(workflow)

    async def is_open() -> bool:
        async with home.database.reading() as session:
            return not await budget.is_closed(session)

    await until(is_open, lambda: f"the gate stays shut after: {blow}", PATIENCE)
    await home.reviewed(acme, operation)
    found = await home.temporal.get_workflow_handle(workflow).describe()
    assert found.status is WorkflowExecutionStatus.RUNNING, "it waits for its note"
    async with home.database.transaction() as session:
        row = await session.get_one(Incident, name)
        row.cleared_at = datetime.now(UTC)
    await blows.strike(workflow, "terminate")


async def _another(stage: Theatre, workflow: str, run: str) -> bool:
    found = await stage.blows.described(workflow)
    return found is not None and found.run_id != run

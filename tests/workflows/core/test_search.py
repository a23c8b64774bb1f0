"""What an operator sees of an operation in Temporal: it is found by what they know, and says what it waits
for."""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from api.codec.reading import NOT_YOURS
from api.http.context import TemporalReaders
from bench.shapes import histories
from billing.core.keys import Keys
from billing.incidents.holds import RELEASED, HoldRelease
from billing.incidents.states import Component
from db.core.session import Database
from db.incidents import holds
from db.stripe import budget
from sandbox.stripe.server.inprocess import StandIn
from worker import queues
from workflows.client import registration
from workflows.client.codec import EncryptionCodec, converter
from workflows.core import ids

from ...support import evidence_kept, money
from ...support.builders import Member
from ...support.house import BIN, House, house, served, until

pytestmark = pytest.mark.slow

KEYS = Keys.parse("2026-12=" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=")


@pytest.fixture
async def server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WorkflowEnvironment]:
    """A real server, as it is before anything is registered there."""
    monkeypatch.setitem(vars(queues), "RUNNER", UnsandboxedWorkflowRunner())
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=converter(KEYS),
    )
    async with environment:
        yield environment


@pytest.fixture
async def home(
    request: pytest.FixtureRequest, server: WorkflowEnvironment, database: Database, stand_in: StandIn
) -> AsyncIterator[House]:
    await registration.register(server.client)
    async with house(server, database, stand_in) as built:
        yield built
        await evidence_kept.check_all(database, request.node.name)


async def found(temporal: Client, query: str, *expected: str) -> None:
    """Exactly these operations, once the server has noted what it was told."""
    wanted, last = {ids.operation_workflow(one) for one in expected}, set[str]()

    async def are_found() -> bool:
        nonlocal last
        last = {one.id async for one in temporal.list_workflows(query)}
        return last == wanted

    await until(are_found, lambda: f"{query} finds {last}, not {wanted}")


async def waits_for(handle: WorkflowHandle[Any, Any]) -> str:
    """As Temporal's UI asks for it."""
    said = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return said.current_details


async def test_an_operator_finds_an_operation_and_reads_what_it_waits_for(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    ludwig = await money.customer(home.shop, acme, "Ludwig")
    clara = await money.customer(home.shop, acme, "Clara")
    small = await money.credit(home, acme, clara, 100)
    await home.wait(acme, small, "completed")
    credit = await money.credit(home, acme, ludwig, 60_000)
    approval = await home.reviewed(acme, credit)

    temporal = home.temporal
    await found(temporal, f"PlixoCustomer = '{ludwig}'", credit)
    await found(temporal, "PlixoState = 'awaiting_approval'", credit)
    await found(temporal, f"PlixoOrganization = '{acme.id}' AND PlixoKind = 'credit'", small, credit)

    handle = temporal.get_workflow_handle(ids.operation_workflow(credit))
    deadline = datetime.fromisoformat(approval["deadline"]).astimezone(UTC)
    assert await waits_for(handle) == f"Waits for a controller to decide until {deadline:%Y-%m-%d %H:%M} UTC."
    described: WorkflowExecutionDescription = await handle.describe()
    assert await described.static_summary() == f"Credit of {acme.id}, customer {ludwig}"
    assert f"`/console/operations/{credit}`" in (await described.static_details() or "")
    memo = await described.memo()
    assert memo == {"operation": credit, "requested_by": acme.admin.person.id}

    await home.decide(acme.controller, credit, "approve")
    await home.wait(acme, credit, "completed")
    await handle.result()
    await found(temporal, "PlixoState = 'completed'", credit)
    await found(temporal, "PlixoState = 'running'", small)
    assert await waits_for(handle) == ""


async def test_each_activity_and_timer_says_what_it_is_for_and_temporal_keeps_it_encrypted(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database)
    change = await home.ask(acme)
    await home.reviewed(acme, change)
    await home.decide(acme.controller, change)
    await home.wait(acme, change, "completed")
    handle = home.temporal.get_workflow_handle(ids.operation_workflow(change))
    await handle.result()  # the records know of the end before Temporal does
    history = await handle.fetch_history()
    said: dict[str, list[str]] = {}
    for event in history.events:
        if event.HasField("user_metadata"):
            summary = event.user_metadata.summary
            assert summary.metadata["encoding"] == b"binary/encrypted"
            context = f"operation-{change}".encode()
            assert summary.metadata["encryption-workflow-id"] == context
            [plain] = await home.temporal.data_converter.decode([summary], [str])
            said.setdefault(histories.name(event), []).append(plain)
    assert said["ACTIVITY_TASK_SCHEDULED"] == [
        "Previews the plan change in Stripe",
        "Previews the plan change in Stripe",
        f"Once in Stripe: subscription.update of {acme.organization.stripe_subscription}",
        "Reads in Stripe how the change and its payment stand",
    ]
    assert said["TIMER_STARTED"][0].startswith("Waits for a controller to decide until 2026-")
    assert said["MARKER_RECORDED"][0] == "Reads where the records say that it stands"
    assert said["MARKER_RECORDED"][-1].startswith("Records the end of the operation: verified")

    _, cost = await histories.read(home.temporal, handle.id)
    assert cost.actions <= 12, "an action for its state, at its end"
    await found(home.temporal, "PlixoState = 'completed' AND PlixoKind = 'plan_change'", change)
    await found(home.temporal, f"PlixoCustomer = '{acme.organization.stripe_customer}'", change)


async def test_nothing_depends_on_whether_a_server_knows_the_attributes(
    server: WorkflowEnvironment,
    database: Database,
    stand_in: StandIn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(server, database, stand_in) as home:
        acme = await home.shop.tenant(home.database)
        with caplog.at_level(logging.WARNING, "workflows.client.start"):
            change = await home.ask(acme)
            await home.reviewed(acme, change)
        assert f"operation-{change} is started without search attributes" in caplog.text
        await registration.register(server.client)  # too late for this one, which goes on without
        await home.decide(acme.controller, change)
        await home.wait(acme, change, "completed")
        handle = home.temporal.get_workflow_handle(ids.operation_workflow(change))
        names = [histories.name(event) async for event in handle.fetch_history_events()]
        assert "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES" not in names
        other = await money.credit(home, acme, await money.customer(home.shop, acme), 100)
        await home.wait(acme, other, "completed")
        await found(home.temporal, f"PlixoOrganization = '{acme.id}'", other)


async def test_who_may_not_register_them_is_told_what_to_do_and_starts_all_the_same(
    server: WorkflowEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = await Client.connect(server.client.service_client.config.target_host, namespace="not-there")
    with caplog.at_level(logging.WARNING, "workflows.client.registration"):
        await registration.register(nowhere)
    assert "docs/operating/temporal.md" in caplog.text
    assert "PlixoCustomer" in caplog.text


async def test_what_is_held_is_found_as_held_and_then_as_before(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    customer = await money.customer(home.shop, acme)
    async with home.database.transaction() as session:
        await budget.close_gate(session, datetime.now(UTC))
    credit = await money.credit(home, acme, customer, 100)
    await home.wait(acme, credit, "held")
    await found(home.temporal, "PlixoState = 'held'", credit)
    handle = home.temporal.get_workflow_handle(ids.operation_workflow(credit))
    assert await waits_for(handle) == "Held: waits until Stripe can be used again."

    async with home.database.transaction() as session:
        await budget.open_gate(session)
        [hold] = await holds.open_holds(session, Component.STRIPE, 100)
        await holds.release(session, hold.id, datetime.now(UTC))
    await handle.signal(RELEASED, HoldRelease(hold=hold.id))
    await home.wait(acme, credit, "completed")
    await found(home.temporal, "PlixoState = 'running'", credit)


async def test_temporals_command_line_shows_what_is_encrypted_to_who_may_read_it(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    credit = await money.credit(home, acme, await money.customer(home.shop, acme), 100)
    await home.wait(acme, credit, "completed")
    other = await home.shop.tenant(home.database)
    state = home.app.state
    state.context = replace(state.context, temporal=TemporalReaders(EncryptionCodec(KEYS)))
    async with served(home.app) as url:
        mine = await shown(home, credit, *as_member(url, acme.auditor))
        theirs = await shown(home, credit, *as_member(url, other.auditor))
    encrypted = await shown(home, credit)
    assert money.NOTE in mine
    assert NOT_YOURS in theirs
    assert money.NOTE not in theirs + encrypted


def as_member(url: str, who: Member) -> tuple[str, ...]:
    """Flags of Temporal's command line."""
    return ("--codec-endpoint", f"{url}/temporal/codec", "--codec-auth", f"Bearer {who.api_key}")


async def shown(home: House, operation: str, *flags: str) -> str:
    """What Temporal's command line says of an operation's workflow: its payloads, as it got them."""
    address = home.temporal.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / "temporal"), "workflow", "show", "--address", address, "--output", "json"),
        *("--workflow-id", ids.operation_workflow(operation), *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found = re.findall(r'"data": "([A-Za-z0-9+/=]+)"', out.decode())
    return b"\n".join(map(base64.b64decode, found)).decode(errors="replace")

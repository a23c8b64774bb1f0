"""What Temporal keeps is encrypted, for one workflow and under a key that has a name."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import WorkflowSerializationContext
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from billing.approvals.messages import RoundDecision
from billing.core.keys import Keys
from db.core.session import Database
from db.tables import Intent
from sandbox.stripe.server.inprocess import StandIn
from worker import queues
from workflows.client.codec import EncryptionCodec, KeyUnknown, converter
from workflows.core import ids

from ...support import evidence_kept, money
from ...support import quotes as asking
from ...support.house import BIN, House, house, until

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
KEYS = Keys.parse(f"2026-12={NEW},2026-09={OLD}")
ONE = Payload(metadata={"encoding": b"json/plain"}, data=b'{"comment":"for Ludwig"}')


def codec(keys: Keys = KEYS, workflow: str | None = "operation-op_1") -> EncryptionCodec:
    plain = EncryptionCodec(keys)
    return plain if workflow is None else plain.with_context(WorkflowSerializationContext("plixo", workflow))


async def refused(by: EncryptionCodec, sealed: Payload, why: str) -> None:
    """It comes out as something that nobody can convert."""
    [found] = await by.decode([sealed])
    assert found.data.decode() == why
    with pytest.raises(KeyError, match="Unknown payload encoding binary/refused"):
        pydantic_data_converter.payload_converter.from_payloads([found])


@given(st.binary(max_size=200))
async def test_what_is_encrypted_is_read_again_and_never_looks_the_same_twice(data: bytes) -> None:
    payload = Payload(metadata={"encoding": b"binary/plain"}, data=data)
    first, second = await codec().encode([payload, payload])
    assert first.data != second.data
    assert await codec().decode([first, second]) == [payload, payload]
    assert await codec(workflow=None).decode([first]) == [payload], "a codec server knows no workflow"


async def test_of_a_payload_only_its_key_and_its_workflow_can_be_read() -> None:
    [sealed] = await codec().encode([ONE])
    assert sealed.metadata == {
        "encoding": b"binary/encrypted",
        "encryption-key-id": b"2026-12",
        "encryption-workflow-id": b"operation-op_1",
    }
    assert b"Ludwig" not in sealed.SerializeToString()


async def test_what_an_older_key_has_encrypted_is_read_until_that_key_is_dropped() -> None:
    [sealed] = await codec(Keys.parse(f"2026-09={OLD}")).encode([ONE])
    assert await codec().decode([sealed]) == [ONE]
    with pytest.raises(KeyUnknown, match="the key '2026-09' is not among PLIXO_SECRET_KEYS"):
        await codec(Keys.parse(f"2026-12={NEW}")).decode([sealed])


@pytest.mark.parametrize("change", ["data", "encryption-workflow-id", "encryption-key-id"])
async def test_what_was_altered_is_refused(change: str) -> None:
    [sealed] = await codec().encode([ONE])
    if change == "data":
        sealed.data = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    else:
        sealed.metadata[change] = {"encryption-key-id": b"2026-09"}.get(change, b"operation-op_2")
    await refused(codec(workflow=None), sealed, "it was altered, or made with another key of that id")


async def test_what_was_made_for_one_workflow_is_refused_by_another() -> None:
    [sealed] = await codec(workflow="operation-op_2").encode([ONE])
    why = "it was made for the workflow 'operation-op_2', not for 'operation-op_1'"
    await refused(codec(), sealed, why)


async def test_what_is_not_encrypted_is_read_only_while_that_is_allowed() -> None:
    await refused(codec(), ONE, "it is not encrypted")
    assert await codec(Keys.parse(f"a={NEW},plain")).decode([ONE]) == [ONE]


# --- In a running house -----------------------------------------------------------------------------------


@pytest.fixture
async def home(
    request: pytest.FixtureRequest,
    database: Database,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    """Around a real server, to which everything goes encrypted, by workers that run as in production."""
    monkeypatch.setitem(vars(queues), "RUNNER", UnsandboxedWorkflowRunner())
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), data_converter=converter(KEYS)
    )
    async with environment, house(environment, database, stand_in) as built:
        yield built
        await evidence_kept.check_all(database, request.node.name)


async def stranger(home: House) -> Client:
    """Somebody who reaches Temporal's port, and has no key."""
    config = home.temporal.service_client.config
    return await Client.connect(config.target_host, data_converter=pydantic_data_converter)


async def kept(handle: WorkflowHandle[object, object]) -> bytes:
    """All that Temporal keeps of a workflow."""
    return b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])


@pytest.mark.slow
async def test_a_stranger_at_temporals_port_reads_nothing_of_what_people_said(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    who = await money.customer(home.shop, acme, "Ludwig")
    credit = await money.credit(home, acme, who, 60_000)
    await home.reviewed(acme, credit)
    await home.decide(acme.controller, credit, "approve", "Said on the phone.")
    await home.wait(acme, credit, "completed")
    upgrade = await home.ask(acme)
    await home.reviewed(acme, upgrade)
    await home.decide(acme.controller, upgrade, "reject", "Not this year.")
    await home.wait(acme, upgrade, "rejected")

    temporal = await stranger(home)
    for operation in (credit, upgrade):
        told = await kept(temporal.get_workflow_handle(ids.operation_workflow(operation)))
        assert operation.encode() in told
        for word in (b"phone", b"this year", money.NOTE.encode(), b"60000"):
            assert word not in told, word


@pytest.mark.slow
async def test_a_quote_is_found_again_by_who_asks_for_it(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    who = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, who, 50_000)
    body = {"payment_intent": payment, "reason": "duplicate", "note": money.NOTE, "amount_minor": 1_000}
    quote = await asking.quote(home, acme.admin, "/v1/refunds", body)
    asked = await asking.request(home, acme.admin, "/v1/refunds", body | {"quote": quote["quote"]})
    await home.wait(acme, asked, "completed")


@pytest.mark.slow
async def test_a_stranger_starts_and_signals_nothing_that_does_anything(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    handle = home.temporal.get_workflow_handle(ids.operation_workflow(operation))
    [started] = [
        event.workflow_execution_started_event_attributes
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_started_event_attributes")
    ]
    [request] = await pydantic_data_converter.decode(
        await codec(workflow=handle.id).decode(started.input.payloads)
    )

    temporal = await stranger(home)
    await temporal.get_workflow_handle(handle.id).signal("decided", RoundDecision(approval=approval["id"]))
    forged = await temporal.start_workflow(
        ids.PLAN_CHANGE,
        request | {"operation": "op_forged"},
        id="operation-op_forged",
        task_queue=ids.MAIN_QUEUE,
        task_timeout=timedelta(seconds=2),
    )
    copied = await temporal.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_id="operation-op_copied",
            request_id="1",
            workflow_type=started.workflow_type,
            task_queue=started.task_queue,
            input=started.input,
        )
    )

    async def failing(name: str) -> bool:
        described = await temporal.get_workflow_handle(name).describe()
        return described.raw_description.pending_workflow_task.attempt > 1

    assert copied.run_id
    for name in (forged.id, "operation-op_copied"):
        await until(partial(failing, name), lambda: "it went on")
    assert (await home.events(acme, operation))[-1] == "review_requested"
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    async with home.database.reading() as session:
        [intent] = (await session.exec(select(Intent))).all()
    assert intent.operation_id == operation

"""Two releases side by side: open work goes on by the one that is to have it, and when that changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import pytest
from temporalio import common, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentVersionRequest,
    DescribeWorkflowExecutionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig, WorkflowRunner

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn
from worker import queues, replay
from workflows.core import anew, ids

from ...support import cancellations, evidence_kept, money, quotes
from ...support.builders import Tenant
from ...support.house import BIN, House, house, until

pytestmark = pytest.mark.slow

OLD, NEW = "1.0", "1.1"
LONG, BEYOND = 90_000, 60_000
"""Cents: of an invoice, and of a credit that is beyond an admin's authority."""


@pytest.fixture
async def home(
    request: pytest.FixtureRequest,
    database: Database,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    """Workers of the old release, which is current."""
    monkeypatch.setitem(vars(queues), "RUNNER", UnsandboxedWorkflowRunner())
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        data_converter=pydantic_data_converter,
        dev_server_log_level="never",
    )
    async with environment, house(environment, database, stand_in, release=OLD) as built:
        await make_current(built.temporal, OLD)
        yield built
        await evidence_kept.check_all(database, request.node.name)


async def make_current(temporal: Client, release: str) -> None:
    """As `temporal worker deployment set-current-version` does, as soon as its workers are heard of."""
    await _heard_of(temporal, release)
    await temporal.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=temporal.namespace, deployment_name=queues.DEPLOYMENT, build_id=release
        )
    )


async def ramp(temporal: Client, release: str, percentage: float) -> None:
    await _heard_of(temporal, release)
    await temporal.workflow_service.set_worker_deployment_ramping_version(
        SetWorkerDeploymentRampingVersionRequest(
            namespace=temporal.namespace,
            deployment_name=queues.DEPLOYMENT,
            build_id=release,
            percentage=percentage,
        )
    )


async def _heard_of(temporal: Client, release: str) -> None:
    version = WorkerDeploymentVersion(deployment_name=queues.DEPLOYMENT, build_id=release)

    async def both_queues() -> bool:
        try:
            found = await temporal.workflow_service.describe_worker_deployment_version(
                DescribeWorkerDeploymentVersionRequest(
                    namespace=temporal.namespace, deployment_version=version
                )
            )
        except RPCError:
            return False
        names = {one.name for one in found.worker_deployment_version_info.task_queue_infos}
        return {ids.MAIN_QUEUE, ids.STRIPE_QUEUE} <= names

    await until(both_queues, lambda: f"{release} is not heard of")


async def release_of(home: House, operation: str) -> str:
    """By which its workflow did its last step."""
    described = await home.temporal.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=home.temporal.namespace,
            execution=WorkflowExecution(workflow_id=ids.operation_workflow(operation)),
        )
    )
    return described.workflow_execution_info.versioning_info.deployment_version.build_id


class Stories:
    """Open work of every kind, each where it waits for a person or for Stripe."""

    def __init__(self, home: House) -> None:
        self.home = home
        self.reviewed: list[tuple[Tenant, str]] = []

    async def begin(self) -> None:
        home = self.home
        upgrade, leaving, money_ = [await home.shop.tenant(home.database) for _ in range(3)]
        who = await money.customer(home.shop, money_)
        payment = await money.pay(home.shop, who, LONG)
        unpaid = [await money.invoice(home.shop, who, LONG) for _ in range(2)]
        self.reviewed += [
            (upgrade, await home.ask(upgrade)),
            (leaving, await cancellations.cancel(home, leaving, "now")),
            (money_, await money.credit(home, money_, who, BEYOND)),
            (money_, await money.refund(home, money_, payment)),
            (money_, await money.void(home, money_, unpaid[0])),
            (money_, await money.write_off(home, money_, unpaid[1])),
        ]
        for tenant, operation in self.reviewed:
            await home.reviewed(tenant, operation)

    async def decide_all(self) -> None:
        for tenant, operation in self.reviewed:
            answer = await self.home.decide(tenant.controller, operation)
            assert answer.status_code == 200, answer.text

    async def ended(self) -> None:
        for tenant, operation in self.reviewed:
            if await self._is_over(tenant, operation):
                continue
            await self.home.wait(tenant, operation, "completed")

    async def _is_over(self, tenant: Tenant, operation: str) -> bool:
        found = await self.home.get(tenant.auditor, f"/v1/operations/{operation}")
        return bool(found["state"] == "completed")


async def test_open_work_of_every_kind_goes_on_by_the_next_release_and_after_it_was_taken_back(
    home: House,
) -> None:
    assert home.deploy is not None
    first, second, third = (Stories(home) for _ in range(3))
    await first.begin()
    assert {await release_of(home, operation) for _, operation in first.reviewed} == {OLD}

    async with AsyncExitStack() as stack:
        for worker in home.deploy(NEW):
            await stack.enter_async_context(worker)
        looked, broken = await replay.broken(home.temporal)
        assert (looked >= len(first.reviewed), broken) == (True, {})

        await ramp(home.temporal, NEW, 50.0)
        await second.begin()
        await make_current(home.temporal, NEW)
        await first.decide_all()
        await first.ended()
        assert {await release_of(home, operation) for _, operation in first.reviewed} == {NEW}

        await third.begin()
        await make_current(home.temporal, OLD)
        await asyncio.gather(second.decide_all(), third.decide_all())
        await asyncio.gather(second.ended(), third.ended())
        for stories in (second, third):
            assert {await release_of(home, operation) for _, operation in stories.reviewed} == {OLD}


async def test_a_quote_ends_by_the_release_that_began_it(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    who = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, who, LONG)
    body = {"payment_intent": payment, "reason": "duplicate", "note": money.NOTE, "amount_minor": 1_000}
    quote = await quotes.quote(home, acme.admin, "/v1/refunds", body)
    assert quote["obstacles"] == []


async def test_a_release_that_would_have_done_otherwise_is_named_before_it_is_deployed(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)

    async def otherwise(*_: object) -> str:
        await asyncio.sleep(60)
        return "otherwise"

    monkeypatch.setattr("workflows.plan_changes.workflow.PlanChangeWorkflow._carry_out", otherwise)
    looked, broken = await replay.broken(home.temporal)
    assert looked >= 1
    assert ids.operation_workflow(operation) in broken


@workflow.defn(versioning_behavior=common.VersioningBehavior.PINNED)
class Ticks:
    """Goes on for ever, and anew where it is time."""

    def __init__(self) -> None:
        self._ticks = 0

    @workflow.signal
    def tick(self) -> None:
        self._ticks += 1

    @workflow.run
    async def run(self, rounds: int) -> None:
        while True:
            await workflow.wait_condition(lambda: self._ticks > 0)
            self._ticks = 0
            if anew.is_time():
                anew.go_on(rounds + 1)


async def test_what_goes_on_for_long_goes_on_by_the_next_release_with_the_next_thing_that_happens(
    home: House,
) -> None:
    async with AsyncExitStack() as stack:
        for release in (OLD, NEW):
            version = WorkerDeploymentConfig(
                common.WorkerDeploymentVersion(queues.DEPLOYMENT, release), use_worker_versioning=True
            )
            worker = Worker(
                home.temporal,
                task_queue="ticks",
                workflows=[Ticks],
                deployment_config=version,
                workflow_runner=UnsandboxedWorkflowRunner(),
            )
            await stack.enter_async_context(worker)
        assert home.deploy is not None
        for worker in home.deploy(NEW):
            await stack.enter_async_context(worker)
        handle = await home.temporal.start_workflow(
            Ticks.run, 0, id=ids.operation_workflow("ticks"), task_queue="ticks"
        )
        await handle.signal(Ticks.tick)

        async def by(release: str) -> bool:
            return await release_of(home, "ticks") == release

        await until(partial(by, OLD), lambda: "it is not the old one's")
        await make_current(home.temporal, NEW)

        async def upgraded() -> bool:
            await handle.signal(Ticks.tick)
            return await by(NEW)

        await until(upgraded, lambda: "it has not changed over")


@pytest.mark.parametrize("runner", [UnsandboxedWorkflowRunner(), queues.RUNNER], ids=["as is", "sandbox"])
async def test_workers_of_no_release_do_what_is_to_be_done(
    database: Database, stand_in: StandIn, runner: WorkflowRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where nobody sets PLIXO_RELEASE: on a server that would know of releases."""
    monkeypatch.setitem(vars(queues), "RUNNER", runner)
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        data_converter=pydantic_data_converter,
        dev_server_log_level="never",
    )
    async with environment, house(environment, database, stand_in) as home:
        acme = await home.shop.tenant(home.database)
        await home.reviewed(acme, await home.ask(acme))

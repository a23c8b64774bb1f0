"""Turns among organizations: a crowd that one of them has asked for keeps no other one waiting."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sandbox.stack.stack import TEMPORAL_FLAGS
from workflows.client import dispatch
from workflows.core import ids, options

from ...support.house import BIN, until

pytestmark = pytest.mark.slow

CROWD = 120


@workflow.defn(name=ids.REFUND)
class Asks:
    """A refund that asks Stripe once."""

    @workflow.run
    async def run(self, given: dict[str, str]) -> None:
        await workflow.execute_activity("asked", given["organization"], **options.STRIPE_READ)


def _pairs(flag: str) -> Iterator[str]:
    """The stack's own, of this flag."""
    for name, value in pairwise(TEMPORAL_FLAGS):
        if name == flag:
            yield from (name, value)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        dev_server_extra_args=[*_pairs("--dynamic-config-value")],
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield environment.client


async def ask(temporal: Client, organization: str, number: int) -> None:
    """As the API and the sweep of the outbox start what was asked for."""
    delivery = await dispatch.send(
        temporal,
        action="start",
        workflow_id=f"operation-{organization}-{number}",
        name=ids.REFUND,
        update_id="",
        payload={"organization": organization},
        within=timedelta(seconds=10),
    )
    assert delivery.outcome == "delivered"


async def test_one_organizations_crowd_keeps_no_other_one_waiting(temporal: Client) -> None:
    order: list[str] = []

    @activity.defn(name="asked")
    async def asked(organization: str) -> None:
        order.append(organization)

    for number in range(CROWD):
        await ask(temporal, "org_hopeless", number)
    await ask(temporal, "org_other", 0)
    workflows = Worker(
        temporal,
        task_queue=ids.MAIN_QUEUE,
        workflows=[Asks],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_tasks=4,
    )
    calls = Worker(temporal, task_queue=ids.STRIPE_QUEUE, activities=[asked], max_concurrent_activities=1)
    async with workflows, calls:

        async def all_asked() -> bool:
            return len(order) == CROWD + 1

        await until(all_asked, lambda: f"{len(order)} were asked")
    assert order.index("org_other") < CROWD / 4, order.index("org_other")

"""What a refund takes until it can no longer fail: issued, then watched on a server that skips the time."""

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from httpx import AsyncClient
from sqlmodel import select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from billing.core.operations import Role, State
from db.tables import Operation
from workflows.core import ids

from .anatomy import Anatomy, counted, settled
from .options import Options
from .reports import Report, Target, figure
from .shapes.histories import Cost
from .stage import in_process
from .stage.contenders import Product
from .stage.organizations import Organization, payment_of, provision
from .stage.stage import SHIPPED, Stage, on_stage

REFUNDS = 3
WITHIN = 60.0
"""Seconds until a refund that is not completed is taken for a failure."""
LOOK_EVERY = 0.05
LOOK_BEYOND = timedelta(days=2)
"""How much longer than the watch is waited for its end."""


def run(options: Options) -> Report:
    """Some refunds within authority, with Stripe's events and Finance's acknowledgments; then thirty days."""

    async def work(stage: Stage) -> Report:
        [organization] = await provision(stage, 1)
        payments = iter([await payment_of(stage, organization) for _ in range(REFUNDS)])
        async with AsyncExitStack() as stack:
            skipping = await stack.enter_async_context(
                await WorkflowEnvironment.start_time_skipping(
                    test_server_existing_path=str(Path(sys.executable).with_name("temporal-test-server")),
                    data_converter=pydantic_data_converter,
                )
            )
            http = await stack.enter_async_context(in_process.product(stage, skipping.client))
            began, issued = datetime.now(UTC), Refunds(stage, http, skipping.client, organization)
            anatomy = await counted(stage, skipping.client, lambda: issued.one(next(payments)), times=REFUNDS)
            await stage.control("webhooks", {"mode": "drop"})
            await _time_passes(skipping, issued, stage.policy.refund.watch_days)
            watched = await settled(stage, skipping.client, began)
        return _report(anatomy, watched, stage)

    return on_stage(work, options.model_copy(update={"postgres": True}), budget=SHIPPED)


class Refunds:
    """Asks for refunds, each to its end and acknowledged."""

    def __init__(self, stage: Stage, http: AsyncClient, temporal: Client, organization: Organization) -> None:
        self._stage, self._http, self._temporal = stage, http, temporal
        self._organization = organization
        self._plixo = Product(http, stage.records, [organization])
        self._keys = count(1)
        self.workflows: list[str] = []

    async def one(self, payment: str) -> None:
        """Raises TimeoutError when it does not complete."""
        answer = await self._http.post(
            "/v1/refunds",
            json={"payment_intent": payment, "reason": "duplicate", "note": "Charged twice."},
            headers=self._organization.headers(Role.BILLING_ADMIN)
            | {"Idempotency-Key": f"refund-{next(self._keys)}"},
        )
        operation = answer.raise_for_status().json()["id"]
        self.workflows.append(ids.operation_workflow(operation))
        async with asyncio.timeout(WITHIN):
            while not await self._is_completed(operation):  # noqa: ASYNC110 - its worker makes it true
                await asyncio.sleep(LOOK_EVERY)
        await settled(self._stage, self._temporal, datetime.now(UTC))
        await self._plixo.acknowledge(self._organization)

    async def _is_completed(self, operation: str) -> bool:
        async with self._stage.records.reading() as session:
            found = await session.exec(
                select(Operation.state)
                .where(Operation.id == operation)
                .execution_options(**in_process.BY_THE_DRIVER)
            )
            return found.one() == State.COMPLETED


async def _time_passes(skipping: WorkflowEnvironment, refunds: Refunds, days: int) -> None:
    """Until nothing is watched any more. Raises RuntimeError when it still is after that."""
    await skipping.sleep(timedelta(days=days) + LOOK_BEYOND)
    for workflow in refunds.workflows:
        told = await skipping.client.get_workflow_handle(workflow).describe()
        if told.status is not WorkflowExecutionStatus.COMPLETED:
            raise RuntimeError(f"{workflow} is {told.status} after {days} days")


def _report(anatomy: Anatomy, watched: dict[str, Cost], stage: Stage) -> Report:
    whole = Cost.together(watched.values())
    days = stage.policy.refund.watch_days
    return Report(
        name="refund",
        title=f"a refund within authority, with events and acknowledgments (records on {stage.database})",
        columns=("", "a refund"),
        rows=[
            ("Temporal actions until it is completed", figure(anatomy.actions)),
            (f"after {days} days of watching", figure(whole.actions / REFUNDS)),
            ("events in histories, in the end", figure(whole.events / REFUNDS)),
            ("calls to Stripe until it is completed", figure(anatomy.calls)),
            ("round trips on PostgreSQL until then", figure(anatomy.round_trips)),
        ],
        targets=[
            Target(
                what="Temporal actions with the watch",
                measured=whole.actions / REFUNDS,
                sense="≤",
                wanted=15,
            ),
        ],
        notes=[
            f"Means of {REFUNDS} refunds. The time of the watch is skipped; nobody asks Stripe for its "
            "events meanwhile, so that the refund is looked for at its end, which is one action more.",
            "Actions by workflow: "
            + ", ".join(
                f"{called} {figure(cost.actions / REFUNDS)}"
                for called, cost in sorted(watched.items(), key=lambda one: -one[1].actions)
            )
            + ".",
        ],
        facts={
            "cost": {called: cost.model_dump() for called, cost in watched.items()},
            "stripe_calls": dict(anatomy.stripe),
            "round_trips": anatomy.round_trips,
            "sql": anatomy.sql,
        },
    )

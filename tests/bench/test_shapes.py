"""A baseline is only honest when it does what it was made from: played and read back, a shape is the same."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from bench.bare import workflow as bare
from bench.bare.worker import build_workers
from bench.bare.workflow import Errand
from bench.shapes import histories
from bench.shapes.reference import REVIEW as REVIEW_WORKFLOW
from bench.shapes.reference import reference
from bench.shapes.shape import Command, Moment, Shape
from settings.settings import Settings

from ..support.house import BIN

LOCAL, TIMER = Command(kind="local"), Command(kind="timer")
STRIPE, MAIL = Command(kind="activity", name="call", stripe=True), Command(kind="activity", name="mail")

REVIEW = Shape(
    workflow=REVIEW_WORKFLOW,
    moments=(
        Moment(after=(), commands=(LOCAL, MAIL, TIMER)),
        Moment(after=("u",), commands=(LOCAL,), timers=(2,)),
    ),
    ends=True,
)
NOTICE = Shape(workflow="Notice", moments=(Moment(after=(), commands=(LOCAL, MAIL, TIMER)),), ends=False)
WORKFLOW = Shape(
    workflow="Workflow",
    moments=(
        Moment(after=(), commands=(STRIPE,)),
        Moment(after=("a0",), commands=(STRIPE, STRIPE)),
        Moment(after=("a1", "a2"), commands=(LOCAL, Command(kind="child", name="Notice", child=NOTICE))),
        Moment(after=("s4",), commands=(Command(kind="child", name=REVIEW_WORKFLOW, child=REVIEW),)),
        Moment(after=("s5", "c5"), commands=(MAIL,)),
        Moment(after=("a6",)),
    ),
    ends=True,
)


@pytest.fixture
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), data_converter=pydantic_data_converter
    )
    async with environment:
        yield environment.client


def outline(shape: Shape) -> list[Any]:
    """Everything but names, which baselines have of their own; what happened together is in any order."""
    return [
        (
            set(moment.after),
            [(command.kind, command.stripe) for command in moment.commands],
            moment.timers,
            [outline(command.child) for command in moment.commands if command.child],
        )
        for moment in shape.moments
    ] + [shape.ends]


@pytest.mark.slow
async def test_a_shape_that_is_played_and_read_back_is_the_same(temporal: Client, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    opened.touch()
    settings = Settings(stripe_api_key=SecretStr("sk_test_none"), stripe_api_base="http://127.0.0.1:9")
    main, stripe = build_workers(temporal, settings, 100.0, opened)
    began = datetime.now(UTC)
    async with main, stripe:
        handle = await temporal.start_workflow(
            "Bare", Errand(shape=WORKFLOW), id="workflow", task_queue=bare.MAIN_QUEUE
        )
        review = temporal.get_workflow_handle("workflow-5")
        async for event in handle.fetch_history_events(wait_new_event=True):
            child = event.child_workflow_execution_started_event_attributes
            if child.workflow_execution.workflow_id == review.id:
                break
        async for event in review.fetch_history_events(wait_new_event=True):
            if histories.name(event) == "ACTIVITY_TASK_COMPLETED":
                break
        await review.execute_update("decide", id="decision")
        assert await handle.result() == "completed"
        shape, cost = await histories.read(temporal, "workflow")

    assert outline(shape) == outline(WORKFLOW)
    assert shape.counts() == WORKFLOW.counts()
    assert shape.counts() == {
        "workflows": 3,
        "updates": 1,
        "Stripe activities": 3,
        "other activities": 3,
        "local activities": 4,
        "timers": 2,
    }
    # Three starts, two of children, six activities, two timers, one update, and local activities in four
    # workflow tasks.
    assert cost.actions == 18
    everything = await histories.begun_since(temporal, began)
    assert {called: each.actions for called, each in everything.items()} == {
        "Bare": 8,
        f"Bare{REVIEW_WORKFLOW}": 6,
        "BareNotice": 4,
    }
    assert opened.read_text().split() == ["workflow-5", "workflow-5"]


def test_the_baselines_are_made_from_what_was_kept_and_not_from_the_product() -> None:
    kept = reference()
    assert kept.shape.counts() == {
        "workflows": 4,
        "updates": 1,
        "Stripe activities": 10,
        "other activities": 4,
        "local activities": 9,
        "timers": 3,
    }
    assert kept.stripe.total() == 10

"""The baselines: a workflow that does what a shape says, and nothing besides.

Baseline (a) does nothing at all in its activities. Baseline (b) makes the calls to Stripe that the product
makes, through the SDK and against the same stand-in, with nothing kept, checked, approved or told.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ConfigDict, Field

    from ..shapes.shape import Command, Moment, Shape
    from .activities import Calls, Nothing, PlainCall

MAIN_QUEUE = "bench"
STRIPE_QUEUE = "bench-stripe"

A_LONG_TIME = 3600.0
"""Seconds; longer than any run, as the reminders and deadlines of a review are."""

MAIL: workflow.ActivityConfig = {
    "start_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": timedelta(seconds=5),
}
CALL: workflow.ActivityConfig = MAIL | {"task_queue": STRIPE_QUEUE}
RECORD: workflow.LocalActivityConfig = {"start_to_close_timeout": timedelta(seconds=2)}
"""As the product's own were when the reference was kept; nothing here fails, so nothing is tried again."""


class Errand(BaseModel):
    """What a bare workflow is given. Without `facts` it makes no calls to Stripe."""

    model_config = ConfigDict(frozen=True)

    shape: Shape
    facts: dict[str, Any] = Field(default_factory=dict)


@workflow.defn(dynamic=True)
class Bare:
    """Of any type: one class plays the workflow, its review and its notices."""

    @workflow.init
    def __init__(self, arguments: Sequence[RawValue]) -> None:
        self._errand = workflow.payload_converter().from_payload(arguments[0].payload, Errand)
        self._facts = dict(self._errand.facts)
        self._happened: set[str] = set()
        self._answered = False
        self._numbered = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> str:
        for moment in self._errand.shape.moments:
            await self._all(moment.after)
            await self._act(moment)
            self._answered = self._answered or "u" in moment.after
        await workflow.wait_condition(lambda: self._errand.shape.ends)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return "completed"

    async def _all(self, after: Sequence[str]) -> None:
        await workflow.wait_condition(lambda: self._happened.issuperset(after))

    @workflow.update
    async def decide(self) -> None:
        """A person's decision."""
        self._happened.add("u")
        await workflow.wait_condition(lambda: self._answered)

    async def _act(self, moment: Moment) -> None:
        for number in moment.timers:
            self._tasks[number].cancel()
        for command in moment.commands:
            number, self._numbered = self._numbered, self._numbered + 1
            if command.kind == "local":
                await workflow.execute_local_activity_method(Nothing.nothing, **RECORD)
            else:
                self._tasks[number] = asyncio.create_task(self._work(number, command))

    def _work(self, number: int, command: Command) -> Any:
        match command.kind:
            case "child":
                return self._child(number, command)
            case "timer":
                return workflow.sleep(A_LONG_TIME)
            case _:
                return self._activity(number, command)

    async def _activity(self, number: int, command: Command) -> None:
        if command.stripe and self._facts:
            call = PlainCall(name=command.name, facts=self._facts)
            self._facts |= await workflow.execute_activity_method(Calls.call, call, **CALL)
        else:
            how = CALL if command.stripe else MAIL
            await workflow.execute_activity_method(Nothing.nothing, **how)
        self._happened.add(f"a{number}")

    async def _child(self, number: int, command: Command) -> None:
        assert command.child is not None
        handle = await workflow.start_child_workflow(
            f"Bare{command.name}",
            Errand(shape=command.child),
            id=f"{workflow.info().workflow_id}-{number}",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        )
        self._happened.add(f"s{number}")
        if command.child.ends:
            await handle
            self._happened.add(f"c{number}")

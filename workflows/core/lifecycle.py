"""One run of an operation's workflow, from where the records say that it stands to its end.

A run may follow another that was terminated, cancelled or reset in Temporal. Then it takes up what was begun
in Stripe; and where the operation has ended meanwhile, it opens nothing again.
"""

import asyncio
from types import TracebackType
from typing import Any, Self, TypeGuard

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.operations import State
    from billing.operations.standing import Standing

from .commands import PendingCommands
from .effects import OperationEffects
from .outcome import Outcome
from .recorder import OperationRecorder


class OperationRun:
    """A block in which an operation runs: whoever sends it something gets an answer before it is over."""

    def __init__(
        self, recorder: OperationRecorder, effects: OperationEffects, commands: PendingCommands[Any, Any]
    ) -> None:
        self._recorder, self._effects, self._commands = recorder, effects, commands

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            return
        self._commands.close()
        if error is not None:
            await self._recorder.abandon()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def begin(self) -> Standing:
        """Where the records say that the operation stands."""
        standing = await self._recorder.standing()
        self._effects.take_up(standing)
        self._commands.take_up(standing.taken)
        return standing

    def leaves_doubt(self, outcome: Outcome | None) -> TypeGuard[Outcome]:
        """Whether it would be called failed while Stripe may have made something of it.

        Nothing is called failed that isn't: a person resolves that, wherever it went wrong, however often.
        """
        if outcome is None or outcome.state is not State.FAILED or outcome.settled:
            return False
        return self._effects.in_doubt

    async def end(self, outcome: Outcome) -> str:
        """Records the end; returns the state in which the operation has ended."""
        self._commands.close()
        return (await self._recorder.end(outcome)).state.value

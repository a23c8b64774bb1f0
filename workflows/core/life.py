"""The life of a story: one run of it, from where the records say that it stands to its end.

A run may follow another that was terminated, cancelled or reset in Temporal. Then it takes up what was begun
in Stripe; and where the operation has ended meanwhile, it opens nothing again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, State
    from billing.core.standing import Standing
    from billing.evidence.event_words import words

from .inbox import Waits
from .operation import TROUBLE, Ended, Story, problem_of

Tell = Callable[[Standing], Awaitable[Ended | None]]
Unclear = Callable[[Problem], Awaitable[Ended | None]]


async def live(
    story: Story,
    waits: Waits[Any, Any],
    *,
    tell: Tell,
    unclear: Unclear,
    watches: bool = False,
) -> str:
    """Tells the story to its end, writes that, and returns the state in which the operation has ended.

    `tell` is the story itself; None when it has written its end. `unclear` takes over when something goes
    wrong while Stripe may have made something of it: a person resolves that. A story that
    `watches` goes on after its operation was completed.
    """
    try:
        state = await _lived(story, waits, tell, unclear, watches)
    except asyncio.CancelledError:
        waits.close()
        await story.stopped()
        await workflow.wait_condition(workflow.all_handlers_finished)
        raise
    waits.close()
    await workflow.wait_condition(workflow.all_handlers_finished)
    return state.value


async def _lived(
    story: Story,
    waits: Waits[Any, Any],
    tell: Tell,
    unclear: Unclear,
    watches: bool,
) -> State:
    standing = await story.standing()
    if standing.closed_at is not None and not (watches and standing.state is State.COMPLETED):
        return standing.state
    end = await _guarded(story, partial(tell, standing), unclear)
    waits.close()
    if end is None:
        return State.COMPLETED
    return (await story.end(end)).state


async def _guarded(
    story: Story, step: Callable[[], Awaitable[Ended | None]], unclear: Unclear
) -> Ended | None:
    """Nothing is called failed that isn't: what goes wrong while an effect is in doubt is a person's to
    resolve, wherever it went wrong, and however often.
    """
    while True:
        try:
            end = await step()
        except Ended as early:
            end = early
        except TROUBLE as error:
            end = Ended(State.FAILED, EventCode.GIVEN_UP, problem_of(error))
        if end is None or end.state is not State.FAILED or end.settled or not story.in_doubt:
            return end
        problem = end.problem or Problem(code="failed", message=f"{words(end.event)}.")
        step = partial(unclear, problem)

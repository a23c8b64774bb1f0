"""How workflows write and read the records, at once and through an outage, and how long a history may be."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from . import options

Arg = TypeVar("Arg")
Answer = TypeVar("Answer")


async def recorded(activity: Callable[[Any, Arg], Awaitable[Answer]], arg: Arg) -> Answer:
    """The answer of a short transaction, which may be repeated; however long the records are away.

    As a local activity it costs nothing of its own, but one that fails for long would keep its workflow task
    open, which writes to the history again and again and keeps updates waiting. So after a few seconds it
    becomes an activity: Temporal tries that again and again, and nothing of it is in the history but its end.
    """
    try:
        done: Answer = await workflow.execute_local_activity_method(activity, arg, **options.RECORD_AT_ONCE)
        return done
    except (ActivityError, ApplicationError) as error:
        # A local activity's own error may come without the activity's around it.
        cause = error if isinstance(error, ApplicationError) else error.cause
        final = isinstance(cause, ApplicationError) and cause.non_retryable
        if final or is_cancelled_exception(error):
            raise
    answer: Answer = await workflow.execute_activity_method(activity, arg, **options.RECORD)
    return answer

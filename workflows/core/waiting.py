"""What a workflow waits for, in words for whoever looks at it in Temporal: with its timer, and as its current
details for as long as it waits. Nobody is named, and nothing goes by these words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from temporalio import workflow

_BETWEEN = "\n\n"
"""Paragraphs, as Temporal's UI shows Markdown."""


async def wait(what: str, condition: Callable[[], bool], within: timedelta | None = None) -> bool:
    """Until the condition holds; False when it does not `within` that time."""
    with said(what):
        try:
            await workflow.wait_condition(condition, timeout=within, timeout_summary=what)
        except TimeoutError:
            return False
    return True


async def pause(what: str, period: timedelta) -> None:
    """For so long."""
    with said(what):
        await workflow.sleep(period, summary=what)


@contextmanager
def said(what: str) -> Iterator[None]:
    """Meanwhile this is what it waits for, beside whatever else it does."""
    workflow.set_current_details(_BETWEEN.join([*_details(), what]))
    try:
        yield
    except GeneratorExit:
        raise  # it is dropped from a worker's memory, where nobody can be told anything any more
    except BaseException:
        _unsay(what)
        raise
    _unsay(what)


def _unsay(what: str) -> None:
    left = _details()
    left.remove(what)
    workflow.set_current_details(_BETWEEN.join(left))


def _details() -> list[str]:
    return [one for one in workflow.get_current_details().split(_BETWEEN) if one]


def by(moment: datetime) -> str:
    """As these words say a moment: to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"

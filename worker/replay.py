"""`python -m worker.replay`: whether this release can go on with the workflows that are open now.

Before a deployment: reads the history of each workflow that runs, and does again what it did, without calling
anything. One that this release would have done otherwise is named, and the command exits with 1.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, NoReturn

import typer
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Replayer

from settings.settings import InvalidSettings, load
from workflows.client.connection import InvalidConnection, connection
from workflows.core import ids

from . import queues

BROKEN, WRONG, UNREACHABLE = 1, 2, 3

RUNNING = 'ExecutionStatus = "Running"'


async def broken(temporal: Client, most: int | None = None) -> tuple[int, Mapping[str, Exception]]:
    """How many workflows were looked at, at most so many; and why this release can't go on with which."""
    workflows = queues.WORKFLOWS[ids.MAIN_QUEUE]
    replayer = Replayer(
        workflows=workflows, workflow_runner=queues.RUNNER, data_converter=temporal.data_converter
    )
    failed: dict[str, Exception] = {}
    looked = 0
    async with replayer.workflow_replay_iterator(_histories(temporal, most)) as results:
        async for result in results:
            looked += 1
            if result.replay_failure is not None:
                failed[result.history.workflow_id] = result.replay_failure
    return looked, failed


async def _histories(temporal: Client, most: int | None) -> AsyncIterator[WorkflowHistory]:
    query = f'{RUNNING} AND TaskQueue = "{ids.MAIN_QUEUE}"'
    async for history in temporal.list_workflows(query, limit=most).map_histories():
        yield history


def main(
    most: Annotated[int | None, typer.Option("--most", min=1, help="Look at so many at most")] = None,
) -> None:
    """Replay the workflows that are open on the server."""
    try:
        looked, failed = asyncio.run(_replayed(most))
    except InvalidSettings as error:
        _end("\n".join(map(str, error.problems)), WRONG)
    except InvalidConnection as error:
        _end(str(error), WRONG)
    except (RPCError, RuntimeError) as error:
        _end(f"Temporal can't be reached: {error}", UNREACHABLE)
    for workflow, why in sorted(failed.items()):
        print(f"{workflow}: {why}")
    print(f"{looked} open workflows, of which this release can't go on with {len(failed)}.")
    sys.exit(BROKEN if failed else 0)


async def _replayed(most: int | None) -> tuple[int, Mapping[str, Exception]]:
    settings, _ = load()
    return await broken(await connection(settings).client(), most)


def _end(text: str, code: int) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    typer.run(main)

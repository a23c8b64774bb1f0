"""`python -m worker.operations`: what an operator does about operations that do not go on.

Mostly nothing: the worker's reaper ends or restarts within a minute what was ended in Temporal. What is done
here is kept with who did it and why.
"""

import asyncio
import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import typer
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.operations import abandonment
from billing.core.events import EventCode
from billing.core.operations import SYSTEM
from billing.core.standing import Abandon
from billing.incidents.holds import RELEASED, HoldRelease
from billing.incidents.states import Component
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import AWAY, Database
from db.incidents import gate, holds
from db.operations import operations
from db.stripe import budget
from db.tables import Hold
from settings.settings import InvalidSettings, load

from . import composition
from .watch.restarts import MONEY
from .watch.stuck import stuck

WRONG, UNREACHABLE = 2, 3
WITHIN = timedelta(seconds=10)

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

Because = Annotated[str, typer.Option("--because", help="Why; it is kept with what is done")]
By = Annotated[
    str, typer.Option("--by", help="Who does it; you, by default", default_factory=getpass.getuser)
]


class CommandRefused(Exception):
    """What was asked for makes no sense, or may do harm; the message says what to do instead."""


@dataclass(frozen=True)
class Tools:
    database: Database
    temporal: Client


@app.command("list-stuck")
def list_stuck() -> None:
    """List the open operations, notices and holds that do not go on. Exits with 1 when there are any."""

    async def listed(tools: Tools) -> int:
        number = 0
        async for one in stuck(tools.database, tools.temporal):
            number += 1
            print(f"{one.id}\t{one.what}\t{one.at}\tsince {one.since:%Y-%m-%d %H:%M} UTC\t{one.why}")
        print(f"{number} stuck." if number else "Nothing is stuck.")
        return 1 if number else 0

    _with_tools(listed)


@app.command()
def close(
    id: Annotated[str, typer.Argument(help="The operation's id, op_…")],
    because: Because,
    by: By,
    although: Annotated[
        bool,
        typer.Option(
            "--although-money-may-have-moved",
            help="Close it although something was begun in Stripe; look there first",
        ),
    ] = False,
) -> None:
    """End a plan change, refund or credit that does not go on, and let go what it holds."""

    async def closed(tools: Tools) -> int:
        print(await close_operation(tools, id, _said(because), by, although))
        return 0

    _with_tools(closed)


@app.command("release-holds")
def release_holds(because: Because, by: By) -> None:
    """Tell every operation that is held to go on. The gate before Stripe has to be open."""

    async def released(tools: Tools) -> int:
        print(f"{await release_all(tools, _said(because), by)} told to go on.")
        return 0

    _with_tools(released)


@app.command("open-gate")
def open_gate(because: Because, by: By) -> None:
    """Let requests to Stripe pass again, though an incident may be open; then release what is held."""

    async def opened(tools: Tools) -> int:
        why = _said(because)
        async with tools.database.transaction() as session:
            opening = await gate.open_by_operator(session, by=by, because=why, at=utc_now())
            if opening.shut_since is None:
                raise CommandRefused("The gate is open already.")
        print(f"The gate is open. {await let_go(tools)} told to go on.")
        return 0

    _with_tools(opened)


async def close_operation(tools: Tools, id: str, because: str, by: str, although: bool) -> str:
    """Ends it, then its workflow. Raises Refused."""
    async with tools.database.transaction() as session:
        operation = await operations.get_any(session, id)
        if operation is None:
            raise CommandRefused(f"There is no operation {id}. Its id begins with op_; list-stuck shows it.")
        if operation.closed_at is not None:
            raise CommandRefused(f"{id} has ended already: {operation.state}.")
        if operation.kind not in MONEY:
            raise CommandRefused(
                f"{id} is a {operation.kind.replace('_', ' ')}: nothing is held by it. End it through the "
                "API, which asks for its note; the worker restarts it where its workflow is over."
            )
        begun = await abandonment.effects_of(session, id)
        if begun and not although:
            steps = ", ".join(f"{one.step} ({one.state}, {one.stripe_id or 'no id yet'})" for one in begun)
            raise CommandRefused(
                f"Something was begun in Stripe for {id}: {steps}. Closing it now would leave that to "
                "nobody. If its workflow is over, the worker restarts it within a minute. If you have looked "
                "in Stripe and want it closed all the same, add --although-money-may-have-moved."
            )
        order = Abandon(
            operation=id,
            at=utc_now(),
            code="closed_by_operator",
            event=EventCode.CLOSED_BY_OPERATOR,
            message=f"{by} closed it: {because}",
            comment=because,
            by=by,
            although_begun=although and bool(begun),
        )
        await abandonment.abandon(session, order)
        workflow = operation.workflow_id
    try:
        await tools.temporal.get_workflow_handle(workflow).terminate(
            f"closed by {by}: {because}", rpc_timeout=WITHIN
        )
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            return f"{id} is closed. Its workflow could not be ended, and finds that out by itself."
    return f"{id} is closed."


async def release_all(tools: Tools, because: str, by: str) -> int:
    """As `let_go`, for an operator who says why: the timeline of each operation keeps that."""
    at = utc_now()
    for hold in await _held(tools):
        async with tools.database.transaction() as session:
            await timeline.append(
                session,
                hold.operation_id,
                key=f"released:{hold.id}:{at.isoformat()}",
                event=EventCode.RELEASED_BY_OPERATOR,
                actor=SYSTEM,
                at=at,
                detail={"operator": by, "because": because},
            )
    return await let_go(tools)


async def let_go(tools: Tools) -> int:
    """How many held stories were told to go on. Raises Refused while the gate is closed."""
    told = 0
    for hold in await _held(tools):
        handle = tools.temporal.get_workflow_handle(hold.workflow_id)
        try:
            await handle.signal(RELEASED, HoldRelease(hold=hold.id), rpc_timeout=WITHIN)
            told += 1
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            async with tools.database.transaction() as session:
                await holds.release(session, hold.id, utc_now())
    return told


async def _held(tools: Tools) -> list[Hold]:
    async with tools.database.reading() as session:
        if await budget.is_closed(session):
            raise CommandRefused(
                "The gate before Stripe is closed: open it first, with open-gate --because …."
            )
        return [
            hold
            for component in (Component.STRIPE, Component.STRIPE_KEY)
            for hold in await holds.open_holds(session, component, limit=100_000)
        ]


def _said(because: str) -> str:
    if not because.strip():
        raise CommandRefused("Say why with --because: it is kept.")
    return because.strip()


@asynccontextmanager
async def _tools() -> AsyncIterator[Tools]:
    settings, _ = load()
    database = Database(settings.database_url)
    try:
        yield Tools(database, await composition.connect(settings))
    finally:
        await database.dispose()


def _with_tools(do: Callable[[Tools], Awaitable[int]]) -> None:
    async def done() -> int:
        async with _tools() as tools:
            return await do(tools)

    try:
        sys.exit(asyncio.run(done()))
    except CommandRefused as refusal:
        _complain(str(refusal), WRONG)
    except InvalidSettings as error:
        _complain("\n".join(map(str, error.problems)), WRONG)
    except (*AWAY, RPCError, RuntimeError) as error:
        _complain(f"The database or Temporal can't be reached, nothing was done: {error}", UNREACHABLE)


def _complain(problem: str, code: int) -> None:
    print(problem, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    app()

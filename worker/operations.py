"""`python -m worker.operations`: commands for operations that are stuck.

You rarely need them: a worker handles workflows that were ended in Temporal within a minute. Each command is
recorded with who ran it and why.
"""

import asyncio
import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.operations import abandonment
from billing.core.events import EventCode
from billing.core.operations import SYSTEM, Kind
from billing.incidents.holds import RELEASED, HoldRelease
from billing.incidents.states import Component
from billing.operations.kinds import ON_REQUEST
from billing.operations.standing import Abandon
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import AWAY, Database
from db.customers import erasure
from db.incidents import gate, holds
from db.operations import operations
from db.stripe import budget
from db.tables import CustomerErasure, Hold
from settings.settings import InvalidSettings, load
from workflows.client import registration
from workflows.client.connection import InvalidConnection, connection

from .watch.stuck import stuck
from .watch.taking_up import take_up

WRONG, UNREACHABLE = 2, 3
WITHIN = timedelta(seconds=10)

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

Because = Annotated[str, typer.Option("--because", help="The reason; it is recorded")]
By = Annotated[
    str, typer.Option("--by", help="Who runs the command; default: you", default_factory=getpass.getuser)
]


class CommandRefused(Exception):
    """The command makes no sense or may do harm; the message says what to do instead."""


class ListedErasure(BaseModel):
    """A line of `list-erasures`."""

    model_config = ConfigDict(extra="forbid")

    customer_id: str
    organization_id: str
    erased_at: AwareDatetime
    erased_by: str
    reason: str


@dataclass(frozen=True)
class Tools:
    database: Database
    temporal: Client


@app.command("list-stuck")
def list_stuck() -> None:
    """List open operations and holds that are stuck. Exits with 1 if there are any."""

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
            help="Close it even though a request to Stripe was started; check Stripe first",
        ),
    ] = False,
) -> None:
    """End a plan change, refund or credit that is stuck, and release what it holds."""

    async def closed(tools: Tools) -> int:
        print(await close_operation(tools, id, _said(because), by, although))
        return 0

    _with_tools(closed)


@app.command("take-up")
def take_up_all(because: Because, by: By) -> None:
    """After a restore of the database: continue everything that was open, whatever Temporal knows of it.

    Run it before the API and the workers start; docs/operating/backup.md has the steps.
    """

    async def taken(tools: Tools) -> int:
        why = _said(because)
        await registration.register(tools.temporal)  # it may be a new one
        found = await take_up(tools.database, tools.temporal, by=by, because=why, at=utc_now())
        print(f"Operations that continue: {found.operations}; notes and mails: {found.others}.")
        print(f"Workflows terminated because the restored records may not know them: {found.terminated}.")
        return 0

    _with_tools(taken)


@app.command("list-erasures")
def list_erasures() -> None:
    """List whose personal data was erased, a line each, with nothing personal. Keep it for restores."""

    async def listed(tools: Tools) -> int:
        async with tools.database.reading() as session:
            for one in await erasure.every(session):
                print(one.model_dump_json())
        return 0

    _with_tools(listed)


@app.command("erase-again")
def erase_again(
    file: Annotated[Path, typer.Argument(help="What list-erasures printed", exists=True, dir_okay=False)],
) -> None:
    """After a restore of the database: erase the personal data that was erased since the backup."""

    async def erased(tools: Tools) -> int:
        print(f"Customers erased again: {await erase_listed(tools.database, file.read_text('utf-8'))}.")
        return 0

    _with_tools(erased)


@app.command("release-holds")
def release_holds(because: Because, by: By) -> None:
    """Release every held operation. Requests to Stripe must be allowed; see open-gate."""

    async def released(tools: Tools) -> int:
        print(f"Operations released: {await release_all(tools, _said(because), by)}.")
        return 0

    _with_tools(released)


@app.command("open-gate")
def open_gate(because: Because, by: By) -> None:
    """Allow requests to Stripe again, even during an incident, and release what is held."""

    async def opened(tools: Tools) -> int:
        why = _said(because)
        async with tools.database.transaction() as session:
            opening = await gate.open_by_operator(session, by=by, because=why, at=utc_now())
            if opening.shut_since is None:
                raise CommandRefused("Requests to Stripe are already allowed.")
        print(f"Requests to Stripe are allowed. Operations released: {await let_go(tools)}.")
        return 0

    _with_tools(opened)


async def close_operation(tools: Tools, id: str, because: str, by: str, although: bool) -> str:
    """Ends the operation, then its workflow. Raises CommandRefused."""
    async with tools.database.transaction() as session:
        operation = await operations.get_any(session, id)
        if operation is None:
            raise CommandRefused(f"There is no operation {id}. Ids start with op_; list-stuck shows them.")
        if operation.closed_at is not None:
            raise CommandRefused(f"{id} has already ended: {operation.state}.")
        if operation.kind not in ON_REQUEST:
            raise CommandRefused(
                f"{id} is {Kind(operation.kind).a_noun}: it holds nothing. End it through the "
                "API, which requires a note; the worker restarts its workflow if that has ended."
            )
        begun = await abandonment.effects_of(session, id)
        if begun and not although:
            steps = ", ".join(f"{one.step} ({one.state}, {one.stripe_id or 'no id yet'})" for one in begun)
            raise CommandRefused(
                f"Requests to Stripe were started for {id}: {steps}. If you close it now, nothing follows "
                "them up. If its workflow has ended, the worker restarts it within a minute. If you have "
                "checked Stripe and still want to close it, add --although-money-may-have-moved."
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
            return f"{id} is closed. Its workflow could not be terminated, and will end by itself."
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


async def erase_listed(database: Database, lines: str) -> int:
    """How many of these erasures the records had not. Raises CommandRefused for what is no list of them."""
    try:
        listed = [ListedErasure.model_validate_json(line) for line in lines.splitlines() if line.strip()]
    except ValidationError as error:
        raise CommandRefused(f"This is not a list of erasures: {error.errors()[0]['msg']}") from error
    again = 0
    for one in listed:
        async with database.transaction() as session:
            again += await erasure.erase_again(session, CustomerErasure(**one.model_dump()))
    return again


async def let_go(tools: Tools) -> int:
    """How many held operations were released. Raises CommandRefused while the gate is closed."""
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
                "Requests to Stripe are blocked: allow them first, with open-gate --because …."
            )
        return [
            hold
            for component in (Component.STRIPE, Component.STRIPE_KEY)
            for hold in await holds.open_holds(session, component, limit=100_000)
        ]


def _said(because: str) -> str:
    if not because.strip():
        raise CommandRefused("Give a reason with --because; it is recorded.")
    return because.strip()


@asynccontextmanager
async def _tools() -> AsyncIterator[Tools]:
    settings, _ = load()
    database = Database(settings.database_url)
    try:
        yield Tools(database, await connection(settings).client())
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
    except InvalidConnection as error:
        _complain(str(error), WRONG)
    except (*AWAY, RPCError, RuntimeError) as error:
        _complain(f"The database or Temporal can't be reached; nothing was changed: {error}", UNREACHABLE)


def _complain(problem: str, code: int) -> None:
    print(problem, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    app()

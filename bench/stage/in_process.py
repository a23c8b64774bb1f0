"""The product inside the benchmark's own process, where its database statements can be counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import Engine, event
from temporalio.client import Client

from api.app import create_app
from api.http.context import StripeAccount
from db.core.postgres.late_begin import is_unbegun
from db.core.session import Database
from worker import composition
from workflows.client import registration

from .stage import Stage

BY_THE_DRIVER = {"by_the_driver": True}
"""Execution options of statements that are not the product's, and not counted."""


@dataclass
class Statements:
    """What was sent to the database. PostgreSQL reads without a transaction, and is sent each BEGIN and
    COMMIT by itself; for SQLite, which is a file, nothing is a round trip."""

    sql: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    """Of write transactions, each of which also sends a BEGIN."""

    @property
    def round_trips(self) -> int:
        return self.sql.total() + 2 * self.commits


@contextmanager
def counted() -> Iterator[Statements]:
    """Counts the statements of every engine of this process."""
    found = Statements()

    def statement(*given: Any) -> None:
        _, _, sql, _, context, _ = given
        if BY_THE_DRIVER.items() <= context.execution_options.items():
            return
        found.sql[sql] += 1

    def commit(connection: Any) -> None:
        if not is_unbegun(connection):
            found.commits += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


@asynccontextmanager
async def product(stage: Stage, temporal: Client | None = None) -> AsyncIterator[AsyncClient]:
    """The workers, what runs beside them, and the API at its port, as their processes build them; gives a
    client of the API. Without what runs by the clock or watches. `temporal` is a server other than
    the stage's.
    """
    temporal = temporal or stage.temporal
    async with AsyncExitStack() as stack:
        await registration.register(temporal)
        hosted = await composition.hosted(stack, stage.settings, stage.policy, temporal)
        for sweep in (hosted.outbox, hosted.mails, hosted.chats, hosted.events):
            stack.push_async_callback(_ended, asyncio.create_task(sweep.run()))
        database = Database(stage.settings.database_url)
        stack.push_async_callback(database.dispose)
        account = StripeAccount(stage.settings.webhook_secrets, stage.settings.livemode)
        app = create_app(stage.policy, database, temporal, stripe=account)
        await stack.enter_async_context(_served(app, stage.stack.places.ports["api"]))
        stack.push_async_callback(app.state.context.dispatcher.idle)
        yield await stack.enter_async_context(
            AsyncClient(transport=ASGITransport(app), base_url="http://plixo.bench", timeout=30)
        )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class _Server(uvicorn.Server):
    """Leaves the signals to the benchmark."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def _served(app: FastAPI, port: int) -> AsyncIterator[None]:
    """In this loop: Stripe's webhooks come to it."""
    server = _Server(
        uvicorn.Config(
            app, port=port, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
    )
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task

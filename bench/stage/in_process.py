"""The product inside the benchmark's own process, where its database statements can be counted."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from httpx import ASGITransport, AsyncClient
from sqlalchemy import Engine, event

from api.app import create_app
from db.core.session import Database
from worker import composition

from .stage import Stage

BY_THE_DRIVER = {"by_the_driver": True}
"""Execution options of statements that are not the product's, and not counted."""


@dataclass
class Statements:
    """What was sent to the database."""

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

    def commit(_: Any) -> None:
        found.commits += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


@asynccontextmanager
async def product(stage: Stage) -> AsyncIterator[AsyncClient]:
    """Both workers and the API, as their processes build them; gives a client of the API."""
    async with AsyncExitStack() as stack:
        await composition.hosted(stack, stage.settings, stage.policy, stage.temporal)
        database = Database(stage.settings.database_url)
        stack.push_async_callback(database.dispose)
        app = create_app(stage.policy, database, stage.temporal)
        http = AsyncClient(transport=ASGITransport(app), base_url="http://plixo.bench", timeout=30)
        await stack.enter_async_context(http)
        stack.push_async_callback(app.state.context.dispatcher.idle)
        yield http

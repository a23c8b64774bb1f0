"""aiosqlite with one hop to its thread a statement.

A connection of aiosqlite lives in a thread, and every call is a message to it and back. SQLAlchemy makes
four of them for a statement (open a cursor, execute, fetch, close); the cursor here does all in one.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import aiosqlite


class WholeStatementCursor:
    """What SQLAlchemy asks of an asyncio cursor; the rows are fetched together with the execution."""

    def __init__(self, connection: "WholeStatementConnection") -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> "WholeStatementCursor":
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "WholeStatementCursor":
        return await self._run("execute", sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> "WholeStatementCursor":
        return await self._run("executemany", sql, parameters)

    async def _run(self, method: str, sql: str, parameters: Any) -> "WholeStatementCursor":
        await self._connection.in_thread(self._run_in_thread, method, sql, parameters)
        return self

    def _run_in_thread(self, connection: sqlite3.Connection, method: str, sql: str, parameters: Any) -> None:
        cursor = connection.cursor()
        try:
            getattr(cursor, method)(sql, parameters)
            self.description = cursor.description
            # Fetched before rowcount is read: a RETURNING statement counts its rows as they are taken.
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []


class WholeStatementConnection(aiosqlite.Connection):
    """An aiosqlite connection whose cursors are `WholeStatementCursor`s."""

    def cursor(self) -> WholeStatementCursor:  # type: ignore[override]
        return WholeStatementCursor(self)

    async def in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function` with the sqlite3 connection and the arguments in the connection's thread."""
        await self._execute(function, self._conn, *arguments)  # type: ignore[no-untyped-call]


def connect_sqlite(database: str, **options: Any) -> WholeStatementConnection:
    """`aiosqlite.connect` for a WholeStatementConnection; its thread does not keep the process alive."""
    connection = WholeStatementConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    connection._thread.daemon = True
    return connection

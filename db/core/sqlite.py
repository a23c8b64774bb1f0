"""SQLite on the event loop's own thread.

aiosqlite gives every connection a thread, and a statement several messages to it and back. A statement of
ours takes SQLite some 20 µs; the messages take far longer, and while a busy loop gets round to them the
database's only write lock is held. So the statements run here and now, behind the asyncio interface
that SQLAlchemy asks for: a transaction that awaits nothing but the database is over in one go. Only the
wait for another process' write lock sleeps on the loop, and what waits for the disk runs beside it.
"""

import asyncio
import logging
import os
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from time import monotonic
from typing import Any

log = logging.getLogger(__name__)

SHORTEST_NAP, LONGEST_NAP = 0.000_5, 0.003
"""Seconds between two attempts at the write lock; at random, so that nobody is always too late."""

CHECKPOINT_EVERY = 2.0
"""Seconds between two checkpoints, while there are commits."""


class Checkpoints:
    """Copies what was committed from the log (WAL) into the database file, on a thread of its own.

    SQLite's own way is to do so within the commit that makes the log long: the loop would stand still for as
    long as the disk takes to write everything down. Beside it a checkpoint keeps nobody from reading or
    writing.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._due = monotonic() + CHECKPOINT_EVERY
        self._running: asyncio.Future[None] | None = None

    def committed(self) -> None:
        """To be called after each commit: begins a checkpoint where one is due."""
        if monotonic() < self._due or not self._over:
            return
        self._due = monotonic() + CHECKPOINT_EVERY
        self._running = asyncio.get_running_loop().run_in_executor(None, self._copy)

    async def end(self) -> None:
        """Return when none is running."""
        if self._running is not None and not self._over:
            await asyncio.wait({self._running})

    @property
    def _over(self) -> bool:
        return self._running is None or self._running.done()

    def _copy(self) -> None:
        try:
            with closing(sqlite3.connect(self._file, timeout=0)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            # Nothing is lost: it stays in the log, and the next one copies it.
            log.warning("the log of %s could not be copied: %s", self._file, error)


class InlineCursor:
    """What SQLAlchemy asks of an asyncio cursor; a result is fetched whole."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> "InlineCursor":
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._take(self._connection.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        self._take(self._connection.executemany(sql, parameters))

    def _take(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        # Before rowcount is read: the rows of RETURNING are counted as they are fetched.
        self._rows = cursor.fetchall() if cursor.description else []
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid
        cursor.close()

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []


class InlineConnection:
    """What SQLAlchemy's aiosqlite dialect asks of a connection. Begins no transaction by itself."""

    def __init__(self, connection: sqlite3.Connection, file: str) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._checkpoints = Checkpoints(file)

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("connection closed")
        return self._connection

    @property
    def isolation_level(self) -> str | None:
        return self._open.isolation_level

    def cursor(self) -> InlineCursor:
        return InlineCursor(self._open)

    def execute(self, sql: str) -> None:
        """Run a statement that has no result."""
        self._open.execute(sql).close()

    async def begin_immediate(self, wait: float) -> None:
        """Start a transaction that may write, as soon as no other process is in one."""
        await self.patiently("BEGIN IMMEDIATE", wait)

    async def patiently(self, sql: str, wait: float) -> None:
        """Run a statement without a result, as soon as nobody's lock is in its way.

        Raises sqlite3.OperationalError "database is locked" after `wait` seconds.
        """
        give_up = monotonic() + wait
        while True:
            try:
                return self.execute(sql)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > give_up:
                    raise
            await asyncio.sleep(random.uniform(SHORTEST_NAP, LONGEST_NAP))

    async def commit(self) -> None:
        self._open.commit()
        self._checkpoints.committed()

    async def rollback(self) -> None:
        self._open.rollback()

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self._open.create_function(*arguments, **options)

    async def close(self) -> None:
        await self._checkpoints.end()
        self.stop()

    def stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def connect_sqlite(database: str, **options: Any) -> InlineConnection:
    """A connection, with the options of `sqlite3.connect`. A new file is for its owner's eyes alone; SQLite
    gives the files beside it the same rights."""
    with suppress(OSError):  # it is there, or can't be made, which SQLite says better
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return InlineConnection(sqlite3.connect(database, **options), database)

"""Sessions on the records: one writer and several readers on SQLite, one pool on PostgreSQL.

SQLite takes one writer at a time. The writers of this process queue for a single connection, which is
fair and costs nothing; among processes, a write transaction waits in BEGIN IMMEDIATE. What it reads
cannot change before it writes.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from asyncpg import InterfaceError, PostgresError
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import InterfaceError as NoConnection
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel.ext.asyncio.session import AsyncSession

from . import timeline
from .postgres import hosts
from .postgres.late_begin import begin_late
from .postgres.tls import tls_of, without_tls
from .sqlite import InlineConnection, connect_sqlite

AWAY = (SQLAlchemyError, OSError, PostgresError, InterfaceError)
"""What using records that are away raises; asyncpg's own errors come through while it connects."""

Result = TypeVar("Result")

_NO_SUCH_TABLE = ("42P01", "42703")
"""SQLSTATEs of a table or column that is not there: the database is not migrated yet."""

_NOT_NOW = ("08", "53", "57P")
"""What SQLSTATEs begin with that say: no connection, no room, shutting down or still starting up."""

POOL_SIZE = 16
SQLITE_READERS = 4
WAIT_FOR_CONNECTION = 30.0
"""Seconds, for a connection of the pool and for another process' lock on SQLite."""
LONGEST_LOG = 25_000
"""Pages of SQLite's log (100 MB) at which a commit copies them itself; checkpoints beside it come first."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}


def is_away(error: DBAPIError) -> bool:
    """Whether it says that the records can't be reached just now, not that a statement is wrong."""
    if error.connection_invalidated or isinstance(error, OperationalError | NoConnection):
        return True
    return (getattr(error.orig, "sqlstate", None) or "").startswith(_NOT_NOW)


def concerns_everybody(error: BaseException) -> bool:
    """Whether it says that the records can't be reached, by anybody: nothing is wrong with what was asked."""
    if isinstance(error, DBAPIError):
        return is_away(error)
    return isinstance(error, OSError | NoFreeConnection | PostgresError | InterfaceError)


def is_unmigrated(error: DBAPIError) -> bool:
    """Whether it says that a table or a column is missing. (SQLite says so as it says that it is away.)"""
    return getattr(error.orig, "sqlstate", None) in _NO_SUCH_TABLE


def async_url(url: str | URL) -> URL:
    """The URL with the driver that is used here, so that `sqlite:///x.db` and `postgresql://…` can be given.

    Raises ValueError for another database, for a SQLite database without a file (it could not be shared), and
    for hosts or parameters of TLS that are wrong.
    """
    try:
        parsed = make_url(url)
    except ValueError:  # of make_url's own only where the port is none
        raise ValueError("of a host the port is no number; several are told as ?host=…&port=…") from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ValueError(f"database {parsed.get_backend_name()!r} is neither sqlite nor postgresql")
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ValueError("a SQLite database needs a file, such as sqlite:///plixo.db")
    if not driver.startswith("sqlite"):
        tls_of(parsed)
        hosts.check(without_tls(parsed.set(drivername=driver)))
    return parsed.set(drivername=driver)


class Database:
    """The records behind a URL. Opens no connection before the first use."""

    def __init__(self, url: str | URL) -> None:
        self.url = async_url(url)
        if self.is_sqlite:
            self.engine = sqlite_engine(self.url, size=1)
            self._reader = sqlite_engine(self.url, size=SQLITE_READERS, query_only=True)
        else:
            self.engine = postgres_engine(self.url)
            # Each statement sees what it would under READ COMMITTED, without BEGIN and ROLLBACK around it.
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._write = async_sessionmaker(self.engine, class_=AsyncSession, expire_on_commit=False)
        self._read = async_sessionmaker(
            self._reader, class_=AsyncSession, expire_on_commit=False, autoflush=False
        )

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end of the block and rolls back when the block raises.

        What the block has written of an operation's records is on its timeline by then.
        """
        async with self._write() as session, session.begin():
            yield session
            await timeline.write(session)

    async def held(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """What `work` does in a transaction. On PostgreSQL first without one: nothing is locked, and all of
        it is written by one statement, where nobody has told anything of the operation since it was read.
        Otherwise, and whenever it raises something, it is done again, in a transaction with its locks.
        """
        if not self.is_sqlite:
            try:
                async with self.transaction() as session:
                    timeline.hold(session)
                    return await work(session)
            except Exception as error:
                if concerns_everybody(error):
                    raise
        async with self.transaction() as session:
            return await work(session)

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncSession]:
        """A session for one statement that writes, and is committed with it: PostgreSQL is spared the BEGIN
        and COMMIT around it."""
        if self.is_sqlite:
            async with self.transaction() as session:
                yield session
        else:
            async with self._read() as session:  # on PostgreSQL it commits each statement
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading alone: SQLite refuses to write in it, and no lock is held on PostgreSQL."""
        async with self._read() as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A session for reading alone whose statements all see the same moment; no lock is held."""
        if self.is_sqlite:
            async with self._read() as session:
                # Readers have no transactions of SQLAlchemy's; WAL keeps the moment of this one.
                await session.exec(text("BEGIN"))  # type: ignore[call-overload]
                try:
                    yield session
                finally:
                    await session.exec(text("COMMIT"))  # type: ignore[call-overload]
        else:
            async with self._write() as session:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                yield session

    async def ping(self) -> None:
        """Raise SQLAlchemyError or OSError when the records cannot be read."""
        async with self._reader.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def listen(self, channel: str, heard: Callable[[str | None], None]) -> None:
        """Calls `heard` with each of PostgreSQL's notifications on the channel until the connection is lost;
        at first with None, for whatever came before.

        Raises one of `AWAY` when there is none to be had. Behind a pooler that shares connections by
        transaction nothing is heard.
        """
        lost = asyncio.Event()
        async with self.engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            try:
                raw.add_termination_listener(lambda _: lost.set())
                await raw.add_listener(channel, lambda *said: heard(said[-1]))
                heard(None)
                await lost.wait()
            finally:
                await connection.invalidate()  # no one else's connection listens

    async def read(self, look: Callable[[Connection], Result]) -> Result:
        """What a synchronous function finds on a connection for reading."""
        async with self._reader.connect() as connection:
            return await connection.run_sync(look)

    async def dispose(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self.engine.dispose()


def sqlite_engine(url: URL, *, size: int, query_only: bool = False, foreign_keys: bool = True) -> AsyncEngine:
    """An engine on WAL. Its transactions are BEGIN IMMEDIATE; with `query_only` there are none."""
    engine = create_async_engine(
        url,
        hide_parameters=True,  # they are people's data, and errors are logged
        pool_size=size,
        max_overflow=0,
        pool_timeout=WAIT_FOR_CONNECTION,
        # isolation_level None: sqlite3 begins no transaction of its own, the event below does.
        connect_args={
            "isolation_level": None,
            "timeout": WAIT_FOR_CONNECTION,
            "async_creator_fn": connect_sqlite,
        },
        # Without a transaction there is nothing to roll back.
        skip_autocommit_rollback=query_only,
    )
    pragmas = {
        "synchronous": "NORMAL",
        "foreign_keys": "ON" if foreign_keys else "OFF",
        "query_only": "ON" if query_only else "OFF",
    }
    if not query_only:
        # SQLite would wait on the event loop's thread; begin_immediate gives it back.
        pragmas["busy_timeout"] = "0"
        pragmas["wal_autocheckpoint"] = str(LONGEST_LOG)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(dbapi_connection: Any, _: ConnectionPoolEntry) -> None:
        for name, value in pragmas.items():
            dbapi_connection.driver_connection.execute(f"PRAGMA {name}={value}")
        dbapi_connection.run_async(_use_wal)

    if not query_only:

        @event.listens_for(engine.sync_engine, "begin")
        def begin_transaction(connection: Connection) -> None:
            dbapi_connection: Any = connection.connection.dbapi_connection
            try:
                dbapi_connection.run_async(_begin_immediate)
            except sqlite3.OperationalError as error:  # events' errors are not translated by themselves
                raise OperationalError("BEGIN IMMEDIATE", None, error) from error

    return engine


async def _use_wal(connection: InlineConnection) -> None:
    """Of several that open a new file at once, SQLite lets one switch it over; the others are "locked"."""
    await connection.patiently("PRAGMA journal_mode=WAL", WAIT_FOR_CONNECTION)


async def _begin_immediate(connection: InlineConnection) -> None:
    await connection.begin_immediate(WAIT_FOR_CONNECTION)


def postgres_engine(url: URL) -> AsyncEngine:
    """An engine for many short transactions."""
    engine = create_async_engine(
        without_tls(url),
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=WAIT_FOR_CONNECTION,
        pool_recycle=1800,
        # After a conflict the row in the way is looked up: it has to be visible, whatever the default is.
        isolation_level="READ COMMITTED",
        connect_args={
            "ssl": tls_of(url),
            "async_creator_fn": hosts.Hosts(),
            "prepared_statement_cache_size": 500,
            # Short statements by key: compiling them costs more than it saves.
            "server_settings": {"jit": "off", "application_name": "plixo"},
        },
    )
    begin_late(engine)

    @event.listens_for(engine.sync_engine, "checkout")
    def refuse_lost(dbapi_connection: Any, *_: object) -> None:
        """What the driver knows already needs no ping: another connection is made instead."""
        if dbapi_connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine

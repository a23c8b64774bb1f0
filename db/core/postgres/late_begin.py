"""PostgreSQL's BEGIN where it is needed: before the first statement that writes or locks.

Under READ COMMITTED each statement sees the moment at which it begins, within a transaction or before one. So
one that reads and then writes with a single statement needs neither BEGIN nor COMMIT: two round trips less.
"""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LAST = {"last_statement": True}
"""Execution options of a statement after which its transaction only ends."""

_UNBEGUN = "transaction_is_unbegun"

_MORE_THAN_READS = re.compile(
    r"\bFOR (NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)\b|\bpg_|\b(INSERT|UPDATE|DELETE)\b"
)


def begin_late(engine: AsyncEngine) -> None:
    """Have the engine's transactions under READ COMMITTED begin so; others begin with what comes first."""

    @event.listens_for(engine.sync_engine, "begin")
    def put_off(connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        raw.autocommit = False  # as it was set up
        connection.info[_UNBEGUN] = raw.isolation_level == "read_committed"
        raw.autocommit = connection.info[_UNBEGUN]

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(connection: Connection, *given: Any) -> None:
        _, sql, _, context, _ = given
        if (
            not is_unbegun(connection)
            or _only_reads(sql)
            or LAST.items() <= context.execution_options.items()
        ):
            return
        raw: Any = connection.connection.dbapi_connection
        raw.autocommit = connection.info[_UNBEGUN] = False


def is_unbegun(connection: Connection | AsyncConnection) -> bool:
    """Whether nothing of its transaction was begun yet, so that there is nothing to commit."""
    return bool(connection.info.get(_UNBEGUN))


@lru_cache(maxsize=1000)
def _only_reads(sql: str) -> bool:
    return sql.startswith("SELECT") and not _MORE_THAN_READS.search(sql)

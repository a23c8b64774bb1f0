"""Connecting to PostgreSQL: to whichever host takes writes, of one or of several.

    postgresql://plixo:…@/plixo?host=one,two&port=5432,5432

asyncpg itself asks one host after the other within a single time: one that is switched off, and answers
nothing, would keep the next from being asked.
"""

import socket
from typing import Any

import asyncpg
from sqlalchemy import URL
from sqlalchemy.exc import ArgumentError

ONE_TAKES = 5.0
"""Seconds that one of several may take until a connection to it can be used."""

TAKES_WRITES = "read-write"

_NEXT = (OSError, asyncpg.CannotConnectNowError, asyncpg.exceptions.TargetServerAttributeNotMatched)
"""What leads to the next host: this one can't be reached, starts or stops, or is a standby."""

_KEPT_ALIVE = {
    (level, getattr(socket, name)): value
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 10),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 25_000),
    )
    if hasattr(socket, name)  # not every system has all of them
}
"""A host that is gone without a word is noticed after 25 seconds; the system's own measure is hours."""


def check(url: URL) -> None:
    """Raises ValueError unless the URL says the port of each host."""
    try:
        url.get_dialect()().create_connect_args(url)
    except ArgumentError as error:
        raise ValueError(f"{error}; several hosts are told as ?host=one,two&port=5432,5432") from None


class Hosts:
    """What an engine's connections are made by; it begins with the host that took the last one."""

    def __init__(self) -> None:
        self._last: tuple[str | None, int | None] | None = None

    async def __call__(
        self, *, host: Any = None, port: Any = None, target_session_attrs: str = TAKES_WRITES, **given: Any
    ) -> asyncpg.Connection:
        """Raises OSError, or what PostgreSQL itself says, when no host can be used."""
        places = list(zip(host, port, strict=True)) if isinstance(host, list) else [(host, port)]
        places.sort(key=lambda place: place != self._last)
        if len(places) > 1:
            given["timeout"] = ONE_TAKES
        failed: Exception | None = None
        for place in places:
            try:
                connection = await asyncpg.connect(
                    host=place[0],
                    port=place[1],
                    target_session_attrs=target_session_attrs,
                    **given,
                )
            except _NEXT as error:
                failed = error
            else:
                self._last = place
                _keep_alive(connection)
                return connection
        if isinstance(failed, OSError | asyncpg.PostgresError):
            raise failed
        raise ConnectionRefusedError("no host of the database takes writes") from failed


def _keep_alive(connection: asyncpg.Connection) -> None:
    held = connection._transport.get_extra_info("socket")
    if held.family != socket.AF_UNIX:
        for (level, option), value in _KEPT_ALIVE.items():
            held.setsockopt(level, option, value)

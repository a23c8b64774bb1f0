"""Over real sockets: nobody holds a connection by sending nothing, and without a key no body is read.

With shorter times than in production, and otherwise as `python -m api` serves.
"""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from api.__main__ import server_config
from api.http import bodies, server
from settings.settings import Settings

from ...support.house import until
from ..conftest import ON_ONE_DATABASE, Api

pytestmark = ON_ONE_DATABASE

HEADERS, BODY, TOLD = 1.0, 4.0, 2.0
LATE = 8.0
"""Seconds that a busy machine may add."""

Connection = tuple[StreamReader, StreamWriter]


class Served(uvicorn.Server):
    """Leaves the signals to pytest."""

    def capture_signals(self) -> Any:
        return nullcontext()

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


@pytest.fixture
async def served(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(server, "HEADERS_WITHIN", HEADERS)
    monkeypatch.setattr(server, "BODY_WITHIN", BODY)
    monkeypatch.setattr(server, "ANSWER_TAKEN_WITHIN", HEADERS)
    monkeypatch.setattr(bodies, "WITHIN", TOLD)
    settings = Settings(stripe_api_key=SecretStr("sk_test_0123456789abcdef"), api_port=0, _env_file=None)
    running = Served(server_config(api.app, settings))
    task = asyncio.create_task(running.serve())

    async def started() -> bool:
        return running.started

    await until(started, lambda: "it did not start")
    yield running
    running.should_exit = True
    await task


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    yield reader, writer
    writer.transport.abort()


async def ended(connection: Connection) -> tuple[bytes, float]:
    """What came until the other side closed, and how long that took."""
    began, received = time.monotonic(), b""
    async with asyncio.timeout(BODY + LATE):
        try:
            while chunk := await connection[0].read(65536):
                received += chunk
        except ConnectionError:
            pass
    return received, time.monotonic() - began


async def answer(connection: Connection, request: bytes) -> bytes:
    """One answer of JSON without objects in it."""
    connection[1].write(request)
    async with asyncio.timeout(LATE):
        return await connection[0].readuntil(b"}")


def head(path: str, length: int) -> bytes:
    lines = (
        *(f"POST {path} HTTP/1.1", "Host: plixo.test", "Content-Type: application/json"),
        *(f"Content-Length: {length}", "", ""),
    )
    return "\r\n".join(lines).encode()


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: plixo.test\r\n\r\n"


async def test_what_sends_nothing_or_never_ends_its_headers_is_closed(served: Served) -> None:
    async with connected(served) as silent, connected(served) as slow, connected(served) as again:
        assert (await answer(again, HEALTH)).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        again[1].write(HEALTH[:9])
        slow[1].write(HEALTH[:23])

        async def trickle() -> None:
            while time.monotonic() - began < HEADERS + LATE:
                slow[1].write(b"X-Slow: yes\r\n")
                await asyncio.sleep(HEADERS / 10)

        trickling = asyncio.create_task(trickle())
        assert [(await ended(one))[0] for one in (silent, slow, again)] == [b""] * 3
        trickling.cancel()
        assert HEADERS * 0.8 < time.monotonic() - began < HEADERS + LATE


async def test_a_key_is_looked_at_before_a_body_is_read(served: Served) -> None:
    async with connected(served) as connection:
        began = time.monotonic()
        refused = await answer(connection, head("/v1/refunds", 1_000_000))
        assert refused.startswith(b"HTTP/1.1 401 ")
        assert time.monotonic() - began < TOLD
        connection[1].write(b" " * 1000)
        assert BODY * 0.5 < (await ended(connection))[1] < BODY + LATE


async def test_a_body_that_does_not_come_is_answered_408_and_its_connection_closed(served: Served) -> None:
    async with connected(served) as connection:
        connection[1].write(head("/nothing", 100) + b"{")
        told, took = await ended(connection)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in told
    assert TOLD * 0.8 < took < TOLD + LATE


async def test_a_connection_that_behaves_is_kept(served: Served) -> None:
    async with connected(served) as connection:
        for _ in range(3):
            refused = await answer(connection, head("/v1/refunds", 2) + b"{}")
            assert refused.startswith(b"HTTP/1.1 401 ")
        await asyncio.sleep(HEADERS * 1.5)
        assert (await answer(connection, HEALTH)).startswith(b"HTTP/1.1 200 ")


async def test_who_does_not_take_an_answer_is_cut_off(served: Served) -> None:
    async with connected(served) as connection:
        for _ in range(300):  # far more than the buffers between the two hold
            connection[1].write(b"GET /openapi.json HTTP/1.1\r\nHost: plixo.test\r\n\r\n")
        connection[0]._transport.pause_reading()  # type: ignore[attr-defined]
        began = time.monotonic()
        while served.server_state.connections:
            assert time.monotonic() - began < HEADERS + 2 * LATE
            await asyncio.sleep(0.05)


async def test_beyond_the_most_connections_requests_are_answered_503(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.config.limit_concurrency == server.MAX_CONNECTIONS
    served.config.limit_concurrency = 2
    async with connected(served), connected(served) as second:
        second[1].write(HEALTH)
        async with asyncio.timeout(LATE):
            assert (await second[0].readuntil(b"\r\n")).startswith(b"HTTP/1.1 503 ")

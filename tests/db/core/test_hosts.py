"""PostgreSQL on several hosts: whichever of them takes writes is connected to, whatever the others do."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from db.core.session import AWAY, Database

from ...crash.postgres import Pair, postgres_pair

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[Pair]:
    async with postgres_pair() as both:
        yield both


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """The port of a host that takes connections and says nothing, as one does that hangs."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(take, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


def on(*ports: int) -> str:
    hosts = ",".join(["127.0.0.1"] * len(ports))
    return f"postgresql://postgres@/postgres?host={hosts}&port={','.join(map(str, ports))}"


async def port_of(database: Database) -> int:
    async with database.reading() as session:
        return int((await session.exec(text("SHOW port"))).scalar_one())  # type: ignore[call-overload]


async def test_of_two_hosts_the_one_that_takes_writes_is_connected_to(pair: Pair) -> None:
    database = Database(on(pair.standby.port, pair.primary.port))
    assert await port_of(database) == pair.primary.port
    await database.dispose()


async def test_a_host_that_says_nothing_keeps_nobody_from_the_next(pair: Pair, silent: int) -> None:
    database = Database(on(silent, pair.primary.port))
    began = time.monotonic()
    assert await port_of(database) == pair.primary.port
    assert time.monotonic() - began < 10
    # The next connection begins with the host that answered.
    began = time.monotonic()
    async with database.engine.connect(), database.engine.connect():
        pass
    assert time.monotonic() - began < 2
    await database.dispose()


async def test_while_no_host_takes_writes_the_records_are_away(pair: Pair) -> None:
    for ports in ((pair.standby.port,), (pair.standby.port, pair.standby.port)):
        database = Database(on(*ports))
        with pytest.raises(AWAY):
            await port_of(database)
        await database.dispose()


async def test_a_connection_that_was_lost_while_nobody_used_it_fails_nobody(pair: Pair) -> None:
    database = Database(on(pair.primary.port))
    async with database.reading() as one, database.reading() as two:
        for session in (one, two):
            await session.exec(text("SELECT 1"))  # type: ignore[call-overload]
    await pair.primary.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plixo'"
    )
    await asyncio.sleep(0.3)
    for _ in range(3):
        assert await port_of(database) == pair.primary.port
    await database.dispose()


async def test_a_connection_to_a_host_that_is_gone_without_a_word_ends_within_half_a_minute(
    pair: Pair,
) -> None:
    database = Database(on(pair.primary.port))
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        held: socket.socket = driver._transport.get_extra_info("socket")
        assert held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, every, times = (
            held.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * times <= 30
        assert held.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
    await database.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://plixo@/plixo?host=one,two",
        "postgresql://plixo@/plixo?host=one,two&port=5432",
        "postgresql://plixo@one:5432,two:5432/plixo",
    ],
)
def test_a_url_that_names_its_hosts_otherwise_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="host"):
        Database(url)

"""TLS to PostgreSQL, as libpq's parameters in the URL say it. The server speaks up to the first message."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from db.core.session import AWAY, Database

CERTIFICATES = Path(__file__).parents[2] / "certificates"
ROOT = quote(str(CERTIFICATES / "localhost.crt"), safe="")
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


class Greeted:
    """What the server has seen: whether clients asked for TLS, and what they then said under it."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[bool] = []
        self.said: list[bytes] = []

    async def take(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            self.asked.append(first == SSL_REQUEST)
            if first == SSL_REQUEST:
                writer.write(b"S")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(CERTIFICATES / "localhost.crt", CERTIFICATES / "localhost.key")
                await writer.start_tls(context)
                self.said.append(await reader.read(1024))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client did not trust us
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Greeted]:
    greeted = Greeted()
    listening = await asyncio.start_server(greeted.take, "127.0.0.1", 0)
    greeted.port = listening.sockets[0].getsockname()[1]
    yield greeted
    listening.close()


@pytest.mark.parametrize(
    ("query", "host", "asked", "trusted"),
    [
        ("sslmode=disable", "127.0.0.1", False, False),
        ("sslmode=require", "127.0.0.1", True, True),
        (f"sslmode=require&sslrootcert={ROOT}", "127.0.0.1", True, True),
        ("sslmode=require&sslrootcert=system", "127.0.0.1", True, False),
        (f"sslmode=verify-ca&sslrootcert={ROOT}", "127.0.0.1", True, True),
        ("sslmode=verify-ca", "127.0.0.1", True, False),
        (f"sslmode=verify-full&sslrootcert={ROOT}", "localhost", True, True),
        (f"sslmode=verify-full&sslrootcert={ROOT}", "127.0.0.1", True, False),
        ("sslmode=verify-full", "localhost", True, False),
    ],
)
async def test_the_parameters_of_libpq_say_whom_to_trust(
    server: Greeted, query: str, host: str, asked: bool, trusted: bool
) -> None:
    database = Database(f"postgresql://plixo:secret@{host}:{server.port}/plixo?{query}")
    with pytest.raises(AWAY):
        await database.ping()
    await database.dispose()
    assert set(server.asked) == {asked}
    assert [b"plixo" in said for said in server.said if said] == [True] * trusted

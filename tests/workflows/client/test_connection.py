"""Temporal is reached as its own tools are told: in the clear, by TLS with a certificate, by a key."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from temporalio.service import TLSConfig
from temporalio.testing import WorkflowEnvironment

from settings.settings import Settings
from workflows.client.connection import InvalidConnection, connection

from ...support.certificates import Authority
from ...support.house import BIN


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No TEMPORAL_ variable, no .env and nobody's home."""
    for name in [name for name in os.environ if name.startswith(("PLIXO_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def settings() -> Settings:
    return Settings()  # type: ignore[call-arg]


def test_unless_something_is_said_temporal_is_on_this_machine() -> None:
    found = connection(settings())
    assert (found.given, found.address, found.keys) == ({}, "127.0.0.1:7233", None)


def test_an_api_key_turns_tls_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "eu-west-1.aws.api.temporal.io:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "plixo.a1b2c")
    monkeypatch.setenv("TEMPORAL_API_KEY", "key")
    given = connection(settings()).given
    assert (given["target_host"], given["namespace"]) == ("eu-west-1.aws.api.temporal.io:7233", "plixo.a1b2c")
    assert (given["api_key"], given["tls"]) == ("key", True)


def test_a_profile_is_read_from_the_file_that_is_named_and_from_none_at_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / ".config" / "temporalio"
    home.mkdir(parents=True)
    (home / "temporal.toml").write_text('[profile.default]\naddress = "home:1"\n')
    assert connection(settings()).address == "127.0.0.1:7233"

    file = tmp_path / "temporal.toml"
    file.write_text('[profile.production]\naddress = "temporal:7233"\nnamespace = "billing"\napi_key = "k"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "production")
    assert connection(settings()).given["namespace"] == "billing"
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "other")
    given = connection(settings()).given
    assert (given["namespace"], given["target_host"]) == ("other", "temporal:7233")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "/nowhere/client.pem", "TEMPORAL_…: .*/nowhere/client.pem"),
        ("TEMPORAL_CONFIG_FILE", "/nowhere/temporal.toml", "TEMPORAL_…: "),
    ],
)
def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidConnection, match=said):
        connection(settings())


@asynccontextmanager
async def behind_tls(target: str, authority: Authority) -> AsyncIterator[int]:
    """A port of TLS before a server without: who has no certificate of the authority doesn't get through."""
    ours = authority.sign("temporal.test")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(ours.certificate, ours.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    host, _, port = target.rpartition(":")

    async def copy(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await read.read(65536):
                write.write(data)
                await write.drain()
        write.close()

    async def serve(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(read, back), copy(there, write))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.slow
async def test_a_server_that_demands_a_certificate_lets_in_who_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    mine = authority.sign("plixo")
    async with (
        await WorkflowEnvironment.start_local(dev_server_existing_path=str(BIN / "temporal")) as environment,
        behind_tls(environment.client.service_client.config.target_host, authority) as port,
    ):
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(authority.certificate))
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_NAME", "temporal.test")
        with pytest.raises(RuntimeError):
            await connection(settings()).client()
        monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(mine.certificate))
        monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(mine.key))
        found = connection(settings())
        assert isinstance(found.given["tls"], TLSConfig)
        temporal = await found.client()
        assert await temporal.service_client.check_health()
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_NAME", "another.test")
        with pytest.raises(RuntimeError):
            await connection(settings()).client()

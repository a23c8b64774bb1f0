"""The data directory of the embedded stack: the same ports again, and nothing that others may read."""

import contextlib
import socket
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox import __main__ as command
from sandbox.stack import running
from sandbox.stack.places import LOOPBACK, PORTS, Places


def test_a_port_that_was_taken_once_is_the_same_again_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the links in the mails of before would be dead for good."""

    async def nothing(*_: object) -> None:
        return

    with contextlib.closing(Places(tmp_path)) as first:
        ports = first.ports
        assert (set(ports), first.taken) == (set(PORTS), {})
    with socket.socket() as other:
        other.bind((LOOPBACK, ports["api"]))
        with contextlib.closing(Places(tmp_path)) as second:
            moved = second.ports
            assert second.taken == {"api": ports["api"]}
            assert second.url("api") == second.env["PLIXO_PUBLIC_URL"] == f"http://{LOOPBACK}:{moved['api']}"
        monkeypatch.setattr(running, "run", nothing)
        told = CliRunner().invoke(command.app, ["up", "--data-dir", str(tmp_path)]).output
    assert f"Port {ports['api']} (api) is taken by another program" in told
    assert moved["api"] not in ports.values()
    assert {name for name in PORTS if moved[name] != ports[name]} == {"api"}
    with contextlib.closing(Places(tmp_path)) as third:
        assert (third.ports, third.taken) == (ports, {})


def test_only_their_owner_reads_what_is_kept(tmp_path: Path) -> None:
    with contextlib.closing(Places(tmp_path / "data")) as places:
        assert stat.S_IMODE(places.root.stat().st_mode) == 0o700
        assert stat.S_IMODE(places.file("sandbox.json").stat().st_mode) == 0o600

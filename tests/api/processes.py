"""`python -m api` as a process of its own, on a free port."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from ..support.builders import Tenant

STARTED_WITHIN = 60.0
NO_TEMPORAL = "127.0.0.1:9"
"""The discard port, on which nothing listens."""


@dataclass(frozen=True)
class Served:
    """An API that runs as a process, on records that can be looked at, with ids by the name of a resource."""

    address: str
    database_url: str
    tenant: Tenant
    ids: dict[str, str]


def environment(**settings: str) -> dict[str, str]:
    """This process' environment with these settings and none that it has itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PLIXO_", "TEMPORAL_"))}
    return kept | {
        name.upper() if name.startswith("temporal_") else f"PLIXO_{name.upper()}": value
        for name, value in settings.items()
    }


def free_port() -> int:
    """One that stays free until it is used: none of those that are given to whoever wants just any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def api_process(log: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and its address, once it answers; it is ended at the end of the block."""
    port = free_port()
    settings = {"stripe_api_key": "sk_test_none", "stripe_webhook_secret": "whsec_none"} | settings
    env = environment(api_port=str(port), **settings)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"], cwd=log.parent, env=env, stdout=output, stderr=output
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _until_it_answers(process, address, log)
        yield process, address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _until_it_answers(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    late = time.monotonic() + STARTED_WITHIN
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz").status_code == 200:
                return
        if process.poll() is not None or time.monotonic() > late:
            raise AssertionError(f"the API did not start:\n{log.read_text()}")
        time.sleep(0.05)

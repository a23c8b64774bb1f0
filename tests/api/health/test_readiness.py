"""/readyz: whether this release can work on the database as it is, asked as often as anybody likes."""

import asyncio

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text
from temporalio.client import Client

from api.health.figures import figures_app
from api.monitoring.lately import Lately
from api.monitoring.metrics import MEDIA_TYPE
from billing.policy.policy import Policy
from db import migrate
from db.core.session import Database
from db.migrate import NewerDatabase, upgrade_async
from db.people.people import new_api_key

from ...support.databases import PostgresDatabases, SqliteDatabases
from ..conftest import Api, serving

A_KEY = {"Authorization": f"Bearer {new_api_key().plaintext}"}


async def test_on_a_database_of_another_release_it_is_not_ready_and_names_the_command(
    databases: SqliteDatabases | PostgresDatabases,
    policy: Policy,
    no_temporal: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "known_revisions", lambda: ("0002", "0001"))
    async with databases.empty() as url:
        database = Database(url)
        for prepare, says in (
            ("CREATE TABLE another (id INTEGER)", "has no tables yet"),
            ("CREATE TABLE alembic_version (version_num VARCHAR(32))", "has no tables yet"),
            (
                "INSERT INTO alembic_version VALUES ('0001')",
                "is at revision 0001, and this release needs 0002",
            ),
            ("UPDATE alembic_version SET version_num = '9999'", "which a newer release has made"),
        ):
            async with database.transaction() as session:
                await (await session.connection()).execute(text(prepare))
            async for api in serving(database, policy, no_temporal):
                answer = await api.get("/readyz")
                assert (answer.status_code, answer.json()["database"]) == (503, "not_migrated")
                assert says in answer.json()["fix"]
                assert "`python -m db upgrade`" in answer.json()["fix"]
                asked = await api.http.get("/v1/operations", headers=A_KEY)
                assert (asked.status_code, asked.json()["code"]) == (503, "temporarily_unavailable")
        with pytest.raises(NewerDatabase, match="9999"):
            await upgrade_async(url)
        await database.dispose()


async def test_the_figures_are_on_a_port_of_their_own_and_made_once_a_second(api: Api) -> None:
    """Whoever reaches the API can't load it by asking for them."""
    assert (await api.get("/metrics")).status_code == 404
    transport = ASGITransport(figures_app(api.context))
    async with AsyncClient(transport=transport, base_url="http://plixo.test") as prometheus:
        first = await prometheus.get("/metrics")
        await api.get("/healthz")
        again = await prometheus.get("/metrics")
    assert first.headers["content-type"] == MEDIA_TYPE
    assert "plixo_incidents_open" in first.text
    assert again.text == first.text
    assert 'route="/healthz"' in await api.figures()


async def test_however_many_ask_whether_it_is_ready_it_looks_once_a_second() -> None:
    looks, now = 0, 0.0

    async def look() -> int:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return looks

    lately = Lately(look, clock=lambda: now)
    assert await asyncio.gather(*(lately.get() for _ in range(100))) == [1] * 100
    now = 1.1
    assert await lately.get() == 2

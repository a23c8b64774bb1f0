"""PostgreSQL is killed under the running product: it is told at once, and what was accepted ends once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlmodel import select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter

from db.core.session import Database
from db.portal import links as portal_links
from db.tables import Intent
from sandbox.stack.policies import restated

from ..support.house import served, until
from ..support.told import mail_name
from .postgres import MortalPostgres, mortal_postgres
from .stage import PATIENCE
from .town import Town, town_in

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(400)]

HURRIED = {"window_seconds": 6, "probe_every_seconds": 1, "healthy_seconds": 3}
"""As many looks as the policy states, but one a second."""
AT_ONCE = 20.0
"""Seconds in which three looks in a row fail and the first alert goes out, on a busy machine."""
DELAY = {"method": "POST", "path": "^/v1/refunds$", "fault": "delay", "delay_ms": 10_000, "times": 1}
CONTROLLER, FINANCE = ["cora@plixo.example"], ["finn@plixo.example"]
NOTE = {"note": "PostgreSQL was killed; it came back with all that it had committed."}
TOKEN = "a" * 43
PAGE = f"/portal/i/{portal_links.page_id(TOKEN)}/"
VISITOR = {"User-Agent": "Mozilla/5.0", "Cookie": f"plixo_portal={TOKEN}"}


class Chat:
    """The webhook that alerts go to."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, str]] = []
        """What each is, and of what."""
        self.app = FastAPI()

        @self.app.post("/hook")
        async def take(request: Request) -> None:
            self.alerts.append((request.headers["X-Plixo-Alert"], request.headers["X-Plixo-About"]))


class Scene:
    """The product as processes, on a PostgreSQL server that can be killed."""

    def __init__(self, town: Town, postgres: MortalPostgres, chat: Chat, temporal: Client) -> None:
        self.town, self.postgres, self.chat = town, postgres, chat
        self.workflow = temporal.get_workflow_handle("incident-database")
        self.records = Database(postgres.url)

    async def mails(self, name: str) -> list[list[str]]:
        """To whom each mail of that name went."""
        every = (await self.town.http.get(f"{self.town.info['mail']}/messages")).json()
        return [mail["to"] for mail in every if mail_name(mail) == name]

    async def mailed(self, name: str) -> bool:
        return bool(await self.mails(name))

    async def mailed_to_both(self, name: str) -> bool:
        """The controller and Finance, each once."""
        return sorted(await self.mails(name)) == [CONTROLLER, FINANCE]

    async def is_watched(self, since: int) -> bool:
        """The worker has learned who the controllers are, and then what its key may do: to find that out it
        asks for a refund too, which would use up the delay of ours."""
        asked = ((line["method"], line["path"]) for line in (await self.town.requests())[since:])
        return ("POST", "/v1/refunds") in asked

    async def is_asked_for(self, operation: str) -> bool:
        """It is just being asked of Stripe, or about to be."""
        async with self.records.reading() as session:
            found = await session.exec(select(Intent.state).where(Intent.operation_id == operation))
            return found.all() == ["open"]

    async def refunds(self, operation: str) -> list[str]:
        """What Stripe has of it."""
        answer = await self.town.http.get(
            f"{self.town.info['stripe']}/v1/refunds",
            headers={"Authorization": f"Bearer {self.town.env['PLIXO_STRIPE_API_KEY']}"},
        )
        every = answer.json()["data"]
        return [one["id"] for one in every if one["metadata"].get("plixo_operation") == operation]

    async def is_refunded(self, operation: str) -> bool:
        return bool(await self.refunds(operation))

    async def banner(self) -> httpx.Response:
        return await self.town.http.get("/v1/banner", headers=self.town.key("billing_admin"))

    async def told_of(self, state: str) -> dict[str, Any]:
        """Waits until the banner tells of the database's incident in this state, and of none besides."""
        shown: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal shown
            answer = await self.banner()
            # A server that recovers from the kill refuses connections: that is no error of ours.
            assert answer.status_code in (200, 503), answer.text
            shown = answer.json()
            return [(one["component"], one["state"]) for one in shown.get("incidents", [])] == [
                ("database", state)
            ]

        await until(there, lambda: f"{shown}\n{self.town.log('worker')}", PATIENCE)
        assert shown["degraded"] is (state == "degraded")
        return dict(shown["incidents"][0])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    policy, chat = tmp_path / "policy.toml", Chat()
    policy.write_text(restated(HURRIED), encoding="utf-8")
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(mortal_postgres())
        hook = await stack.enter_async_context(served(chat.app))
        town = await stack.enter_async_context(town_in(tmp_path, without="api,worker"))
        town.env = town.env | {
            "PLIXO_DATABASE_URL": postgres.url,
            "PLIXO_ALERT_WEBHOOK_URL": f"{hook}/hook",
            "PLIXO_POLICY_FILE": str(policy),
        }
        await town.run("db", "upgrade")
        await town.start("api")
        await town.run("worker.provision", str(tmp_path / "data" / "organization.json"))
        before = len(await town.requests())
        await town.start("worker")
        await town.serving()
        temporal = await Client.connect(town.info["temporal"], data_converter=pydantic_data_converter)
        built = Scene(town, postgres, chat, temporal)
        await until(lambda: built.is_watched(before), lambda: town.log("worker"), PATIENCE)
        yield built
        await built.records.dispose()


async def test_a_database_that_is_killed_is_told_at_once_and_what_was_accepted_ends_once(
    scene: Scene,
) -> None:
    town, now = scene.town, asyncio.get_running_loop().time

    def log() -> str:
        return town.log("worker")

    # A refund is on its way to Stripe, which takes its time, when the records go.
    await town.control("POST", "faults", DELAY)
    accepted = await town.refund(1_000)
    assert accepted.status_code == 202, accepted.text
    operation = accepted.json()["id"]
    await until(lambda: scene.is_asked_for(operation), log, PATIENCE)
    began = now()
    await scene.postgres.kill()

    await until(lambda: scene.mailed("incident_alert database"), log, AT_ONCE)
    await until(lambda: _any(scene.chat.alerts), log, AT_ONCE)
    assert now() - began < AT_ONCE
    assert (await scene.workflow.describe()).status == WorkflowExecutionStatus.RUNNING
    assert scene.chat.alerts[0] == ("incident_degraded", "database")
    answer = await scene.banner()
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    # What only follows from it is no incident of Stripe's, nor one of the portal's.
    for _ in range(6):
        assert (await town.http.get(PAGE, headers=VISITOR)).status_code == 503
    await until(lambda: scene.is_refunded(operation), log, PATIENCE)

    await scene.postgres.start()
    degraded = await scene.told_of("degraded")
    done = await town.wait(operation, "completed")
    recovered = await scene.told_of("recovered")
    assert recovered["id"] == degraded["id"]
    assert await scene.refunds(operation) == [done["result"]["refund"]]
    assert (await town.events(operation)).count("issuing_refund") == 1

    path = f"/v1/incidents/{recovered['id']}"
    cleared = await town.http.post(f"{path}/resolve", json=NOTE, headers=town.key("controller"))
    assert cleared.status_code in (200, 202), cleared.text
    await scene.workflow.result()
    assert (await scene.banner()).json() == {"degraded": False, "incidents": []}
    [shown] = (await town.get("/v1/incidents"))["data"]
    assert (shown["id"], shown["state"], shown["cause"]) == (recovered["id"], "cleared", "unreachable")
    assert 0 <= shown["seconds_to_alert"] < AT_ONCE, "alerted before there was a row"
    for name in ("incident_alert database", "incident_recovered database", "incident_cleared database"):
        await until(lambda: scene.mailed_to_both(name), log, PATIENCE)  # noqa: B023 - called at once
    assert len(scene.chat.alerts) == 1


async def _any(told: list[tuple[str, str]]) -> bool:
    return bool(told)

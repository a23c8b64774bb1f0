"""Whole processes are missing or killed: what was accepted runs, and a decision is applied once."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..house import until
from .stage import PATIENCE, ROOT

pytestmark = [pytest.mark.crash, pytest.mark.slow]


class Town:
    """The embedded stack without API, worker and Temporal, which the test starts and kills itself."""

    def __init__(self, info: dict[str, Any], folder: Path) -> None:
        self._info = info
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.http = httpx.AsyncClient(base_url=info["api"], timeout=30, trust_env=False)

    async def start(self, *parts: str) -> None:
        for part in parts:
            with (self._folder / f"{part}.log").open("ab") as log:
                self._running[part] = await asyncio.create_subprocess_exec(
                    *self._info["commands"][part],
                    cwd=ROOT,
                    env={**os.environ, **self._info["env"]},
                    stdout=log,
                    stderr=log,
                )

    async def kill(self, *parts: str) -> None:
        """SIGKILL: nothing gets to clean up."""
        for part in parts:
            process = self._running.pop(part)
            process.send_signal(signal.SIGKILL)
            await process.wait()

    async def kill_all(self) -> None:
        await self.kill(*self._running)

    def key(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._info['people'][role]['api_key']}"}

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.http.get(path, headers=self.key("auditor"))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def serving(self) -> None:
        """Waits for the API."""

        async def answers() -> bool:
            try:
                return (await self.http.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers, lambda: "the API did not start", PATIENCE)

    async def ask(self, key: str) -> httpx.Response:
        return await self.http.post(
            "/v1/plan-changes",
            json={"plan": "scale", "reason": "Many more customers."},
            headers=self.key("billing_admin") | {"Idempotency-Key": key},
        )

    async def wait(self, operation: str, state: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            found = await self.get(f"/v1/operations/{operation}")
            return bool(found["state"] == state)

        await until(there, lambda: f"{operation} is {found}", PATIENCE)
        return found

    async def approve(self, operation: dict[str, Any]) -> httpx.Response:
        approval = await self.get(f"/v1/approvals/{operation['approval']}")
        return await self.http.post(
            f"/v1/approvals/{approval['id']}/decision",
            json={"decision": "approve", "subject_hash": approval["subject_hash"]},
            headers=self.key("controller"),
        )

    async def events(self, operation: str) -> list[str]:
        page = await self.get(f"/v1/operations/{operation}/timeline?limit=100")
        return [event["event"] for event in page["data"]]

    async def updates(self) -> list[str]:
        """The changes of a subscription that the stand-in executed, by their idempotency keys."""
        lines = (await self.http.get(f"{self._info['stripe']}/_sandbox/requests")).json()
        return [
            line["idempotency_key"]
            for line in lines
            if line["method"] == "POST"
            and line["path"].startswith("/v1/subscriptions/")
            and line["executed"]
            and not line["replayed"]
        ]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    info = tmp_path / "info.json"
    async with _stack(tmp_path, info):
        built = Town(json.loads(info.read_text()), tmp_path)
        try:
            yield built
        finally:
            await built.kill_all()
            await built.http.aclose()


@asynccontextmanager
async def _stack(folder: Path, info: Path) -> AsyncIterator[None]:
    with (folder / "up.log").open("wb") as log:
        stack = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox", "up", "--data-dir", str(folder / "data")),
            *("--info", str(info), "--without", "api,worker,temporal"),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )

    async def ready() -> bool:
        assert stack.returncode is None, (folder / "up.log").read_text()
        return info.exists()

    try:
        await until(ready, lambda: (folder / "up.log").read_text(), PATIENCE)
        yield
    finally:
        if stack.returncode is None:
            stack.terminate()
        await stack.wait()


async def test_what_was_accepted_while_temporal_was_down_runs_once_even_if_the_api_was_killed(
    town: Town,
) -> None:
    await town.start("api")
    await town.serving()
    accepted = await town.ask("while-down")
    again = await town.ask("while-down")
    await town.kill("api")

    await town.start("temporal", "worker", "api")
    await town.serving()
    operation = await town.wait(accepted.json()["id"], "awaiting_approval")

    assert accepted.status_code == 202, accepted.text
    assert again.json()["id"] == accepted.json()["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await town.events(operation["id"])).count("preview taken") == 1


async def test_a_decision_accepted_while_no_worker_ran_and_temporal_died_is_applied_once(town: Town) -> None:
    await town.start("temporal", "worker", "api")
    await town.serving()
    asked = await town.ask("decided-in-the-dark")
    operation = await town.wait(asked.json()["id"], "awaiting_approval")
    await town.kill("worker", "temporal")
    decided = await town.approve(operation)
    twice = await town.approve(operation)
    await town.kill("api")
    before = await town.updates()

    await town.start("temporal", "worker", "api")
    await town.serving()
    done = await town.wait(operation["id"], "completed")

    assert decided.status_code == 202, decided.text
    assert twice.status_code in (202, 409), twice.text
    assert before == []
    assert done["result"]["verified"] is True
    assert len(await town.updates()) == 1
    assert (await town.events(operation["id"])).count("approved") == 1

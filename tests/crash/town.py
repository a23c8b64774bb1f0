"""The embedded stack as processes, of which a test starts and kills some itself."""

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

from ..support.house import until
from ..support.stack import stack_in
from .stage import PATIENCE, ROOT


class Town:
    """The embedded stack without the parts which the test starts and kills itself, under `env`."""

    def __init__(self, info: dict[str, Any], folder: Path) -> None:
        self.info = info
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.env: dict[str, str] = info["env"]
        self.http = httpx.AsyncClient(base_url=info["api"], timeout=30, trust_env=False)

    async def start(self, *parts: str) -> None:
        for part in parts:
            with (self._folder / f"{part}.log").open("ab") as log:
                self._running[part] = await asyncio.create_subprocess_exec(
                    *self.info["commands"][part],
                    cwd=ROOT,
                    env={**os.environ, **self.env},
                    stdout=log,
                    stderr=log,
                )

    async def run(self, *command: str) -> None:
        """A command of the product that ends by itself, such as the migration."""
        with (self._folder / "commands.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                cwd=ROOT,
                env={**os.environ, **self.env},
                stdout=log,
                stderr=log,
            )
        assert await process.wait() == 0, self.log("commands")

    def log(self, part: str) -> str:
        """How its log ends, for the message of a failing test."""
        return (self._folder / f"{part}.log").read_text()[-3000:]

    async def kill(self, *parts: str) -> None:
        """SIGKILL: nothing gets to clean up."""
        for part in parts:
            process = self._running.pop(part)
            process.send_signal(signal.SIGKILL)
            await process.wait()

    async def kill_all(self) -> None:
        await self.kill(*self._running)

    def key(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.info['people'][role]['api_key']}"}

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

    async def refund(self, amount: int) -> httpx.Response:
        """Of the example's payment."""
        body = {
            "payment_intent": self.info["example"]["payment_intent"],
            "amount_minor": amount,
            "reason": "duplicate",
            "note": "Charged twice for the same month.",
        }
        headers = self.key("billing_admin") | {"Idempotency-Key": f"refund-{amount}"}
        return await self.http.post("/v1/refunds", json=body, headers=headers)

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
        return [event["code"] for event in page["data"]]

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """One of the stand-in's own endpoints."""
        url = f"{self.info['stripe']}/_sandbox/{path}"
        answer = await self.http.request(method, url, json=body)
        return answer.raise_for_status().json()

    async def requests(self) -> list[dict[str, Any]]:
        """What the stand-in was asked, in order."""
        lines: list[dict[str, Any]] = await self.control("GET", "requests")
        return lines

    async def updates(self) -> list[str]:
        """The changes of a subscription that the stand-in executed, by their idempotency keys."""
        return [
            line["idempotency_key"]
            for line in await self.requests()
            if line["method"] == "POST"
            and line["path"].startswith("/v1/subscriptions/")
            and line["executed"]
            and not line["replayed"]
        ]


@asynccontextmanager
async def town_in(folder: Path, *, without: str) -> AsyncIterator[Town]:
    """A stack in this folder; whatever the test has started is killed at the end."""
    async with stack_in(folder, "--without", without) as info:
        built = Town(json.loads(info.read_text()), folder)
        try:
            yield built
        finally:
            await built.kill_all()
            await built.http.aclose()

"""The whole product as processes, under a policy whose minutes are seconds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import stripe

from db.core.session import Database
from sandbox.stack.policies import restated

from ..support.stack import stack_in

Role = Literal["billing_admin", "controller", "legal", "finance", "auditor"]

HURRIED = {
    "requests_per_second": 60.0,
    "window_seconds": 6,
    "probe_every_seconds": 1,
    "healthy_seconds": 3,
}
"""A tenth of what the policy states: so is the time that passes."""


@dataclass
class Stage:
    """A running stack; `info` is what `python -m sandbox up` tells of it."""

    info: dict[str, Any]
    folder: Path
    http: httpx.AsyncClient
    stand_in: httpx.AsyncClient
    stripe: stripe.StripeClient
    records: Database

    async def get(self, role: Role, path: str) -> dict[str, Any]:
        """Whatever the hour, a reading is answered."""
        answer = await self.patiently("GET", role, path)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def post(self, role: Role, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.patiently("POST", role, path, json=body, headers=headers)

    async def patiently(
        self, method: str, role: Role | None, path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """As a good client does: what got no answer, or a 503, is sent again as it was. Customers have no
        role."""
        key = {"Authorization": f"Bearer {self.info['people'][role]['api_key']}"} if role else {}
        while True:
            answer = await self.request(method, path, headers=key | (headers or {}), **more)
            if answer is not None:
                return answer
            await asyncio.sleep(0.2)

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """Once; None without an answer, or with one that says to come again."""
        try:
            answer = await self.http.request(method, path, **more)
        except httpx.TransportError:
            return None
        return None if answer.status_code == 503 else answer

    async def control(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """One of the stand-in's own endpoints."""
        verb = method or ("GET" if body is None else "POST")
        answer = await self.stand_in.request(verb, f"/_sandbox/{path}", json=body)
        return answer.raise_for_status().json()

    def logs(self) -> str:
        """How the product's logs end, for the message of a failing test."""
        files = sorted((self.folder / "data" / "logs").glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-3000:]}" for file in files)


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """`python -m sandbox up`, until the block ends."""
    policy = folder / "policy.toml"
    policy.write_text(restated(HURRIED), encoding="utf-8")
    async with stack_in(folder, settings={"PLIXO_POLICY_FILE": str(policy)}) as info:
        told = json.loads(info.read_text())
        records = Database(told["env"]["PLIXO_DATABASE_URL"])
        async with (
            httpx.AsyncClient(base_url=told["api"], timeout=30, trust_env=False) as http,
            httpx.AsyncClient(base_url=told["stripe"], timeout=60, trust_env=False) as stand_in,
        ):
            yield Stage(told, folder, http, stand_in, stripe_of(told), records)
        await records.dispose()


def stripe_of(told: dict[str, Any]) -> stripe.StripeClient:
    """The stand-in of a stack, as Stripe's dashboard reaches it."""
    return stripe.StripeClient(
        told["env"]["PLIXO_STRIPE_API_KEY"],
        base_addresses={"api": told["stripe"]},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=10),
    )

"""What the people of the demo do through the API, and how they wait for what comes of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from ..stack.places import Role
from ..stack.stack import Stack
from .telling import Teller

Json = dict[str, Any]
Found = TypeVar("Found")

PATIENCE = 30.0
"""Seconds for an operation to get from one state to the next."""

ON_THE_WAY = {"accepted", "running", "awaiting_approval", "held"}


class DemoFailed(Exception):
    """Something did not go as told; the message says what was expected and what was there."""


class People:
    """The example organization's people, each with their own API key."""

    def __init__(self, stack: Stack, teller: Teller) -> None:
        self.stack, self.teller = stack, teller
        people = stack.places.memory.people
        self._names = {person.person: f"{person.name} ({role})" for role, person in people.items()}
        self._clients = {
            role: httpx.AsyncClient(
                base_url=stack.places.url("api"),
                headers={"Authorization": f"Bearer {person.api_key}"},
                timeout=20,
                trust_env=False,
            )
            for role, person in people.items()
        }

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    async def get(self, role: Role, path: str) -> Json:
        return read(await self._clients[role].get(path), (200,))

    async def post(
        self,
        role: Role,
        path: str,
        body: Json,
        expected: tuple[int, ...],
        headers: dict[str, str] | None = None,
    ) -> Json:
        return read(await self._clients[role].post(path, json=body, headers=headers), expected)

    async def stripe(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Asks the stand-in, as somebody would look into Stripe's Dashboard or change something there."""
        places = self.stack.places
        headers = {"Authorization": f"Bearer {places.memory.stripe_api_key}"}
        async with httpx.AsyncClient(base_url=places.url("stripe"), trust_env=False, timeout=10) as http:
            return (await http.request(method, path, headers=headers, **body)).raise_for_status()

    async def make(self, path: str, form: Json) -> Json:
        """Makes or changes an object there: `form` as Stripe takes it."""
        made: Json = (await self.stripe("POST", f"/v1/{path}", data=form)).json()
        return made

    async def ask(self, path: str, body: Json) -> str:
        """The admin asks for something; gives the operation's id."""
        key = {"Idempotency-Key": f"demo-{time.time_ns()}"}
        answer = await self.post("billing_admin", path, body, (202,), headers=key)
        self.teller.aside(f"POST {path}: 202, operation {answer['id']}")
        return str(answer["id"])

    async def reviewed(self, path: str, body: Json) -> tuple[str, Json]:
        """Asks for something, and waits until its review is open: the operation's id and the approval."""
        operation = await self.ask(path, body)
        now = await self.until(operation, lambda now: now["state"] not in ("accepted", "running"))
        expect(now["state"] == "awaiting_approval", f"a review to be opened, but it is {where(now)}")
        return operation, await self.get("controller", f"/v1/approvals/{now['approval']}")

    async def approve(self, role: Role, approval: Json) -> Json:
        """Approves exactly what was looked at."""
        decision = {"decision": "approve", "subject_hash": approval["subject_hash"]}
        return await self.post(role, f"/v1/approvals/{approval['id']}/decision", decision, (200, 202))

    async def seen(self, look: Callable[[], Awaitable[Found | None]], what: Callable[[], str]) -> Found:
        """What is looked for, as soon as it is there; `what` says what was expected where it never is."""
        deadline = time.monotonic() + PATIENCE
        with self.teller.waiting("Plixo works …"):
            while (found := await look()) is None:
                expect(time.monotonic() < deadline, what())
                await asyncio.sleep(0.1)
        return found

    async def until(self, operation: str, reached: Callable[[Json], bool]) -> Json:
        """The operation as soon as it has come so far."""
        now: Json = {}

        async def look() -> Json | None:
            nonlocal now
            now = await self.get("billing_admin", f"/v1/operations/{operation}")
            return now if reached(now) else None

        return await self.seen(look, lambda: f"{operation} to move on, but it is {where(now)}")

    async def ended(self, operation: str, state: str = "completed") -> Json:
        """The operation once nothing more happens by itself; it must have ended so."""
        now = await self.until(operation, lambda now: now["state"] not in ON_THE_WAY)
        expect(now["state"] == state, f"{operation} to be {state}, but it is {where(now)}")
        return now

    async def timeline(self, operation: str) -> None:
        """Shows what happened, by whom."""
        self.teller.say("Its timeline, each event carrying the hash of the one before:")
        events = (await self.get("auditor", f"/v1/operations/{operation}/timeline"))["data"]
        for event in events:
            who = self._names.get(event["actor"], event["actor"])
            self.teller.item(f"{event['at'][11:19]}  {event['event']}, by {who}  #{event['hash'][:8]}")


def read(response: httpx.Response, expected: tuple[int, ...]) -> Json:
    request = f"{response.request.method} {response.request.url.path}"
    expect(
        response.status_code in expected,
        f"{request} to answer {expected[0]}, but got {response.status_code}: {response.text}",
    )
    answer: Json = response.json()
    return answer


def expect(true: bool, what: str) -> None:
    if not true:
        raise DemoFailed(f"expected {what}")


def where(operation: Json) -> str:
    """How far an operation is, for a failing demo."""
    return f"{operation['state']} ({operation['stage']}): {operation['error']}"

"""The main job from end to end, as people would do it through the API, told as it happens."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from .places import Role
from .seed import CURRENCY
from .stack import Stack
from .telling import Teller, money

Json = dict[str, Any]

PATIENCE = 30.0
"""Seconds for an operation to get from one state to the next."""

ON_THE_WAY = {"accepted", "running", "awaiting_approval"}


class DemoFailed(Exception):
    """Something did not go as told; the message says what was expected and what was there."""


@dataclass
class Demo:
    """Three plan changes of the example organization on a running stack."""

    stack: Stack
    teller: Teller
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        people = self.stack.places.memory.people
        self._names = {person.person: f"{person.name} ({role})" for role, person in people.items()}
        self._clients = {
            role: httpx.AsyncClient(
                base_url=self.stack.places.url("api"),
                headers={"Authorization": f"Bearer {person.api_key}"},
                timeout=20,
                trust_env=False,
            )
            for role, person in people.items()
        }

    async def play(self) -> None:
        """All of it. Raises DemoFailed at the first thing that is not as it should be."""
        try:
            await self._starting_point()
            await self._upgrade()
            await self._finance_acknowledges()
            await self._blocked_downgrade()
            await self._scheduled_downgrade()
            await self._mails()
        except httpx.HTTPError as error:
            raise DemoFailed(f"the API did not answer: {error!r}") from error
        finally:
            await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    async def _starting_point(self) -> None:
        organization = await self._get("billing_admin", "/v1/organization")
        self.teller.chapter("Where we are")
        self.teller.say(
            f"{organization['name']} is on {organization['plan'].capitalize()} "
            f"with {organization['seats']} seats, billed by the {organization['interval']}; "
            f"it renews on {organization['renews_at'][:10]}."
        )
        self.teller.limits(organization["limits"], CURRENCY)

    async def _upgrade(self) -> None:
        self.teller.chapter("An upgrade, charged at once")
        self.teller.say("Bea, the billing admin, asks for Scale with 8 seats, now, charged immediately.")
        operation, approval = await self._reviewed(
            {
                "plan": "scale",
                "seats": 8,
                "effective": "now",
                "invoicing": "immediately",
                "reason": "Three people join the receivables team.",
            }
        )
        subject = approval["subject"]
        self.teller.say("Stripe's preview, to the second. Nothing is changed or charged yet:")
        self._preview(subject["preview"])
        await self._approve(approval)
        ended = await self._until(operation, lambda now: now["state"] not in ON_THE_WAY)
        _expect(ended["state"] == "completed", f"the upgrade to be completed, but it is {_end(ended)}")
        result = ended["result"]
        self.teller.say(
            f"Stripe was changed once. Its invoice {result['invoice']}, beside what was approved:"
        )
        self.teller.compared(subject["preview"]["lines"], result["lines"], result["total"]["currency"])
        _expect(not result["differences"], f"no differences, but found {result['differences']}")
        charged = money(**result["total"])
        self.teller.say(f"Every line is as approved. {charged} is {result['invoice_status']}.")
        organization = await self._get("billing_admin", "/v1/organization")
        _expect(organization["plan"] == "scale", f"to be on scale now, but is on {organization['plan']}")
        await self._timeline(operation)
        self.done.append(f"Upgraded Growth to Scale: {charged} charged once, verified line by line.")

    async def _finance_acknowledges(self) -> None:
        self.teller.chapter("Finance is told")
        notices = (await self._get("finance", "/v1/notices"))["data"]
        _expect(len(notices) == 2, f"two notices to Finance, but there are {len(notices)}")
        for notice in sorted(notices, key=lambda notice: str(notice["created_at"])):
            answer = await self._post("finance", f"/v1/notices/{notice['id']}/acknowledge", {}, (200, 202))
            self.teller.say(f"Finn, of Finance, acknowledges: {answer['kind'].replace('_', ' ')}.")
        self.done.append("Finance acknowledged the request and the final figures.")

    async def _blocked_downgrade(self) -> None:
        self.teller.chapter("A downgrade that a limit blocks")
        self.teller.say("Bea asks for Starter.")
        operation = await self._ask(
            {
                "plan": "starter",
                "effective": "now",
                "invoicing": "next_invoice",
                "reason": "Could the small plan do?",
            }
        )
        ended = await self._until(operation, lambda now: now["state"] not in ON_THE_WAY)
        _expect(ended["state"] == "blocked", f"the downgrade to be blocked, but it is {_end(ended)}")
        why = ended["error"]["message"]
        _expect("customers" in why, f"the customers limit to be named, but was told: {why}")
        self.teller.say(f"Blocked, and nobody was bothered for an approval: {why}")
        self.done.append(f"Downgrade to Starter blocked: {why}")

    async def _scheduled_downgrade(self) -> None:
        self.teller.chapter("A downgrade at the end of the period")
        self.teller.say("Bea asks for Growth from the next renewal on.")
        operation, approval = await self._reviewed(
            {"plan": "growth", "effective": "period_end", "reason": "The project ends with the period."}
        )
        self._preview(approval["subject"]["preview"])
        await self._approve(approval)
        scheduled = await self._until(operation, lambda now: now["stage"] in ("scheduled", "done"))
        _expect(
            scheduled["stage"] == "scheduled", f"the downgrade to be scheduled, but it is {_end(scheduled)}"
        )
        day = f"{datetime.fromtimestamp(scheduled['result']['effective_at'], UTC):%d %B %Y, %H:%M} UTC"
        self.teller.say(
            f"Scheduled in Stripe as {scheduled['result']['schedule']}. It takes effect on {day}, "
            "without a proration. Until then Bea can still cancel it."
        )
        self.done.append(f"Downgrade to Growth scheduled for {day}.")

    async def _mails(self) -> None:
        self.teller.chapter("The mails that went out")
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            mails = (await http.get(self.stack.places.url("mail") + "/messages")).raise_for_status().json()
        _expect(bool(mails), "mails to have been sent, but there are none")
        for mail in mails:
            self.teller.item(f"to {', '.join(mail['to'])}: {mail['subject']}")

    # --- What people do through the API ---------------------------------------------------------------

    async def _reviewed(self, wanted: Json) -> tuple[str, Json]:
        """Ask for a plan change, and wait until its review is open: the operation's id and the approval."""
        operation = await self._ask(wanted)
        now = await self._until(operation, lambda now: now["state"] not in ("accepted", "running"))
        _expect(now["state"] == "awaiting_approval", f"a review to be opened, but it is {_end(now)}")
        return operation, await self._get("controller", f"/v1/approvals/{now['approval']}")

    async def _ask(self, wanted: Json) -> str:
        key = {"Idempotency-Key": f"demo-{time.time_ns()}"}
        answer = await self._post("billing_admin", "/v1/plan-changes", wanted, (202,), headers=key)
        self.teller.aside(f"POST /v1/plan-changes: 202, operation {answer['id']}")
        return str(answer["id"])

    async def _approve(self, approval: Json) -> None:
        self.teller.say(
            f"Cora, the controller, approves exactly this: subject hash {approval['subject_hash'][:16]}…"
        )
        decision = {"decision": "approve", "subject_hash": approval["subject_hash"]}
        await self._post("controller", f"/v1/approvals/{approval['id']}/decision", decision, (200, 202))

    def _preview(self, preview: Json) -> None:
        self.teller.lines(preview["lines"], preview["currency"])
        due, later = preview["due_now"], preview["next_invoice"]
        self.teller.say(
            f"Due now: {money(due['amount_minor'], due['currency'])}. "
            f"On the next invoice: {money(later['amount_minor'], later['currency'])}."
        )

    async def _until(self, operation: str, reached: Callable[[Json], bool]) -> Json:
        deadline = time.monotonic() + PATIENCE
        with self.teller.waiting("Plixo works …"):
            while not reached(now := await self._get("billing_admin", f"/v1/operations/{operation}")):
                _expect(time.monotonic() < deadline, f"{operation} to move on, but it is still {_end(now)}")
                await asyncio.sleep(0.1)
        return now

    async def _timeline(self, operation: str) -> None:
        self.teller.say("Its timeline, each event carrying the hash of the one before:")
        events = (await self._get("auditor", f"/v1/operations/{operation}/timeline"))["data"]
        for event in events:
            who = self._names.get(event["actor"], event["actor"])
            self.teller.item(f"{event['at'][11:19]}  {event['event']}, by {who}  #{event['hash'][:8]}")

    async def _get(self, role: Role, path: str) -> Json:
        return _json(await self._clients[role].get(path), (200,))

    async def _post(
        self,
        role: Role,
        path: str,
        body: Json,
        expected: tuple[int, ...],
        headers: dict[str, str] | None = None,
    ) -> Json:
        return _json(await self._clients[role].post(path, json=body, headers=headers), expected)


def _json(response: httpx.Response, expected: tuple[int, ...]) -> Json:
    request = f"{response.request.method} {response.request.url.path}"
    _expect(
        response.status_code in expected,
        f"{request} to answer {expected[0]}, but got {response.status_code}: {response.text}",
    )
    answer: Json = response.json()
    return answer


def _expect(true: bool, what: str) -> None:
    if not true:
        raise DemoFailed(f"expected {what}")


def _end(operation: Json) -> str:
    return f"{operation['state']} ({operation['stage']}): {operation['error']}"

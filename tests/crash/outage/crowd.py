"""Open operations of every kind, each where an outage may find it, and how each goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import stripe
from sqlmodel import col, select
from temporalio.client import Client

from billing.core.messages import Cancel
from db.core.session import Database
from db.tables import Operation

from ...support.house import until
from ..postgres import MortalPostgres
from ..town import Town

Json = dict[str, Any]

NOTE = "Charged twice for the same month."
BEYOND = 26_000
"""Minor units that a billing admin may not credit alone."""
AT_A_TIME = 8
"""Requests; more of them only wait for each other."""
PATIENCE = 400.0


class Size(NamedTuple):
    """How many of each are open. A plan change comes on top: an organization has one at a time."""

    reviewed: int
    approved: int
    cancelled: int
    failed: int
    failing: int
    watched: int
    pending: int
    held: int
    elsewhere: int

    @property
    def operations(self) -> int:
        return sum(self) + 1


FULL = Size(
    reviewed=86,
    approved=20,
    cancelled=10,
    failed=15,
    failing=12,
    watched=25,
    pending=6,
    held=15,
    elsewhere=10,
)
"""Two hundred."""


@dataclass
class Crowd:
    """The operations, by where the outage finds them."""

    town: Town
    postgres: MortalPostgres
    records: Database
    temporal: Client
    stripe: stripe.StripeClient
    size: Size
    customers: list[str] = field(default_factory=list)
    reviewed: list[str] = field(default_factory=list)
    """They wait for an approval, whose reminders fall due."""
    approved: list[str] = field(default_factory=list)
    """They are approved at the moment at which the database dies."""
    cancelled: list[str] = field(default_factory=list)
    """They are taken back while it is away."""
    failed: list[str] = field(default_factory=list)
    """Refunds that have failed: Finance has a notice, which falls due, and a person says what next."""
    failing: list[str] = field(default_factory=list)
    """Refunds that are watched, and fail while it is away."""
    watched: list[str] = field(default_factory=list)
    """Refunds that succeeded, and are watched for a month."""
    pending: list[str] = field(default_factory=list)
    """Refunds that Stripe still works on; they come through while it is away."""
    held: list[str] = field(default_factory=list)
    """They wait for Stripe, which recovers while it is away."""
    elsewhere: list[str] = field(default_factory=list)
    """Cases of refunds made in Stripe itself; their reminders fall due."""
    scheduled: list[str] = field(default_factory=list)
    """A plan change at the end of the period."""
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the first of the reviews was opened, or a little earlier."""
    gone_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the database was dead; until then decisions went their usual way."""
    _asked: int = 0
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))

    @property
    def all(self) -> list[str]:
        return [
            *(*self.reviewed, *self.approved, *self.cancelled, *self.failed, *self.failing),
            *(*self.watched, *self.pending, *self.held, *self.elsewhere, *self.scheduled),
        ]

    # --- Before ---------------------------------------------------------------------------------------

    async def gather(self) -> None:
        """Everybody is where they are meant to be."""
        size = self.size
        self.customers = await self._each(range(8), self._customer)
        self.failed = await self._refunds("refundFail", size.failed)
        await self.reach("completed", self.failed)
        await self.town.control("POST", "clock", {"advance_seconds": 90})
        self.scheduled = [await self._schedule()]
        self.watched = await self._refunds("visa", size.watched)
        self.failing = await self._refunds("refundFail", size.failing)
        self.pending = await self._refunds("pendingRefund", size.pending)
        await self._each(range(size.elsewhere), self._refund_in_stripe)
        # On a busy machine some of these fail, or come through, before the database goes.
        await self.reach("completed failed", [*self.watched, *self.failing])
        await self.reach("running completed", self.pending, stage="pending done")
        await self.reach("failed", self.failed, stage="refund_failed")
        await until(self._cases, self._logs, PATIENCE)
        to_be_held = await self._payments("visa", size.held)
        self.asked_at = datetime.now(UTC)
        credits = await self._each(range(size.reviewed + size.approved + size.cancelled), self._credit)
        self.reviewed, rest = credits[: size.reviewed], credits[size.reviewed :]
        self.approved, self.cancelled = rest[: size.approved], rest[size.approved :]
        await self.reach("awaiting_approval", credits, stage="review")
        await self.town.control("POST", "faults", {"fault": "rate_limit", "path": "^/v1/", "times": None})
        self.held = await self._each(to_be_held, self._refund)
        await self.reach("held", self.held)
        assert len(set(self.all)) == size.operations

    # --- While the database is away -------------------------------------------------------------------

    async def approve_as_it_dies(self) -> list[str]:
        """Kills the database with the decisions on their way; gives those that were not answered well."""
        approvals = await self._each(self.approved, self._approval)
        sent = [asyncio.ensure_future(self._decide(one, "approve")) for one in approvals]
        await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        await self.postgres.kill()
        self.gone_at = datetime.now(UTC)
        answers = await asyncio.gather(*sent, return_exceptions=True)
        well = [isinstance(one, httpx.Response) and one.status_code in (200, 202) for one in answers]
        return [one for one, done in zip(self.approved, well, strict=True) if not done]

    async def happen(self) -> None:
        """What Stripe and people do meanwhile: Stripe recovers, and refunds come to their ends there."""
        await self.town.control("DELETE", "faults")
        await self.town.control("POST", "clock", {"advance_seconds": 90})
        for operation in self.cancelled:
            # As the API sends what it had noted in its outbox just before.
            handle = self.temporal.get_workflow_handle(f"operation-{operation}")
            cancel = Cancel(person=self.town.info["people"]["billing_admin"]["person"])
            await handle.execute_update("cancel", cancel, id=f"cancel-{operation}")
        answer = await self.town.http.post(
            f"/v1/credits/{self.reviewed[0]}/cancel", headers=self.town.key("billing_admin"), json={}
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable"), answer.text

    # --- After ----------------------------------------------------------------------------------------

    async def end(self, unanswered: Iterable[str]) -> dict[str, list[str]]:
        """Everybody goes on to the end that is theirs; gives the operations by their final states."""
        await self._each(unanswered, self._decided)
        await self.reach("completed", [*self.approved, *self.pending, *self.held, *self.watched])
        await self.reach("cancelled", self.cancelled)
        await self.reach("failed", [*self.failed, *self.failing], stage="refund_failed")
        half = self.size.reviewed // 2
        await self._each(self.reviewed[:half], self._decided)
        await self._each(self.reviewed[half:], lambda one: self._decided(one, "reject"))
        await self._each([*self.failed, *self.failing], self._close_refund)
        await self._each(self.elsewhere, self._close_case)
        await self._posted("billing_admin", f"/v1/plan-changes/{self.scheduled[0]}/cancel", {})
        return {
            "completed": await self.reach(
                "completed", [*self.reviewed[:half], *self.elsewhere, *self.approved, *self.pending]
            )
            + await self.reach("completed", [*self.held, *self.watched]),
            "rejected": await self.reach("rejected", self.reviewed[half:]),
            "cancelled": await self.reach("cancelled", [*self.cancelled, *self.scheduled]),
            "failed": await self.reach("failed", [*self.failed, *self.failing], stage="done"),
        }

    async def reach(self, states: str, operations: list[str], stage: str = "") -> list[str]:
        """Waits until each of them is in one of these states, and stages if any are given."""
        standing = ""

        async def there() -> bool:
            nonlocal standing
            async with self.records.reading() as session:
                rows = await session.exec(select(Operation).where(col(Operation.id).in_(operations)))
                found = [(row.id, row.kind, row.state, row.stage, row.error) for row in rows]
            others = [
                one
                for one in found
                if one[2] not in states.split() or (stage and one[3] not in stage.split())
            ]
            standing = f"{len(others)} of {len(operations)} are not {states}: {others[:5]}"
            return not others and len(found) == len(operations)

        await until(there, lambda: f"{standing}\n{self._logs()}", PATIENCE)
        return operations

    # --- How ------------------------------------------------------------------------------------------

    async def _each(self, items: Iterable[Any], do: Callable[[Any], Awaitable[Any]]) -> list[Any]:
        async def one(item: Any) -> Any:
            async with self._room:
                return await do(item)

        return list(await asyncio.gather(*map(one, items)))

    async def _customer(self, number: int) -> str:
        made = await self.stripe.v1.customers.create_async(
            {
                "name": f"Customer of an outage {number}",
                "email": f"outage-{number}@customers.example",
                "metadata": {"plixo_organization": self.town.info["organization"]},
            }
        )
        return made.id

    async def _payments(self, card: str, number: int) -> list[str]:
        return await self._each(range(number), lambda one: self._payment(card, one))

    async def _payment(self, card: str, number: int) -> str:
        made = await self.stripe.v1.payment_intents.create_async(
            {
                "amount": 5_000,
                "currency": "usd",
                "customer": self.customers[number % len(self.customers)],
                "payment_method": f"pm_card_{card}",
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        return made.id

    async def _refunds(self, card: str, number: int) -> list[str]:
        return await self._each(await self._payments(card, number), self._refund)

    async def _refund(self, payment: str) -> str:
        body = {"payment_intent": payment, "amount_minor": 1_000, "reason": "duplicate", "note": NOTE}
        return await self._begun("/v1/refunds", body)

    async def _credit(self, number: int) -> str:
        body = {
            "customer": self.customers[number % len(self.customers)],
            "amount_minor": BEYOND + number,
            "currency": "usd",
            "instrument": "balance",
            "reason": "goodwill",
            "note": NOTE,
        }
        return await self._begun("/v1/credits", body)

    async def _schedule(self) -> str:
        body = {"plan": "growth", "seats": 6, "effective": "period_end", "reason": "The team grows."}
        operation = await self._begun("/v1/plan-changes", body)
        await self.reach("awaiting_approval", [operation], stage="review")
        await self._decided(operation)
        await self.reach("running", [operation], stage="scheduled")
        return operation

    async def _refund_in_stripe(self, number: int) -> None:
        payment = await self._payment("visa", number)
        await self.stripe.v1.refunds.create_async({"payment_intent": payment, "amount": 700})

    async def _cases(self) -> bool:
        async with self.records.reading() as session:
            found = await session.exec(select(Operation.id).where(Operation.kind == "case"))
            self.elsewhere = list(found.all())
        return len(self.elsewhere) == self.size.elsewhere

    async def _begun(self, path: str, body: Json) -> str:
        self._asked += 1
        headers = {"Idempotency-Key": f"outage-{self._asked}"}
        answer = await self._posted("billing_admin", path, body, headers)
        return str(answer["id"])

    async def _approval(self, operation: str) -> Json:
        shown = await self.town.get(f"/v1/operations/{operation}")
        return await self.town.get(f"/v1/approvals/{shown['approval']}")

    async def _decide(self, approval: Json, decision: str) -> httpx.Response:
        body = {"decision": decision, "subject_hash": approval["subject_hash"], "comment": "Looked at it."}
        path = f"/v1/approvals/{approval['id']}/decision"
        return await self.town.http.post(path, json=body, headers=self.town.key("controller"))

    async def _decided(self, operation: str, decision: str = "approve") -> None:
        """What was written before the kill, and not answered, may stand: 409."""
        answer = await self._decide(await self._approval(operation), decision)
        assert answer.status_code in (200, 202, 409), answer.text

    async def _close_refund(self, operation: str) -> None:
        body = {"action": "close", "comment": "The customer was paid by bank transfer instead."}
        await self._posted("billing_admin", f"/v1/refunds/{operation}/resolution", body)

    async def _close_case(self, operation: str) -> None:
        body = {"note": "Refunded by hand: agreed on the phone."}
        await self._posted("billing_admin", f"/v1/cases/{operation}/close", body)

    async def _posted(self, role: str, path: str, body: Json, more: dict[str, str] | None = None) -> Json:
        answer = await self.town.http.post(path, json=body, headers=self.town.key(role) | (more or {}))
        assert answer.status_code in (200, 202), answer.text
        shown: Json = answer.json()
        return shown

    def _logs(self) -> str:
        return f"{self.town.log('worker')}\n{self.town.log('api')}"

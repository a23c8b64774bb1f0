"""What people do all day: each follows what they began to its end, whatever the hour."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import stripe

from .stage import Stage

Json = dict[str, Any]

PAUSE = 0.3
"""Seconds between two looks."""

MOST_CHANGES = 18
"""Of the plan: Stripe makes no more than 20 invoices of one subscription a day."""

NOTE = "Charged twice for the same month."
CARDS = ("visa", "visa", "visa", "pendingRefund", "refundFail", "pendingRefundFail", "refundActionTaken")
FINAL = ("completed", "rejected", "cancelled", "expired", "blocked", "declined", "failed")


@dataclass
class Till:
    """Payments, bills and customers that were there before the bad hours began; each is used once."""

    payments: list[tuple[str, int]] = field(default_factory=list)
    bills: list[tuple[str, str]] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)


async def stock(stage: Stage, number: int) -> Till:
    """So many payments by cards of every course, and half as many open bills."""
    organization = stage.info["organization"]
    v1 = stage.stripe.v1
    till = Till()

    async def customer(n: int) -> str:
        made = await v1.customers.create_async(
            {
                "name": f"Customer of bad hours {n}",
                "email": f"hours-{n}@customers.example",
                "metadata": {"plixo_organization": organization},
            }
        )
        return made.id

    async def payment(n: int) -> tuple[str, int]:
        amount = 6_000 + 10 * n
        made = await v1.payment_intents.create_async(
            {
                "amount": amount,
                "currency": "usd",
                "customer": till.customers[n % len(till.customers)],
                "payment_method": f"pm_card_{CARDS[n % len(CARDS)]}",
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        return made.id, amount

    async def bill(n: int) -> tuple[str, str]:
        whose = till.customers[n % len(till.customers)]
        draft = await v1.invoices.create_async(
            {"customer": whose, "collection_method": "send_invoice", "days_until_due": 30}
        )
        assert draft.id is not None
        await v1.invoice_items.create_async(
            {"customer": whose, "invoice": draft.id, "amount": 9_000, "currency": "usd"}
        )
        await v1.invoices.finalize_invoice_async(draft.id)
        return draft.id, whose

    till.customers = await asyncio.gather(*map(customer, range(8)))
    till.payments = await asyncio.gather(*map(payment, range(number)))
    till.bills = await asyncio.gather(*map(bill, range(number // 2)))
    return till


@dataclass
class People:
    """The organization's people; `asked` are the operations that they began, by what they were."""

    stage: Stage
    till: Till
    dice: random.Random
    asked: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    """Refunds that somebody made in Stripe itself."""
    resolved: list[str] = field(default_factory=list)
    """Incidents that the controller has cleared."""
    refused_early: int = 0
    """How often a note came before Stripe had recovered."""
    _keys: int = 0
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _seats: int = 5
    _changes: int = 0

    async def work(self, seconds: float, every: float) -> None:
        """Begins something every so often, for so long; what was begun goes on."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.refund,
            self.refund,
            self.credit,
            self.credit_note,
            self.change_plan,
            self.refund_in_stripe,
            self.remind,
            self.issue_link,
        ]
        end = asyncio.get_running_loop().time() + seconds
        number = 0
        while asyncio.get_running_loop().time() < end:
            # Each in turn at first, so that none is missing; then as it comes.
            chosen = kinds[number] if number < len(kinds) else self.dice.choice(kinds)
            number += 1
            task = asyncio.ensure_future(chosen())
            self._running.add(task)  # type: ignore[arg-type]
            await asyncio.sleep(every * self.dice.uniform(0.5, 1.5))

    async def done(self, within: float) -> None:
        """Waits for everything that was begun; fails with the first that went wrong."""
        if not self._running:
            return
        ended, still = await asyncio.wait(self._running, timeout=within)
        for task in ended:
            task.result()
        if still:
            for task in still:
                task.cancel()
            standing = await self.stage.get("auditor", "/v1/operations?open=true&limit=100")
            told = [
                f"{one['id']} {one['kind']} {one['state']}/{one['stage']} {one['error']}"
                for one in standing["data"]
            ]
            raise AssertionError(
                f"{len(still)} of {len(self._running)} are not done: {[repr(one) for one in still]}\n"
                + "\n".join(told)
                + f"\n{self.stage.logs()}"
            )

    # --- What they begin ------------------------------------------------------------------------------

    async def refund(self) -> None:
        """Of one payment."""
        if not self.till.payments:
            return
        payment, paid = self.till.payments.pop()
        body = {
            "payment_intent": payment,
            "amount_minor": paid // 2,
            "reason": "duplicate",
            "note": NOTE,
        }
        operation = await self._ask("/v1/refunds", body, "refund")
        await self._followed(operation, ("completed", "failed", "mismatched", "blocked"))

    async def credit(self) -> None:
        """On the balance; every other one is beyond the admin's authority."""
        amount = self.dice.choice((1_500, 26_000)) + self.dice.randrange(100)
        body = {
            "customer": self.dice.choice(self.till.customers),
            "amount_minor": amount,
            "currency": "usd",
            "instrument": "balance",
            "reason": "goodwill",
            "note": NOTE,
        }
        await self._followed(await self._ask("/v1/credits", body, "credit"), FINAL)

    async def credit_note(self) -> None:
        if not self.till.bills:
            return
        bill, customer = self.till.bills.pop()
        body = {
            "customer": customer,
            "invoice": bill,
            "amount_minor": 700,
            "currency": "usd",
            "instrument": "credit_note",
            "reason": "duplicate",
            "note": NOTE,
        }
        await self._followed(await self._ask("/v1/credits", body, "credit"), FINAL)

    async def change_plan(self) -> None:
        """One after the other: an organization has one open at a time. No more than Stripe takes of one
        subscription: the next would wait until it takes more."""
        async with self._changing:
            if self._changes == MOST_CHANGES:
                return
            self._changes += 1
            wanted = self._seats + 1
            body = {"plan": "growth", "seats": wanted, "effective": "now", "reason": "The team grows."}
            now = await self._followed(await self._ask("/v1/plan-changes", body, "plan_change"), FINAL)
            if now["state"] == "completed":
                self._seats = wanted

    async def refund_in_stripe(self) -> None:
        """In Stripe's dashboard, which tries until it has an answer; then its note is owed here, unless the
        refund has come to nothing before anybody here had heard of it."""
        if not self.till.payments:
            return
        payment, paid = self.till.payments.pop()
        made = await self._in_stripe(
            lambda: self.stage.stripe.v1.refunds.create_async(
                {"payment_intent": payment, "amount": paid // 3}, {"idempotency_key": f"dashboard-{payment}"}
            )
        )
        if made is None:
            return
        self.elsewhere.append(made)
        while (case := await self._case_of(made)) is None:
            if await self._failed(made):
                return  # a case may be opened yet, when an event of it arrives late
            await asyncio.sleep(PAUSE)
        await self._followed(case["id"], FINAL)

    async def _case_of(self, refund: str) -> Json | None:
        page = await self.stage.get("billing_admin", "/v1/cases?limit=100")
        return next((one for one in page["data"] if one["object"] == refund), None)

    async def _failed(self, refund: str) -> bool:
        try:
            return (await self.stage.stripe.v1.refunds.retrieve_async(refund)).status == "failed"
        except (stripe.StripeError, httpx.TransportError):
            return False

    async def remind(self) -> None:
        await self._followed(
            await self._ask("/v1/reminder-runs", {"dry_run": True}, "reminder_run", or_else=(409,)), FINAL
        )

    async def issue_link(self) -> None:
        """And the customer opens it."""
        invoice = self.stage.info["example"]["open_invoice"]
        answer = await self.stage.post("billing_admin", f"/v1/invoices/{invoice}/portal-links", {})
        assert answer.status_code in (201, 409), answer.text
        if answer.status_code == 201:
            path = httpx.URL(answer.json()["url"]).path
            page = await self.stage.patiently("GET", None, path, {"User-Agent": "Mozilla/5.0"})
            assert page.status_code in (303, 404, 429), page.text

    # --- What they keep doing -------------------------------------------------------------------------

    async def keep_watch(self) -> None:
        """The controller reads the banner, follows the runbook, and says what was done when it is over."""
        while True:
            banner = await self.stage.get("controller", "/v1/banner")
            for one in banner["incidents"]:
                await self._see_to(one)
            await asyncio.sleep(PAUSE)

    async def _see_to(self, incident: Json) -> None:
        where = f"/v1/incidents/{incident['id']}"
        await self.stage.post("controller", f"{where}/steps/1", {})
        note = {"note": "Waited for Stripe's status page to be green again; nothing was lost."}
        answer = await self.stage.post("controller", f"{where}/resolve", note)
        assert answer.status_code in (200, 202, 409), answer.text
        if answer.status_code == 409:
            assert answer.json()["code"] in ("still_degraded", "already_cleared"), answer.text
            self.refused_early += answer.json()["code"] == "still_degraded"
            await asyncio.sleep(PAUSE)
        elif incident["id"] not in self.resolved:
            self.resolved.append(incident["id"])

    async def close_what_failed(self) -> None:
        """A refund that fails, which it can after it had succeeded, is left at that, with a note."""
        while True:
            page = await self.stage.get("billing_admin", "/v1/operations?kind=refund&open=true&limit=100")
            for one in page["data"]:
                if "close" in one["allowed_actions"]:
                    answer = await self.stage.post(
                        "billing_admin",
                        f"/v1/refunds/{one['id']}/resolution",
                        {"action": "close", "comment": "The customer was paid by bank transfer instead."},
                    )
                    assert answer.status_code in (200, 202, 409), answer.text
            await asyncio.sleep(PAUSE)

    async def close_cases(self) -> None:
        """Whoever made something in Stripe by hand writes the note that is owed, whenever it is asked for."""
        while True:
            page = await self.stage.get("billing_admin", "/v1/cases?open=true&limit=100")
            for case in page["data"]:
                if "close" in case["allowed_actions"]:
                    note = {"note": f"Made by hand, {case['object']}: agreed on the phone."}
                    answer = await self.stage.post("billing_admin", f"/v1/cases/{case['id']}/close", note)
                    assert answer.status_code in (200, 202, 409), answer.text
            await asyncio.sleep(PAUSE)

    async def approve_what_waits(self) -> None:
        """The controller and Legal approve whatever they are asked."""
        while True:
            for role in ("controller", "legal"):
                page = await self.stage.get(role, "/v1/approvals?state=open&needs_me=true&limit=100")  # type: ignore[arg-type]
                for approval in page["data"]:
                    body = {"decision": "approve", "subject_hash": approval["subject_hash"]}
                    path = f"/v1/approvals/{approval['id']}/decision"
                    answer = await self.stage.post(role, path, body)  # type: ignore[arg-type]
                    assert answer.status_code in (200, 202, 403, 409), answer.text
            await asyncio.sleep(PAUSE)

    # --- How ------------------------------------------------------------------------------------------

    async def _ask(self, path: str, body: Json, kind: str, *, or_else: tuple[int, ...] = ()) -> str:
        self._keys += 1
        headers = {"Idempotency-Key": f"hours-{self._keys}"}
        while True:
            answer = await self.stage.post("billing_admin", path, body, **headers)
            if answer.status_code not in or_else:
                break
            await asyncio.sleep(PAUSE)
        assert answer.status_code == 202, answer.text
        operation = str(answer.json()["id"])
        self.asked[operation] = kind
        return operation

    async def _followed(self, operation: str, states: tuple[str, ...]) -> Json:
        while True:
            now = await self.stage.get("billing_admin", f"/v1/operations/{operation}")
            if now["state"] in states:
                return now
            await asyncio.sleep(PAUSE)

    async def _in_stripe(self, doing: Callable[[], Awaitable[Any]]) -> str | None:
        """Its id; None where Stripe has definitely refused it."""
        while True:
            try:
                return str((await doing()).id)
            except stripe.StripeError as error:
                if error.http_status in (400, 402, 404):
                    return None
            except httpx.TransportError:
                pass
            await asyncio.sleep(PAUSE)

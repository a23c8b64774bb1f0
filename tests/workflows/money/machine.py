"""Plays the steps of `money_steps` in a running house, as an organization of its own."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import stripe
from httpx import Response

from billing.core.operations import Role
from db.tables import Operation

from ...support import builders, money
from ...support.builders import Member, Tenant
from ...support.house import House
from ...support.money_rows import a_delegation
from .machine_standing import Operations, Standing
from .machine_steps import (
    Act,
    AddNote,
    AtOnce,
    Bill,
    Cancel,
    Credit,
    Decide,
    Elsewhere,
    Events,
    Giver,
    Pass,
    PayBill,
    Payment,
    Person,
    Refund,
    Resolve,
    Revise,
    Scenario,
    Step,
    Trouble,
    Waive,
)

ACTING_FOR: dict[Person, Person] = {"partner": "admin", "stand_in": "controller"}
FOR_GOOD = datetime(2100, 1, 1, tzinfo=UTC)

SETTLED = 120
"""Seconds of Stripe's after which a refund has come to its end, unless it waits for the customer."""

WAIVING = "invoices/[^/]+/(void|mark_uncollectible)"
GIVING = f"^/v1/(refunds|credit_notes|customers/[^/]+/balance_transactions|{WAIVING})$"

ASKED_WRONGLY = (
    "amount_above_refundable",
    "amount_above_creditable",
    "instrument_unfit",
    "invoice_not_creditable",
    "invoice_paid",
    "invoice_ended",
)
RESOURCES = {"refund": "refunds", "credit": "credits", "void": "voids", "write_off": "write-offs"}
NOT_NOW = ("not_cancellable", "not_revisable", "not_resolvable", "too_late", "nothing_to_resolve")
NOT_THEIRS = ("own_approval", "others_authority")
MAY_NOT_DECIDE = (
    "own_request",
    "requesters_delegate",
    "wrong_role",
    "authority_too_small",
    "approval_closed",
    "already_decided",
    "already_ended",
    "stale_subject",
)
_keys = count(1)


class Yes(NamedTuple):
    """An approval that was accepted; `line` is how far the stand-in's request log was just before."""

    operation: str
    subject_hash: str
    by: Person
    line: int


class Scene:
    """An organization, its customers, and what has been asked for so far."""

    def __init__(self, home: House, tenant: Tenant, people: dict[Person, Member]) -> None:
        self.home, self.tenant, self.people = home, tenant, people
        self.customers: list[str] = []
        self.payments: list[tuple[str, int]] = []
        self.bills: list[tuple[str, int, str]] = []
        self.asked: dict[str, Giver] = {}
        self.yeses: list[Yes] = []
        self.moments: list[datetime] = []
        """When each step began, by Temporal's clock."""
        self.operations = Operations(home, tenant.id)

    @classmethod
    async def begin(cls, home: House, scenario: Scenario) -> "Scene":
        """The organization, and customers who have paid and owe what the scenario says."""
        tenant = await builders.tenant(home.database)
        people: dict[Person, Member] = {
            "admin": tenant.admin,
            "controller": tenant.controller,
            "legal": tenant.legal,
            "deputy": await builders.member(home.database, tenant.organization, [Role.BILLING_ADMIN]),
            "partner": await builders.member(home.database, tenant.organization, [Role.CONTROLLER]),
            "stand_in": await builders.member(home.database, tenant.organization, []),
        }
        await builders.store(
            home.database,
            *(
                a_delegation(people[principal].person, people[delegate].person, ends_at=FOR_GOOD)
                for delegate, principal in ACTING_FOR.items()
            ),
        )
        scene = cls(home, tenant, people)
        scene.customers = [await money.customer(home.shop, tenant) for _ in range(2)]
        for payment in scenario.payments:
            await scene._pay(payment)
        for bill in scenario.bills:
            await scene._bill(bill)
        return scene

    async def _pay(self, payment: Payment) -> None:
        customer = self.customers[payment.customer]
        made = await money.pay(self.home.shop, customer, payment.amount, f"pm_card_{payment.card}")
        self.payments.append((made, payment.amount))

    async def _bill(self, bill: Bill) -> None:
        shop, customer = self.home.shop, self.customers[bill.customer]
        made = await money.invoice(shop, customer, bill.amount, paid=bill.paid == "whole")
        if bill.paid == "in two":
            for tenths, card in ((6, "visa"), (4, bill.card)):
                payment = await money.pay(shop, customer, bill.amount * tenths // 10, f"pm_card_{card}")
                await shop.client.v1.invoices.attach_payment_async(made, {"payment_intent": payment})
        self.bills.append((made, bill.amount, customer))

    # --- Steps ----------------------------------------------------------------------------------------

    async def play(self, step: Step) -> None:
        """Does it, and waits until it has led to all that it leads to by itself."""
        self.moments.append(await self._environment.get_current_time())
        match step:
            case AtOnce(acts):
                await asyncio.gather(*map(self._act, acts))
            case Pass(hours):
                self.home.stand_in.advance(hours * 3600 + SETTLED)
                await self.home.skip(hours=hours, seconds=SETTLED)
            case Events(mode):
                self.home.stand_in.webhooks(mode=mode)
            case Trouble(fault):
                self.home.stand_in.fault(fault, method="POST", path=GIVING)
            case _:
                await self._act(step)
        await self.operations.rest()

    async def _act(self, act: Act) -> None:
        match act:
            case Refund():
                await self._refund(act)
            case Credit():
                await self._credit(act)
            case Waive():
                await self._waive(act)
            case Decide():
                await self._decide(act)
            case Revise(percent, which):
                await self._revise(percent, which)
            case Cancel(by, which):
                if found := self._find(which, lambda one: "cancel" in one.operation.allowed_actions):
                    await self._tell(found, by, "cancel", "cancellation_requested", {}, *NOT_NOW)
            case Resolve(action, which):
                if found := self._find(which, lambda one: action in one.operation.allowed_actions):
                    body = {"action": action, "comment": f"Finance says to {action} it."}
                    by, codes = self.asked[found.operation.id], (*NOT_NOW, *NOT_THEIRS)
                    await self._tell(found, by, "resolution", "resolution_requested", body, *codes)
            case AddNote(text, which):
                if found := self._find(which, lambda one: True):
                    answer = await self._post("deputy", f"{_path(found.operation)}/notes", {"note": text})
                    assert answer.status_code == 202, answer.text
            case Elsewhere(of, percent):
                payment, paid = _newest(self.payments, of)
                await self._in_stripe(
                    self._v1.refunds.create_async(
                        {"payment_intent": payment, "amount": paid * percent // 100}
                    )
                )
            case PayBill(of):
                if self.bills:
                    bill, _, customer = _newest(self.bills, of)
                    method = await self._v1.payment_methods.attach_async(
                        "pm_card_visa", {"customer": customer}
                    )
                    await self._in_stripe(self._v1.invoices.pay_async(bill, {"payment_method": method.id}))

    async def _refund(self, act: Refund) -> None:
        of, paid = self._of(act)
        body = of | {
            "reason": act.reason,
            "note": money.NOTE,
            "confirm_fraudulent": act.reason == "fraudulent",
        }
        if act.percent is not None:
            body["amount_minor"] = paid * act.percent // 100
        await self._ask(act.by, "/v1/refunds", body, times=2 if act.twice else 1)

    def _of(self, act: Refund) -> tuple[dict[str, Any], int]:
        if act.bill and self.bills:
            bill, amount, _ = _newest(self.bills, act.of)
            return {"invoice": bill}, amount
        payment, amount = _newest(self.payments, act.of)
        return {"payment_intent": payment}, amount

    async def _credit(self, act: Credit) -> None:
        body: dict[str, Any] = {"amount_minor": act.amount, "currency": "usd", "note": money.NOTE}
        if act.bill and self.bills:
            bill, _, customer = _newest(self.bills, act.of)
            body |= {"instrument": "credit_note", "invoice": bill, "customer": customer}
        else:
            body |= {"instrument": "balance", "customer": self.customers[act.of]}
        await self._ask(act.by, "/v1/credits", body | {"reason": act.reason})

    async def _waive(self, act: Waive) -> None:
        if self.bills:
            bill, _, _ = _newest(self.bills, act.of)
            path = "/v1/write-offs" if act.off else "/v1/voids"
            await self._ask(act.by, path, {"invoice": bill, "reason": "other", "note": money.NOTE})

    async def _ask(self, by: Giver, path: str, body: dict[str, Any], times: int = 1) -> None:
        key = {"Idempotency-Key": f"machine-{next(_keys)}"}
        answers = await asyncio.gather(*[self._post(by, path, body, **key) for _ in range(times)])
        made = {answer.json()["id"] for answer in answers if _taken(answer, *ASKED_WRONGLY)}
        assert len(made) <= 1, "one key, several operations"
        self.asked |= dict.fromkeys(made, by)

    async def _decide(self, act: Decide) -> None:
        found = self._find(act.which, lambda one: one.open_review)
        if found is None or found.approval is None:
            return
        line = self.home.stand_in.last_request()
        hash_ = found.approval.subject_hash
        body = {"decision": act.verdict, "subject_hash": hash_, "comment": "This is what I say to it."}
        answer = await self._post(act.by, f"/v1/approvals/{found.approval.id}/decision", body)
        if not _taken(answer, *MAY_NOT_DECIDE):
            return
        requester = self.asked[found.operation.id]
        assert requester not in (act.by, ACTING_FOR.get(act.by)), f"{act.by} decides for {requester}"
        if act.verdict == "approve":
            self.yeses.append(Yes(found.operation.id, hash_, act.by, line))

    async def _revise(self, percent: int, which: int) -> None:
        found = self._find(which, lambda one: "revise" in one.operation.allowed_actions)
        if found is None:
            return
        subject = found.operation.subject or {}
        body = found.operation.request | {"note": f"{money.NOTE} Now {percent}%."}
        if body.pop("action", None) is None:  # nobody says how much is left of an invoice
            body["amount_minor"] = max(1, subject["amount"]["amount_minor"] * percent // 100)
        by, codes = self.asked[found.operation.id], (*NOT_NOW, *ASKED_WRONGLY)
        await self._tell(found, by, "revision", "revision_requested", body, *codes)

    async def _tell(
        self, found: Standing, by: Person, what: str, event: str, body: dict[str, Any], *codes: str
    ) -> None:
        answer = await self._post(by, f"{_path(found.operation)}/{what}", body)
        if _taken(answer, *codes) and answer.status_code == 200:
            self.operations.told(found.operation.id, event)

    async def _in_stripe(self, doing: Any) -> None:
        """What is refused was not possible any more, and whoever gets no answer leaves it at that."""
        try:
            await doing
        except stripe.StripeError:
            return

    def _find(self, which: int, fits: Any) -> Standing | None:
        fitting = [one for one in self.operations.standing if fits(one)]
        return fitting[which % len(fitting)] if fitting else None

    async def _post(self, who: Person, path: str, body: dict[str, Any], **headers: str) -> Response:
        return await self.home.post(self.people[who], path, body, **headers)

    @property
    def _v1(self) -> stripe.V1Services:
        return self.home.shop.client.v1

    @property
    def _environment(self) -> Any:
        assert self.home.environment is not None
        return self.home.environment

    def told(self, scenario: Scenario) -> str:
        """The scenario and what came of it, for the message of a failing test."""
        lines = [repr(scenario)]
        for one in reversed(self.operations.standing):
            operation = one.operation
            lines += [f"{operation.id} {operation.state}/{operation.stage} {operation.error}"]
            lines += [f"    {event.at:%d %H:%M:%S.%f} {event.code}" for event in one.events]
        return "\n".join(lines)


def _path(operation: Operation) -> str:
    return f"/v1/{RESOURCES[operation.kind]}/{operation.id}"


def _newest(things: Sequence[Any], back: int) -> Any:
    return things[-1 - back % len(things)]


def _taken(answer: Response, *codes: str) -> bool:
    """Whether it was taken; a refusal must be one that can be expected."""
    if answer.is_success:
        return True
    code = answer.json().get("code")
    assert answer.status_code < 500, answer.text
    assert code in (*codes, "already_ended"), answer.text
    return False

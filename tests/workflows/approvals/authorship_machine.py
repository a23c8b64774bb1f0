"""Plays the steps of `authorship_steps` in a running house, beside a ledger of who did what.

The ledger knows nothing of the product's rule: it is told what the API took, and judges that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal

from httpx import Response
from sqlmodel import col, select

from billing.core.operations import Role
from db.tables import Approval, Commitment, Decision, Intent

from ...support import builders, money
from ...support.builders import Member, Tenant
from ...support.house import House, until
from ..money.machine_standing import Operations, Standing
from ..plan_changes.test_workflow import change_seats_in_stripe
from .authorship_steps import ROLES, SMALL, Answer, Ask, Cancel, Decide, Offer, Person, Resolve, Revise, Step

PATHS = {"plan_change": "plan-changes", "credit": "credits", "refund": "refunds"}
_keys = count(1)


@dataclass
class Lent:
    """A delegation by the ledger's clock; in force from `since` until before `until`."""

    id: str
    giver: Person
    to: Person
    since: int | None = None
    until: int | None = None


@dataclass
class Shaped:
    """An operation: who shaped it when, and who has said yes to what it last became."""

    shapers: list[tuple[Person, int]]
    last: Person
    yeses: set[Person] = field(default_factory=set)


class Ledger:
    """Who did what, in the order in which the API took it."""

    def __init__(self) -> None:
        self.clock = 0
        self.lent: list[Lent] = []
        self.shaped: dict[str, Shaped] = {}

    def barred(self, shapers: Iterable[tuple[Person, int]]) -> set[Person]:
        """The shapers, and whoever acted for one of them at any time since."""
        found: set[Person] = set()
        for person, at in shapers:
            found.add(person)
            found |= {
                one.to
                for one in self.lent
                if one.giver == person and one.since is not None and (one.until is None or one.until > at)
            }
        return found

    def check_decider(self, operation: str, who: Iterable[Person]) -> None:
        shaped = self.shaped[operation]
        wrong = self.barred(shaped.shapers) & set(who)
        assert not wrong, f"{wrong} decide on {operation}, which {shaped.shapers} shaped"

    def check_refused(self, operation: str, who: Person, code: str) -> None:
        """Nobody is barred who neither shaped it nor agreed to act for who did."""
        if code in ("own_request", "requesters_delegate"):
            assert who in self.barred(self.shaped[operation].shapers), f"{who} is barred by nobody's doing"

    def check_retry(self, operation: str, by: Person) -> None:
        shaped = self.shaped[operation]
        if not shaped.yeses:
            assert by == shaped.last, f"{by} spends the authority of {shaped.last} again"
        newly = self.barred([(by, self.clock)]) - self.barred(shaped.shapers)
        assert not newly & shaped.yeses, f"{by} has tried again what {shaped.yeses} approved"


class Scene:
    """An organization with people of every kind."""

    def __init__(self, home: House, tenant: Tenant, people: dict[Person, Member]) -> None:
        self.home, self.tenant, self.people = home, tenant, people
        self.names: dict[str, Person] = {member.id: name for name, member in people.items()}
        self.operations = Operations(home, tenant.id)
        self.ledger = Ledger()

    @classmethod
    async def begin(cls, home: House) -> "Scene":
        tenant = await home.shop.tenant(home.database, seats=6)
        there = {Role.BILLING_ADMIN: "admin", Role.CONTROLLER: "controller", Role.LEGAL: "legal"}
        there[Role.FINANCE] = "finance"
        people: dict[Person, Member] = {name: tenant.members[role] for role, name in there.items()}  # type: ignore[misc]
        for name in ("deputy", "both", "partner"):
            people[name] = await builders.member(home.database, tenant.organization, ROLES[name])
        return cls(home, tenant, people)

    # --- Steps ----------------------------------------------------------------------------------------

    async def play(self, step: Step) -> None:
        self.ledger.clock += 1
        match step:
            case Ask():
                await self._ask(step)
            case Decide():
                await self._decide(step)
            case Revise(by, amount):
                if found := self._newest("revise"):
                    await self._revise(found, by, amount)
            case Resolve(action, by):
                if found := self._newest(action):
                    await self._resolve(found, action, by)
            case Cancel(by):
                if found := self._newest("cancel"):
                    await self._tell(found, by, "cancel", {}, "cancellation_requested")
            case Offer():
                await self._offer(step)
            case Answer(how, which):
                await self._answer(how, which)
        await self.operations.rest()

    async def _ask(self, step: Ask) -> None:
        path, body = await self._wanted(step.kind, step.amount)
        answer = await self._post(step.by, path, body, **{"Idempotency-Key": f"authors-{next(_keys)}"})
        if answer.status_code == 202:
            self.ledger.shaped[answer.json()["id"]] = Shaped([(step.by, self.ledger.clock)], step.by)
        else:
            assert answer.json()["code"] in ("role_missing", "plan_change_open", "same_plan"), answer.text

    async def _wanted(self, kind: str, amount: int) -> tuple[str, dict[str, Any]]:
        if kind == "plan_change":
            return "/v1/plan-changes", self._plan(amount)
        customer = await money.customer(self.home.shop, self.tenant)
        if kind == "credit":
            return "/v1/credits", self._credit(customer, amount)
        card = "pm_card_refundFailAtOnce" if kind == "hopeless" else "pm_card_visa"
        payment = await money.pay(self.home.shop, customer, amount, card)
        return "/v1/refunds", {"payment_intent": payment, "reason": "duplicate", "note": money.NOTE}

    def _plan(self, amount: int) -> dict[str, Any]:
        """Other seats for another amount, so that a revision is one."""
        return {"plan": "growth", "seats": 10 if amount == SMALL else 8, "reason": "The team grows."}

    def _credit(self, customer: str, amount: int) -> dict[str, Any]:
        asked = {"customer": customer, "amount_minor": amount, "currency": "usd", "instrument": "balance"}
        return asked | {"reason": "goodwill", "note": money.NOTE}

    async def _decide(self, step: Decide) -> None:
        reviews = [one for one in self.operations.standing if one.open_review]
        if not reviews or reviews[0].approval is None:
            return
        operation, approval = reviews[0].operation, reviews[0].approval
        body = {"decision": step.verdict, "subject_hash": approval.subject_hash, "comment": "So I say."}
        disturbed = step.disturbed and operation.kind == "plan_change"
        if disturbed:
            self._stall()
        answer = await self._post(step.by, f"/v1/approvals/{approval.id}/decision", body)
        if not answer.is_success:
            self.ledger.check_refused(operation.id, step.by, answer.json()["code"])
            return
        decided = {step.by, *await self._principal(approval, step.by)}
        self.ledger.check_decider(operation.id, decided)
        if step.verdict == "approve":
            self.ledger.shaped[operation.id].yeses |= decided
        if disturbed:
            await self._disturb()
            await self.home.wait(self.tenant, operation.id, "mismatched")

    async def _principal(self, approval: Approval, by: Person) -> list[Person]:
        """For whom they decided."""
        async with self.home.database.reading() as session:
            found = await session.exec(
                select(Decision)
                .where(Decision.approval_id == approval.id, Decision.person_id == self.people[by].id)
                .order_by(col(Decision.decided_at).desc())
            )
            decision = found.first()
        return [self.names[decision.for_person]] if decision and decision.for_person else []

    async def _revise(self, found: Standing, by: Person, amount: int) -> None:
        operation = found.operation
        if operation.kind == "plan_change":
            body = self._plan(amount)
        elif operation.kind == "credit":
            body = self._credit(await money.customer(self.home.shop, self.tenant), amount)
        else:
            body = {name: operation.request[name] for name in ("payment_intent", "reason")}
            body |= {"note": f"{money.NOTE} Revised.", "amount_minor": SMALL}
        if await self._tell(found, by, "revision", body, "revision_requested"):
            shaped = self.ledger.shaped[operation.id]
            shaped.shapers.append((by, self.ledger.clock))
            shaped.last, shaped.yeses = by, set()

    async def _resolve(
        self, found: Standing, action: Literal["retry", "close", "accept", "revert"], by: Person
    ) -> None:
        body = {"action": action, "comment": f"Let us {action} it, then."}
        if not await self._tell(found, by, "resolution", body, "resolution_requested"):
            return
        if action == "accept":
            self.ledger.check_decider(found.operation.id, [by])
        if action == "retry":
            self.ledger.check_retry(found.operation.id, by)

    async def _offer(self, step: Offer) -> None:
        reviews = [one.approval for one in self.operations.standing if one.open_review]
        until_ = (datetime.now(UTC) + timedelta(days=300)).isoformat()
        body = {"to": self.people[step.to].id, "reason": "I am away."}
        if step.everything:
            answer = await self._post(step.by, "/v1/delegations", body | {"ends_at": until_})
        elif reviews and reviews[0] is not None:
            path = f"/v1/approvals/{reviews[0].id}/delegate"
            answer = await self._post(step.by, path, body | {"until": until_})
        else:
            return
        if answer.status_code == 201:
            self.ledger.lent.append(Lent(answer.json()["id"], step.by, step.to))

    async def _answer(self, how: str, which: int) -> None:
        if not self.ledger.lent:
            return
        one = self.ledger.lent[-1 - which % len(self.ledger.lent)]
        answer = await self._post(one.to, f"/v1/delegations/{one.id}/{how}", {})
        assert answer.status_code < 500, answer.text
        if answer.is_success and how == "accept" and one.since is None:
            one.since = self.ledger.clock
        if answer.is_success and how == "revoke" and one.until is None:
            one.until = self.ledger.clock

    async def _tell(self, found: Standing, by: Person, what: str, body: dict[str, Any], event: str) -> bool:
        path = f"/v1/{PATHS[found.operation.kind]}/{found.operation.id}/{what}"
        answer = await self._post(by, path, body)
        assert answer.status_code < 500, answer.text
        if not answer.is_success:
            self.ledger.check_refused(found.operation.id, by, answer.json()["code"])
            return False
        self.operations.told(found.operation.id, event)
        return True

    # --- Around -----------------------------------------------------------------------------------------

    def _newest(self, action: str) -> Standing | None:
        fitting = [one for one in self.operations.standing if action in one.operation.allowed_actions]
        return fitting[0] if fitting else None

    def _stall(self) -> None:
        """The change does not get to Stripe at once, so that somebody can be quicker."""
        path = f"/v1/subscriptions/{self.tenant.organization.stripe_subscription}$"
        self.home.stand_in.fault("lock_timeout", method="POST", path=path, times=1)

    async def _disturb(self) -> None:
        async def stalled() -> bool:
            return any(line["fault"] == "lock_timeout" for line in self.home.stand_in.requests())

        await until(stalled, lambda: "the change was not tried")
        await change_seats_in_stripe(self.home, self.tenant, 9, proration_behavior="always_invoice")

    async def _post(self, who: Person, path: str, body: dict[str, Any], **headers: str) -> Response:
        return await self.home.post(self.people[who], path, body, **headers)

    # --- What must hold ---------------------------------------------------------------------------------

    async def check(self) -> None:
        """No one's authority was spent by another: it was theirs who shaped it last, or who approved it."""
        async with self.home.database.reading() as session:
            held = await session.exec(select(Commitment).where(Commitment.organization_id == self.tenant.id))
            done = await session.exec(
                select(Intent.operation_id).where(
                    Intent.organization_id == self.tenant.id, Intent.state == "done"
                )
            )
            executed = set(done)
            spent = {one.operation_id: one for one in held if one.decided_at and not one.released_at}
        for id_, one in spent.items():
            shaped = self.ledger.shaped[id_]
            whose = self.names[one.authority_of or ""]
            allowed = shaped.yeses or {shaped.last}
            assert whose in allowed, f"{id_} spends the authority of {whose}, not of {allowed}"
            assert self.names[one.person_id or ""] == shaped.last, f"{id_} is said to be {one.person_id}'s"
        for id_ in executed:
            self.ledger.check_decider(id_, self.ledger.shaped[id_].yeses)

    def told(self, scenario: Iterable[Step]) -> str:
        lines = [f"    {step!r}," for step in scenario]
        for one in reversed(self.operations.standing):
            lines += [f"{one.operation.id} {one.operation.state}/{one.operation.stage} {one.operation.error}"]
            lines += [f"    {self.names.get(event.actor, event.actor)}: {event.code}" for event in one.events]
        return "\n".join(lines)

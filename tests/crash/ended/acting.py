"""How an operation goes on while it is ended from outside, and what must hold afterwards."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from api.portal_admin import troubles
from billing.core.operations import State
from billing.reminders.runs import ReminderRunInput
from db.operations import outbox
from db.tables import Approval, Commitment, Intent, Notice, Operation
from workflows.core import ids

from ...support import money
from ...support.builders import Tenant, a_customer, an_invoice, an_operation, store
from ...support.case_rows import noticed
from ...support.house import until
from ...support.money_rows import a_payment, a_refund
from . import Part, Strike
from .theatre import PATIENCE, Theatre

GIVES_UP = 8 * PATIENCE
"""For all blows to one operation, on a machine that has much else to do."""
COMMENT = {"comment": "As it is."}


class Wrong(AssertionError):
    """What must not be."""


@dataclass(frozen=True)
class AskedPeople:
    approvals: set[str]
    notices: dict[str, str]
    """Its notices to Finance, each with its kind."""


class Acting:
    """One operation, in an organization of its own."""

    tenant: Tenant

    def __init__(self, stage: Theatre, part: Part) -> None:
        self.stage, self.home, self.part = stage, stage.home, part
        self.operation = ""
        self.struck = 0
        self._kept: AskedPeople | None = None
        """Whom it had asked when it was struck at its end."""
        self._asked_for_changes = False

    async def act(self) -> None:
        self.tenant = await self.home.shop.tenant(self.home.database, "starter")
        strikes = list(self.part.strikes)
        await self._begin()
        if strikes[0].stage == "accepted":
            await self._strike(strikes.pop(0))
        async with asyncio.timeout(GIVES_UP):
            while True:
                operation = await self._row()
                if strikes and await self._is_at(operation, strikes[0].stage):
                    await self._strike(strikes.pop(0))
                    continue
                if operation.closed_at is not None:
                    for strike in strikes:
                        if strike.stage == "end":
                            await self._strike(strike)
                    break
                await self._go_on(operation, [one.stage for one in strikes])
                await asyncio.sleep(0.25)
        await self._check()

    # --- What is asked for ----------------------------------------------------------------------------

    async def _begin(self) -> None:
        home, tenant, kind = self.home, self.tenant, self.part.operation
        if kind == "mismatched plan change":
            self.operation = await home.ask(tenant)
            await home.reviewed(tenant, self.operation)
        elif kind == "plan change at period end":
            self.operation = await home.ask(tenant, effective="period_end")
        elif kind == "plan change":
            self.operation = await home.ask(tenant)
        elif kind.endswith("refund"):
            card = "pm_card_refundFailAtOnce" if kind == "failing refund" else "pm_card_visa"
            customer = await money.customer(home.shop, tenant)
            amount = 90_000 if kind == "reviewed refund" else 1_000
            payment = await money.pay(home.shop, customer, amount, card)
            self.operation = await money.refund(home, tenant, payment, amount)
        elif kind.endswith("credit"):
            customer = await money.customer(home.shop, tenant)
            amount = 200_000 if kind == "reviewed credit" else 1_000
            self.operation = await money.credit(home, tenant, customer, amount)
        elif kind == "case":
            customer_row = a_customer(tenant.id)
            payment_row = a_payment(tenant.id, customer_id=customer_row.id)
            refund_row = a_refund(tenant.id, payment_row.id)
            await store(home.database, customer_row, payment_row)
            await noticed(home.database, refund_row, datetime.now(UTC))
            self.operation = (await home.get(tenant.auditor, "/v1/cases?limit=100"))["data"][0]["id"]
        elif kind == "portal access":
            await self._portal_trouble()
        else:
            await self._reminder_run()

    async def _portal_trouble(self) -> None:
        customer = a_customer(self.tenant.id)
        invoice = an_invoice(customer)
        await store(self.home.database, customer, invoice)
        assert self.home.app is not None
        context = self.home.app.state.context
        async with self.home.database.transaction() as session:
            start = await troubles.notice(
                session, context, invoice=invoice, cause="failures", at=datetime.now(UTC)
            )
        assert start is not None
        self.operation = start.workflow_id.removeprefix("operation-")
        context.dispatcher.hand_over(start)

    async def _reminder_run(self) -> None:
        home = self.home
        document = home.policy.model_dump(mode="json", by_alias=True)
        kind = "reminder_run"
        operation = an_operation(
            self.tenant, kind=kind, request={"dry_run": False}, policy=document, state="accepted"
        )
        await store(home.database, operation)
        self.operation = operation.id
        asked = ReminderRunInput(organization=self.tenant.id, operation=operation.id, policy=home.policy)
        async with home.database.transaction() as session:
            await outbox.enqueue(
                session,
                action=outbox.START,
                workflow_id=ids.operation_workflow(operation.id),
                name=ids.REMINDER_SWEEP,
                payload=asked.model_dump(mode="json", by_alias=True),
                at=datetime.now(UTC),
            )

    # --- What people do -------------------------------------------------------------------------------

    async def _go_on(self, operation: Operation, ahead: list[str]) -> None:
        """Whatever brings it on; what is refused is tried at the next look."""
        home, tenant, id_ = self.home, self.tenant, self.operation
        path = f"/v1/plan-changes/{id_}"
        if operation.stage == "review":
            await self._decide("changes requested" in ahead)
        elif operation.stage == "changes_requested":
            await self._revise(operation)
        elif operation.state == "mismatched":
            if operation.kind == "plan_change":
                await home.post(tenant.controller, f"{path}/resolution", {"action": "accept"} | COMMENT)
        elif operation.stage == "refund_failed":
            await home.post(tenant.admin, f"/v1/refunds/{id_}/resolution", {"action": "close"} | COMMENT)
        elif operation.stage == "scheduled":
            await home.post(tenant.admin, f"{path}/cancel", {})
        elif operation.stage == "note_owed":
            await home.post(tenant.admin, f"/v1/cases/{id_}/close", {"note": "Made by hand."})
        elif operation.stage == "waiting":
            body = {"note": "Mailed them."}
            await home.post(tenant.admin, f"/v1/portal-troubles/{id_}/close", body)

    async def _decide(self, ask_for_changes: bool) -> None:
        home, tenant = self.home, self.tenant
        found = await home.get(tenant.auditor, f"/v1/operations/{self.operation}")
        if not found["approval"]:
            return
        approval = await home.get(tenant.auditor, f"/v1/approvals/{found['approval']}")
        if approval["state"] != "open":
            return
        if self.part.operation == "mismatched plan change":
            # Somebody else changes it between our re-check and our update.
            path = f"/v1/subscriptions/{tenant.organization.stripe_subscription}$"
            home.stand_in.fault("lock_timeout", method="POST", path=path, times=1)
        said = "request_changes" if ask_for_changes and not self._asked_for_changes else "approve"
        self._asked_for_changes |= said == "request_changes"
        body = {"decision": said, "subject_hash": approval["subject_hash"], "comment": "Seen."}
        for who in (tenant.controller, tenant.legal):
            await home.post(who, f"/v1/approvals/{approval['id']}/decision", body)
        if self.part.operation == "mismatched plan change":
            await self._changed_by_somebody_else()

    async def _changed_by_somebody_else(self) -> None:
        async def refused_once() -> bool:
            lines = self.home.stand_in.requests()
            mine = f"/v1/subscriptions/{self.tenant.organization.stripe_subscription}"
            return any(line["fault"] == "lock_timeout" and line["path"] == mine for line in lines)

        await until(refused_once, lambda: "the change was not tried", PATIENCE)
        subscription = await self.home.shop.subscription(self.tenant)
        item = {"id": subscription["items"].data[0].id, "quantity": 9}
        await self.home.shop.client.v1.subscriptions.update_async(
            subscription.id, {"items": [item], "proration_behavior": "always_invoice"}
        )

    async def _revise(self, operation: Operation) -> None:
        asked = dict(operation.request)
        kind = {"plan_change": "plan-changes", "refund": "refunds", "credit": "credits"}[operation.kind]
        body = {name: value for name, value in asked.items() if value is not None}
        if operation.kind != "plan_change":
            body["note"] = money.NOTE
        await self.home.post(self.tenant.admin, f"/v1/{kind}/{operation.id}/revision", body)

    # --- Blows ----------------------------------------------------------------------------------------

    async def _is_at(self, operation: Operation, stage: str) -> bool:
        at = {
            "review": operation.stage == "review",
            "changes requested": operation.stage == "changes_requested",
            "applying": operation.stage in ("applying", "scheduled", "mismatched", "done"),
            "issuing": operation.stage in ("issuing", "pending", "mismatched", "done"),
            "end": operation.closed_at is not None,
        }
        return at.get(stage, operation.stage == stage)

    async def _strike(self, strike: Strike) -> None:
        workflow = ids.operation_workflow(self.operation)
        if strike.stage == "end":
            if self._kept is None:
                self._kept = await self._asked_people()
            if await self.stage.blows.strike(workflow, strike.blow):
                self.struck += 1
                await self.stage.blows.quiet(workflow)
            return
        struck = await self.stage.blows.strike(workflow, strike.blow)
        self.struck += struck
        if struck and strike.blow == "poison":
            await until(self._is_told, lambda: "its timeline does not say that it can't go on", PATIENCE)

    async def _is_told(self) -> bool:
        """Of what had already ended when the blow fell, people are told nothing more."""
        return "workflow_stuck" in await self._events() or (await self._row()).closed_at is not None

    async def _asked_people(self) -> AskedPeople:
        of = Notice.operation_id == self.operation
        async with self.home.database.reading() as session:
            notices = {row.id: row.kind for row in await session.exec(select(Notice).where(of))}
        return AskedPeople(await self._approvals(), notices)

    async def _approvals(self) -> set[str]:
        of = Approval.operation_id == self.operation
        async with self.home.database.reading() as session:
            return set(await session.exec(select(Approval.id).where(of)))

    async def _check_nobody_is_asked_again(self, before: AskedPeople) -> None:
        """Finance may only now be told of the end, once."""
        now = await self._asked_people()
        _hold(now.approvals <= before.approvals, "an approval is asked for after its end")
        told_before = set(before.notices.values())
        later = [kind for id_, kind in now.notices.items() if id_ not in before.notices]
        _hold(
            len(set(later)) == len(later) and not told_before & set(later),
            f"Finance is told again after its end: {later}, before it {sorted(told_before)}",
        )

    # --- What must hold -------------------------------------------------------------------------------

    async def _check(self) -> None:
        await asyncio.sleep(0.2)
        operation = await self._row()
        async with self.home.database.reading() as session:
            of = self.operation
            intents = list(await session.exec(select(Intent).where(Intent.operation_id == of)))
            held = await session.exec(
                select(Commitment).where(Commitment.operation_id == of, col(Commitment.released_at).is_(None))
            )
            aside = list(held)
            waiting = await session.exec(
                select(Approval).where(Approval.operation_id == of, Approval.state == "open")
            )
            reviews = list(waiting)
        done = [one for one in intents if one.state == "done" and not one.effect.endswith(".note")]
        unsettled = [one.step for one in intents if one.state == "open" and not one.effect.endswith(".note")]
        if self._kept is not None:
            await self._check_nobody_is_asked_again(self._kept)
        _hold(not reviews, f"an approval is open: {[one.id for one in reviews]}")
        _hold(not unsettled, f"nobody knows what became of {unsettled}")
        if self.part.operation in ("refund", "reviewed refund", "credit", "reviewed credit"):
            _hold(len(done) <= 1, f"given more than once: {[one.step for one in done]}")
            completed = operation.state == State.COMPLETED.value
            _hold(completed == bool(done), f"{operation.state}, with {len(done)} effects")
            _hold(bool(aside) == bool(done), f"{len(aside)} parts set aside after {len(done)} effects")
        if self.part.operation == "failing refund":
            _hold(not aside, "money stays set aside for what came to nothing")
        if operation.kind == "plan_change":
            await self._check_plan(operation)

    async def _check_plan(self, operation: Operation) -> None:
        subscription = await self.home.shop.subscription(self.tenant)
        price = subscription["items"].data[0].price.id
        changed = price == self.home.shop.price["growth", "month"]
        completed = operation.state == State.COMPLETED.value
        _hold(changed == completed, f"{operation.state}, while Stripe has {'changed' if changed else 'not'}")
        _hold(subscription.schedule is None, "a schedule stays in the way")
        again = await self.home.ask(self.tenant, plan="growth", seats=9)
        await self.home.post(self.tenant.admin, f"/v1/plan-changes/{again}/cancel", {})

    async def _row(self) -> Operation:
        async with self.home.database.reading() as session:
            found = await session.get(Operation, self.operation)
        assert found is not None
        return found

    async def told(self) -> str:
        """What is known of it, for whoever has to fix it."""
        if not self.operation:
            return "not begun"
        row = await self._row()
        lines = [f"{row.state}/{row.stage} {row.error}", *(await self._events())]
        with suppress(RPCError):
            handle = self.home.temporal.get_workflow_handle(ids.operation_workflow(self.operation))
            found = await handle.describe()
            attempt = found.raw_description.pending_workflow_task.attempt
            lines.append(f"workflow {found.status and found.status.name}, attempt {attempt}")
            if found.status == WorkflowExecutionStatus.RUNNING:
                pending = found.raw_description.pending_activities
                lines += [
                    f"{one.activity_type.name}: {PendingActivityState.Name(one.state)} {one.attempt}, "
                    f"started {one.last_started_time.ToDatetime():%T}, "
                    f"next {one.next_attempt_schedule_time.ToDatetime():%T}, {one.last_failure.message}"
                    for one in pending
                ]
        return "\n  ".join(lines)

    async def _events(self) -> list[str]:
        page = await self.home.get(self.tenant.auditor, f"/v1/operations/{self.operation}/timeline?limit=100")
        events: list[dict[str, Any]] = page["data"]
        return [event["code"] for event in events]


def _hold(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)

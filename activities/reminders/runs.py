"""Reminder runs: opened for who has something to decide, decided a page at a time, summed up."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.events import EventCode
from billing.core.hashing import digest
from billing.core.operations import SYSTEM, Kind, State
from billing.policy.policy import Policy, policy_hash
from billing.reminders.rules import InvoiceFacts, Rules, StepDecision, decide
from billing.reminders.runs import (
    CallOff,
    DecidePage,
    LookAgain,
    OpenedRuns,
    OpenRuns,
    PageDecided,
    ReminderRunInput,
    RunSummary,
)
from db.core import timeline
from db.core.alone import Alone, Unit
from db.core.session import Database
from db.core.timeline import NewEvent
from db.incidents import incidents
from db.mail import customer_mails
from db.operations import operations
from db.reminders import facts as reminder_rows
from db.reminders import runs as reminder_runs
from db.tables import Operation, new_id

PAGE = 500
ORGANIZATIONS = 20
"""So many are looked at by one activity."""


class Reminders:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._document = policy.model_dump(mode="json", by_alias=True)
        self._kept: tuple[str, Policy] | None = None

    # --- By schedule ----------------------------------------------------------------------------------

    @activity.defn
    async def open_runs(self, order: OpenRuns) -> OpenedRuns:
        """Opens a run for each of the next organizations that has something to decide, or to release.

        Who has an open one gets none; one that has not begun is answered again. What is wrong with one
        organization is no reason to remind no customer of another.
        """
        async with self._database.reading() as session:
            found = await reminder_rows.organizations(session, after=order.after or "", limit=ORGANIZATIONS)
        opened = await Alone(self._database, "reminders").each(
            found, lambda one: self._open(one, order.at), lambda one: Unit(one, one)
        )
        runs = tuple(run for run in opened if run is not None)
        return OpenedRuns(runs=runs, after=found[-1] if len(found) == ORGANIZATIONS else None)

    async def _open(self, organization: str, at: datetime) -> ReminderRunInput | None:
        operation = _draft(organization, self._document, at)
        async with self._database.reading() as session:
            earlier = await reminder_rows.open_scheduled_run(session, organization)
            if earlier is None and not await self._something(session, organization, at):
                return None
        if earlier is not None:
            # It may never have been started, by whoever opened it; to start it once more does nothing.
            return self._input(earlier) if earlier.state == State.ACCEPTED else None
        async with self._database.transaction() as session:
            operation, new = await operations.create(session, operation)
            if new:
                await timeline.begin(session, operation, self._requested(operation))
        return self._input(operation) if operation.closed_at is None else None

    async def _something(self, session: AsyncSession, organization: str, at: datetime) -> bool:
        """Page by page, up to the first; on SQLite and PostgreSQL no lock is held meanwhile."""
        if await customer_mails.left_of_closed_invoices(session, organization, at=at):
            return True
        rules, after = await _rules(session, self._policy, at), ""
        while True:
            page = await reminder_rows.page(session, organization, after=after, limit=PAGE, at=at)
            if any(decide(facts, rules) for facts in page):
                return True
            if len(page) < PAGE:
                return False
            after = page[-1].invoice

    def _requested(self, operation: Operation) -> NewEvent:
        return NewEvent(
            key="requested",
            event=EventCode.REMINDER_RUN_REQUESTED,
            actor=SYSTEM,
            at=operation.created_at,
            detail={**operation.request, "policy_hash": policy_hash(self._document)},
        )

    def _input(self, operation: Operation) -> ReminderRunInput:
        return ReminderRunInput(
            organization=operation.organization_id,
            operation=operation.id,
            policy=Policy.model_validate(operation.policy),
        )

    # --- A run ----------------------------------------------------------------------------------------

    @activity.defn
    async def decide_reminders(self, page: DecidePage) -> PageDecided:
        """Decides what is due of the next invoices; a dry run writes it apart from all others."""
        async with self._database.transaction() as session:
            operation, policy = await self._run(session, page.operation)
            dry_run = bool(operation.request["dry_run"])
            if page.after is None and not dry_run:
                await customer_mails.skip_of_closed_invoices(
                    session, operation.organization_id, operation_id=operation.id, at=page.at
                )
            found = await reminder_rows.page(
                session,
                operation.organization_id,
                after=page.after or "",
                limit=PAGE,
                at=page.at,
                operation=operation.id,
            )
            await _decide(session, operation, found, await _rules(session, policy, page.at), dry_run)
            await _note_progress(session, operation.id, page.seen + len(found), dry_run)
        return PageDecided(seen=len(found), after=found[-1].invoice if len(found) == PAGE else None)

    @activity.defn
    async def review_held_reminders(self, order: LookAgain) -> None:
        """What the run has still to send is decided anew, as of now: its hour may be over."""
        after = ""
        while True:
            async with self._database.transaction() as session:
                operation, policy = await self._run(session, order.operation)
                found = await reminder_rows.unsent_of(
                    session, operation.organization_id, operation.id, after=after, limit=PAGE, at=order.at
                )
                rules = await _rules(session, policy, order.at)
                unsent = [facts._replace(decided=_all_steps(facts, rules)) for facts in found]
                await _decide(session, operation, unsent, rules, dry_run=False)
            if len(found) < PAGE:
                return
            after = found[-1].invoice

    @activity.defn
    async def cancel_reminders(self, order: CallOff) -> None:
        """What the run has not sent is not sent any more."""
        async with self._database.transaction() as session:
            await customer_mails.call_off(session, order.operation, at=order.at)

    @activity.defn
    async def read_run_summary(self, operation: str) -> RunSummary:
        """How it stands with everything that the run has decided."""
        async with self._database.reading() as session:
            row = await operations.get_any(session, operation)
            assert row is not None, "a run has its operation"
            seen = (row.subject or {}).get("seen", 0)
            counts = await reminder_runs.counts(session, operation)
        return RunSummary(seen=seen, dry_run=bool(row.request["dry_run"]), counts=counts)

    async def _run(self, session: AsyncSession, operation_id: str) -> tuple[Operation, Policy]:
        operation = await operations.get_any(session, operation_id)
        assert operation is not None, "a run has its operation"
        if self._kept is None or self._kept[0] != operation_id:
            self._kept = operation_id, Policy.model_validate(operation.policy)
        return operation, self._kept[1]


def _all_steps(facts: InvoiceFacts, rules: Rules) -> frozenset[str]:
    """Nothing new is decided for them: that is the pages' business."""
    return frozenset(step.key for step in rules.steps(facts))


async def _rules(session: AsyncSession, policy: Policy, at: datetime) -> Rules:
    return Rules(policy.reminders, at, portal_incident=await incidents.is_open(session, "portal"))


async def _decide(
    session: AsyncSession, operation: Operation, found: list[InvoiceFacts], rules: Rules, dry_run: bool
) -> None:
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for facts in found:
        for decision in sorted(decide(facts, rules)):
            if decision.mail is None or dry_run:
                added.append(_row(operation, facts, decision, rules.at, dry_run))
            else:
                changed.append(_change(operation, facts, decision, rules.at))
    # Always in this order, so that two runs at once wait for each other in one direction only.
    await customer_mails.add_decisions(session, added)
    await customer_mails.change_decisions(session, changed)


def _row(
    operation: Operation, facts: InvoiceFacts, decision: StepDecision, at: datetime, dry_run: bool
) -> dict[str, Any]:
    return {
        "id": new_id("cml"),
        "organization_id": operation.organization_id,
        "customer_id": facts.to.customer,
        "invoice_id": facts.invoice,
        "step": decision.step,
        "dry_run": operation.id if dry_run else "",
        "template": customer_mails.REMINDER,
        "operation_id": operation.id,
        "state": decision.state,
        "reason": decision.reason,
        "amount_minor": facts.amount_minor,
        "currency": facts.currency,
        "decided_at": at,
        "due_at": decision.due_at,
        "claimed_until": None,
        "attempts": 0,
        "link_id": None,
        "address": None,
        "smtp_code": None,
        "settled_at": at if decision.state == "skipped" else None,
    }


def _change(
    operation: Operation, facts: InvoiceFacts, decision: StepDecision, at: datetime
) -> dict[str, Any]:
    return {
        "which": decision.mail,
        "was": decision.was,
        "now": at,
        "new_state": decision.state,
        "new_reason": decision.reason,
        "new_due_at": decision.due_at,
        "new_decided_at": at,
        "new_settled_at": at if decision.state == "skipped" else None,
        "new_operation_id": operation.id,
        "new_amount_minor": facts.amount_minor,
    }


async def _note_progress(session: AsyncSession, operation_id: str, seen: int, dry_run: bool) -> None:
    """So that who watches the run sees how far it is."""
    await session.exec(
        update(Operation)
        .where(col(Operation.id) == operation_id)
        .values(subject={"dry_run": dry_run, "seen": seen})
        .execution_options(synchronize_session=False)
    )


def _draft(organization: str, policy: dict[str, Any], at: datetime) -> Operation:
    """The run of this organization and minute: another attempt at opening it finds the first one's."""
    operation_id = new_id("op")
    kind = Kind.REMINDER_RUN.value
    request = {"dry_run": False}
    return Operation(
        id=operation_id,
        organization_id=organization,
        kind=kind,
        state=State.ACCEPTED.value,
        stage="accepted",
        request=request,
        request_hash=digest({"kind": kind, "request": request}),
        product_key=f"reminder-sweep:{at:%Y-%m-%dT%H:%M}",
        policy=policy,
        requested_by=SYSTEM,
        allowed_actions=["pause", "cancel"],
        workflow_id=f"operation-{operation_id}",
        created_at=at,
        updated_at=at,
    )

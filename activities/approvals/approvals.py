"""The records of a review: opened, climbed, closed. Against a decision at the same moment the row's lock
arbitrates.

Who may decide is looked up again at each step: roles, delegations and authority as they are then.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.approvals.ladder import ApprovalState, Opening, Rung
from billing.approvals.marks import DecisionMarks
from billing.approvals.messages import (
    LOOKED_AT_ANEW,
    ApprovalInput,
    ApprovalOutcome,
    ClimbApproval,
    CloseApproval,
    CloseOpenRound,
    OpenedApproval,
    ReadOutcome,
    RemindApproval,
)
from billing.core.errors import BillingError
from billing.core.events import EventCode
from billing.core.operations import Kind
from billing.mail.steps import OpenApproval
from billing.operations.messages import Progress
from billing.policy.policy import Policy
from db.approvals import approvals, deciders, ladders
from db.approvals.decisions import EndOfRound, read_end
from db.core import timeline
from db.core.session import Database
from db.operations import operations
from db.tables import Approval, Operation

from ..operations.abandonment import must_be_open
from ..operations.records import record_step, write
from . import asking, events

log = logging.getLogger(__name__)


class Approvals:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database, marks: DecisionMarks) -> None:
        self._database, self._marks = database, marks

    @activity.defn
    async def open_approval(self, order: OpenApproval) -> OpenedApproval:
        """Opens the round, with the step that proposes what it is about; a rung's deadlines are computed when
        it opens, once, from its calendar.

        One that was opened before goes on as it stands, and has its outcome where it is closed.
        """
        return await self._database.held(partial(self._open, order))

    async def _open(self, order: OpenApproval, session: AsyncSession) -> OpenedApproval:
        request = order.request
        there = None
        if not timeline.holds(session):  # that finds it as it writes
            # An approval before its operation, as everywhere.
            there = await approvals.lock_if_there(session, request.approval)
        if order.step is not None:
            await record_step(session, order.step)
        operation = await operations.lock(session, request.operation)
        who = await ladders.everybody(session, request, order.at, deciders.authors_of(operation))
        opening = ladders.opened_at(request, ladders.rungs_from(request, 0, order.at), 0, order.at, who)
        if there is not None:
            return _opened(there, await self._taken_up(session, order))
        await must_be_open(session, request.operation)
        row = await approvals.create(session, _row(order, opening, operation))
        await write(session, events.requested(order, row), new=True)
        for event in events.vacancies(order, opening):
            await write(session, event)
        await asking.ask(session, row, who, order.at)
        return _opened(row)

    @activity.defn
    async def climb_approval(self, order: ClimbApproval) -> OpenedApproval:
        """Nobody answered in time: the next rung is asked, or the first after it that somebody can answer.

        One that was decided in the meantime stays where it was.
        """
        async with self._database.transaction() as session:
            row = await approvals.lock(session, order.approval)
            who = await ladders.everybody(session, order.request, order.at, deciders.authors_of(row))
            if row.state == approvals.OPEN and row.rung < order.rung:
                opening = ladders.opened_at(order.request, deciders.ladder_of(row), order.rung, order.at, who)
                await approvals.climb(
                    session,
                    order.approval,
                    rung=opening.rung,
                    ladder=_dump(opening.ladder),
                    deadline=opening.ladder[opening.rung].deadline,
                )
                await session.refresh(row)
                for event in events.vacancies(order, opening):
                    await write(session, event)
                if opening.rung not in opening.vacant:
                    await write(session, events.escalated(order, opening))
                await asking.ask(session, row, who, order.at)
            return _opened(row)

    @activity.defn
    async def record_reminder(self, order: RemindApproval) -> None:
        """Reminds the approvers, by who they are now, and tells so; nobody of what is decided by then."""
        async with self._database.transaction() as session:
            row = await approvals.lock(session, order.approval)
            if row.state != approvals.OPEN or row.rung != order.rung:
                return
            await write(
                session,
                Progress(
                    operation=order.operation,
                    key=f"{order.approval}:reminder:{order.rung}:{order.number}",
                    event=EventCode.APPROVERS_REMINDED,
                    at=order.at,
                    detail={"approval": order.approval, "rung": order.rung},
                ),
            )
            roles = deciders.ladder_of(row)[row.rung].roles
            who = await deciders.approver_pool(session, row.organization_id, order.at, roles=roles)
            await asking.remind(session, row, deciders.progress_of(row, who).deciders, order.number, order.at)

    @activity.defn
    async def read_outcome(self, order: ReadOutcome) -> ApprovalOutcome | None:
        """How a round has ended; None while nobody has ended it, whoever says so."""
        async with self._database.reading() as session:
            found = await read_end(session, order.approval)
            if found.approval.state == approvals.OPEN:
                return None
            return await self._outcome(session, found, order.at)

    @activity.defn
    async def close_approval(self, order: CloseApproval) -> ApprovalOutcome:
        """Closes it as expired or dismissed; a decision accepted just before stands instead."""
        async with self._database.transaction() as session:
            row = await approvals.close(session, order.approval, state=order.state, at=order.at)
            if row.state != order.state:
                return await self._outcome_of(session, row, order.at)
            await write(session, events.closed(order, row))
            return ApprovalOutcome(state=order.state)

    @activity.defn
    async def close_open_round(self, order: CloseOpenRound) -> ApprovalOutcome | None:
        """Supersedes the operation's open round, so that nobody decides on it in vain. Returns how the last
        one has ended, where it was rejected: what was said stays said."""
        async with self._database.transaction() as session:
            last = await approvals.latest(session, order.operation)
            if last is None:
                return None
            row = await _supersede(session, last.id, order.at)
            return (
                await self._outcome_of(session, row, order.at)
                if row.state == ApprovalState.REJECTED
                else None
            )

    async def _taken_up(self, session: AsyncSession, order: OpenApproval) -> ApprovalOutcome | None:
        """How a round has ended that was opened before; None when it goes on, with what was said."""
        request = order.request
        row = await approvals.lock(session, request.approval)
        if row.subject_hash != request.subject_hash:
            await _supersede(session, row.id, order.at)
            return ApprovalOutcome(state="superseded")
        return await self._outcome_of(session, row, order.at) if row.state != approvals.OPEN else None

    async def _outcome_of(self, session: AsyncSession, row: Approval, at: datetime) -> ApprovalOutcome:
        return await self._outcome(session, await read_end(session, row.id), at)

    async def _outcome(self, session: AsyncSession, found: EndOfRound, at: datetime) -> ApprovalOutcome:
        """Where changes were requested, with the moment until which they are waited for.

        Raises ApplicationError `decision_forged`, which is final: nothing is done by it.
        """
        row = found.approval
        try:
            outcome = found.outcome(self._marks)
        except BillingError as error:
            log.error("the approval %s is forged in the records: nothing is done by it", row.id)
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error
        if outcome.state != "changes_requested":
            return outcome
        operation = await session.get_one(Operation, row.operation_id)
        until = Policy.model_validate(operation.policy).revise_by(Kind(row.kind), at)
        return outcome.model_copy(update={"revise_by": until})


def _opened(row: Approval, outcome: ApprovalOutcome | None = None) -> OpenedApproval:
    return OpenedApproval(rungs=deciders.ladder_of(row), rung=row.rung, outcome=outcome)


async def _supersede(session: AsyncSession, approval_id: str, at: datetime) -> Approval:
    """Ends a round, where it is open, for one that follows."""
    row = await approvals.close(session, approval_id, state=ApprovalState.SUPERSEDED, at=at)
    if row.closed_at == at:
        closing = CloseApproval(
            approval=row.id, operation=row.operation_id, state="superseded", reason=LOOKED_AT_ANEW, at=at
        )
        await write(session, events.closed(closing, row))
    return row


# --- The row ----------------------------------------------------------------------------------------------


def _row(order: OpenApproval, opening: Opening, operation: Operation) -> Approval:
    request = order.request
    return Approval(
        id=request.approval,
        organization_id=request.organization,
        operation_id=request.operation,
        kind=request.kind,
        round=request.round,
        subject=request.subject.document(),
        subject_hash=request.subject_hash,
        amount_minor=request.amount.amount_minor if request.amount else None,
        currency=request.amount.currency if request.amount else None,
        authority=_limits(request),
        counted=[kind.value for kind in request.counted],
        customer_id=request.customer,
        reason=request.reason,
        rule=request.rule or None,
        since=request.since.model_dump(mode="json") if request.since else None,
        state=ApprovalState.OPEN,
        rung=opening.rung,
        ladder=_dump(opening.ladder),
        deadline=opening.ladder[opening.rung].deadline,
        requested_by=request.requested_by,
        authors=operation.authors,
        revised=request.revised.model_dump(mode="json") if request.revised else None,
        opened_at=order.at,
    )


def _limits(request: ApprovalInput) -> dict[str, object] | None:
    if request.authority is None:
        return None
    return {
        role.value: [limit.model_dump(mode="json") for limit in limits]
        for role, limits in request.authority.items()
    }


def _dump(rungs: Sequence[Rung]) -> list[dict[str, object]]:
    return [rung.model_dump(mode="json") for rung in rungs]

"""The records of a review: opened, climbed, decided, closed. The row's lock arbitrates every race.

Who may decide is looked up again at each step: roles, delegations and authority as they are then.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.approvals.authorship import people
from billing.approvals.ladder import ApprovalState, Opening, Refusal, Rung, Signature
from billing.approvals.messages import (
    LOOKED_AT_ANEW,
    ApprovalInput,
    ApprovalOutcome,
    Audience,
    ClimbApproval,
    CloseApproval,
    CloseOpenRound,
    DecisionResult,
    OpenApproval,
    OpenedApproval,
    RemindApproval,
    SettleDecision,
)
from billing.approvals.progress import YesResult, evaluate_approval, may_decide
from billing.core.events import EventCode
from billing.core.operations import Problem
from billing.operations.messages import Progress
from db.approvals import approvals, deciders, delegations, ladders
from db.approvals.closing import why_closed
from db.core import timeline
from db.core.record_hashes import wrote
from db.core.session import Database
from db.money import commitments
from db.operations import operations, outbox
from db.tables import Approval, Decision, Operation

from ..operations import approval_events as events
from ..operations.abandonment import must_be_open
from ..operations.end_mails import tell_decided
from ..operations.records import write

VERDICTS = {
    "approve": ApprovalState.APPROVED,
    "reject": ApprovalState.REJECTED,
    "request_changes": ApprovalState.CHANGES_REQUESTED,
}


class Approvals:
    """What an approval workflow keeps of itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def open_approval(self, order: OpenApproval) -> OpenedApproval:
        """Opens the round; a rung's deadlines are computed when it opens, once, from its calendar.

        One that was opened before goes on as it stands, and has its outcome where it is closed.
        """
        request = order.request
        async with self._database.transaction() as session:
            # An approval before its operation, as everywhere.
            await approvals.lock_if_there(session, request.approval)
            await operations.lock(session, request.operation)
            operation = await operations.get_any(session, request.operation)
            assert operation is not None, "an approval is of an operation"
            who = await ladders.everybody(session, request, order.at, deciders.authors_of(operation))
            opening = ladders.opened_at(request, ladders.rungs_from(request, 0, order.at), 0, order.at, who)
            row, new = await approvals.create(session, _row(order, opening, operation))
            if new:
                await must_be_open(session, request.operation)
                await write(session, events.requested(order, row))
                for event in events.vacancies(order, opening):
                    await write(session, event)
                return events.opened(row, who)
            outcome = await _taken_up(session, order)
            row = await approvals.get_any(session, request.approval)
            return events.opened(row, who).model_copy(update={"outcome": outcome})

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
            return events.opened(row, who)

    @activity.defn
    async def record_reminder(self, order: RemindApproval) -> Audience:
        """Tells that the approvers are reminded, and who they are now."""
        async with self._database.transaction() as session:
            row = await approvals.get_any(session, order.approval)
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
            return events.audience(row, deciders.progress_of(row, who).deciders)

    @activity.defn
    async def settle_decision(self, order: SettleDecision) -> DecisionResult:
        """Accepts the decision, or says why it is refused.

        It closes the approval with it, but for a yes beside which others are still needed. A final yes
        counts the money in somebody's authority in the same transaction.
        """
        decide = order.decide
        async with self._database.transaction() as session:
            row = await approvals.lock(session, order.approval)
            decision = await approvals.get_decision(session, decide.decision)
            if decision.state != approvals.PENDING:
                # What an earlier attempt made of it stands, whatever would be made of it now.
                return await _settled_before(session, row, decision)
            verdict = await _judged(session, row, order)
            if isinstance(verdict, Problem):
                await approvals.settle_refused(
                    session, decision.id, refusal=verdict.model_dump(), at=order.at
                )
                await write(session, events.refused(order, verdict))
                return DecisionResult(refusal=verdict)
            return await _accept(session, row, order, verdict)

    @activity.defn
    async def close_approval(self, order: CloseApproval) -> ApprovalOutcome:
        """Closes it as expired or dismissed; a decision accepted just before stands instead."""
        async with self._database.transaction() as session:
            row = await approvals.close(session, order.approval, state=order.state, at=order.at)
            if row.state != order.state:
                return await _decided(session, row)
            await write(session, events.closed(order, row))
            return ApprovalOutcome(state=order.state)

    @activity.defn
    async def close_open_round(self, order: CloseOpenRound) -> str | None:
        """Supersedes the operation's open round; returns the workflow in which it waits, None where none is
        open."""
        async with self._database.transaction() as session:
            last = await approvals.latest(session, order.operation)
            if last is None:
                return None
            row = await _supersede(session, last.id, order.at)
            return row.workflow_id if row.closed_at == order.at else None


async def _supersede(session: AsyncSession, approval_id: str, at: datetime) -> Approval:
    """Ends a round, where it is open, for one that follows."""
    row = await approvals.close(session, approval_id, state=ApprovalState.SUPERSEDED, at=at)
    if row.closed_at == at:
        closing = CloseApproval(
            approval=row.id, operation=row.operation_id, state="superseded", reason=LOOKED_AT_ANEW, at=at
        )
        await write(session, events.closed(closing, row))
    return row


async def _taken_up(session: AsyncSession, order: OpenApproval) -> ApprovalOutcome | None:
    """How a round has ended that was opened before; None when it goes on, in this workflow from now on.

    What people have said stays said, and what is on its way to the former workflow goes to this one.
    """
    request = order.request
    row = await approvals.lock(session, request.approval)
    if row.subject_hash != request.subject_hash:
        await _supersede(session, row.id, order.at)
        return ApprovalOutcome(state="superseded")
    if row.state != approvals.OPEN:
        return await _decided(session, row)
    if row.workflow_id != order.workflow:
        await outbox.redirect(session, row.workflow_id, order.workflow)
        row.workflow_id = order.workflow
    return None


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
        workflow_id=order.workflow,
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


# --- Decisions --------------------------------------------------------------------------------------------


async def _judged(session: AsyncSession, row: Approval, order: SettleDecision) -> YesResult | Problem:
    """As what the person decides and what that comes to, or why they may not. The row is locked."""
    person = order.decide.person
    authors = people(deciders.authors_of(row))
    who = await deciders.approver_pool(session, row.organization_id, order.at, people=[person, *authors])
    progress = deciders.progress_of(row, who)
    refusal = may_decide(progress, person)
    if refusal is not None:
        return _problem(refusal)
    if row.state != approvals.OPEN:
        why = await why_closed(session, row)
        return Problem(code="approval_closed", message=why or f"The approval is {row.state}.")
    if order.decide.subject_hash != row.subject_hash:
        return Problem(code="stale_subject", message="It has changed since it was looked at.")
    if order.decide.verdict != "approve":
        return YesResult(progress.options(person)[0], approved=False)
    if row.authority is not None:
        # Two approvals at the same moment must not both fit the same window.
        await commitments.lock(session, row.organization_id)
    authority = await deciders.authority_for(session, row, progress.concerned(person), order.at)
    verdict = evaluate_approval(progress, person, authority)
    return _problem(verdict) if isinstance(verdict, Refusal) else verdict


async def _accept(
    session: AsyncSession, row: Approval, order: SettleDecision, verdict: YesResult
) -> DecisionResult:
    decide, capacity = order.decide, verdict.capacity
    approve = decide.verdict == "approve"
    if capacity.for_person is not None:
        lent = await delegations.by_which(
            session,
            giver=capacity.for_person,
            delegate=decide.person,
            role=capacity.role,
            approval_id=row.id,
            at=order.at,
        )
        wrote(session, row.operation_id, lent)  # what it says counts in the evidence of the decision
    open_still = approve and not verdict.approved
    signature = Signature(
        person=decide.person, role=capacity.role, at=order.at, for_person=capacity.for_person
    )
    await approvals.settle_accepted(
        session,
        decide.decision,
        approval_state=approvals.OPEN if open_still else VERDICTS[decide.verdict],
        at=order.at,
        signature=signature.model_dump(mode="json") if approve else None,
        for_person=capacity.for_person,
    )
    if open_still:
        await write(session, events.signed(order, verdict))
        return DecisionResult()
    if approve and row.amount_minor is not None:
        await commitments.lock(session, row.organization_id)
        covering = verdict.authority_of or capacity.principal
        await commitments.decide(session, row.operation_id, authority_of=covering, at=order.at)
    outcome = ApprovalOutcome(
        state=VERDICTS[decide.verdict].value,
        person=decide.person,
        role=capacity.role,
        comment=decide.comment,
        for_person=capacity.for_person,
    )
    await write(session, events.decided(order, outcome, row, verdict if approve else None))
    await session.refresh(row)
    await tell_decided(session, row, outcome)
    return DecisionResult(outcome=outcome)


async def _settled_before(session: AsyncSession, row: Approval, decision: Decision) -> DecisionResult:
    if decision.state == approvals.REFUSED:
        return DecisionResult(refusal=Problem.model_validate(decision.refusal))
    if row.decided_by == decision.person_id:
        return DecisionResult(outcome=await _decided(session, row))
    return DecisionResult()


async def _decided(session: AsyncSession, row: Approval) -> ApprovalOutcome:
    """How an approval that is closed has ended."""
    accepted = [
        decision
        for decision in await approvals.decisions(session, row.id)
        if decision.state == approvals.ACCEPTED and decision.person_id == row.decided_by
    ]
    by_key = {event.key: event for event in await timeline.read(session, row.operation_id)}
    ended = by_key.get(events.decided_key(row.id))
    return ApprovalOutcome.model_validate(
        {
            "state": row.state,
            "person": row.decided_by,
            "role": ended.detail.get("role") if ended else None,
            "comment": accepted[0].comment if accepted else None,
            "for_person": accepted[0].for_person if accepted else None,
        }
    )


def _problem(refusal: Refusal) -> Problem:
    return Problem(code=refusal.code, message=refusal.message)

"""The records of a review: opened, climbed, decided, closed. The row's lock arbitrates every race."""

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.approval import ApprovalState, Rung, build_ladder, may_decide
from billing.messages import (
    ApprovalOutcome,
    ClimbApproval,
    CloseApproval,
    Decide,
    OpenApproval,
    OpenedApproval,
    Progress,
    RemindApproval,
    Settled,
    SettleDecision,
)
from billing.operations import Problem, Role, State
from db import approvals, people
from db.session import Database
from db.tables import Approval, Person

from .records import write

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
        """Opens the round; its deadlines are computed here, once, from the calendar."""
        request = order.request
        rungs = build_ladder(request.ladder, request.calendar, order.at)
        row = Approval(
            id=request.approval,
            organization_id=request.organization,
            operation_id=request.operation,
            kind=request.kind,
            round=request.round,
            subject=request.subject,
            subject_hash=request.subject_hash,
            amount_minor=request.amount.amount_minor if request.amount else None,
            currency=request.amount.currency if request.amount else None,
            state=ApprovalState.OPEN,
            ladder=_dump(rungs),
            deadline=rungs[0].deadline,
            requested_by=request.requested_by,
            workflow_id=order.workflow,
            opened_at=order.at,
        )
        async with self._database.transaction() as session:
            stored = await approvals.create(session, row)
            await write(
                session,
                Progress(
                    operation=request.operation,
                    key=f"{request.approval}:opened",
                    event="review requested",
                    at=order.at,
                    state=State.AWAITING_APPROVAL,
                    stage="review",
                    approval=request.approval,
                    detail={
                        "approval": request.approval,
                        "round": request.round,
                        "subject_hash": request.subject_hash,
                        "asked": [list(rung.roles) for rung in rungs],
                        "deadline": rungs[0].deadline.isoformat(),
                    },
                ),
            )
            return OpenedApproval(rungs=_load(stored))

    @activity.defn
    async def climb_approval(self, order: ClimbApproval) -> None:
        """Nobody answered in time: the next rung is asked."""
        async with self._database.transaction() as session:
            row = await approvals.get_any(session, order.approval)
            rungs = [
                rung.model_copy(update={"state": _place(number, order.rung)})
                for number, rung in enumerate(_load(row))
            ]
            current = rungs[order.rung]
            await approvals.climb(
                session, order.approval, rung=order.rung, ladder=_dump(rungs), deadline=current.deadline
            )
            await session.refresh(row)
            if row.rung != order.rung:
                return  # it was decided in the meantime: nobody else is asked
            await write(
                session,
                Progress(
                    operation=order.operation,
                    key=f"{order.approval}:rung:{order.rung}",
                    event="escalated",
                    at=order.at,
                    detail={
                        "approval": order.approval,
                        "to": list(current.roles),
                        "deadline": current.deadline.isoformat(),
                    },
                ),
            )

    @activity.defn
    async def note_reminder(self, order: RemindApproval) -> None:
        async with self._database.transaction() as session:
            await write(
                session,
                Progress(
                    operation=order.operation,
                    key=f"{order.approval}:reminder:{order.rung}:{order.number}",
                    event="approvers reminded",
                    at=order.at,
                    detail={"approval": order.approval, "rung": order.rung},
                ),
            )

    @activity.defn
    async def settle_decision(self, order: SettleDecision) -> Settled:
        """Accepts the decision and closes the approval with it, or says why it is refused."""
        decide = order.decide
        async with self._database.transaction() as session:
            row = await approvals.get_any(session, order.approval)
            person = await people.get(session, row.organization_id, decide.person)
            problem = _refusal(row, decide, person)
            if problem is not None:
                decision = await approvals.settle_refused(
                    session, decide.decision, refusal=problem.model_dump(), at=order.at
                )
            else:
                decision = await approvals.settle_accepted(
                    session, decide.decision, approval_state=VERDICTS[decide.verdict], at=order.at
                )
            # What an earlier attempt made of it stands, whatever would be made of it now.
            if decision.state == approvals.REFUSED:
                return Settled(refusal=Problem.model_validate(decision.refusal))
            outcome = ApprovalOutcome(
                state=VERDICTS[decide.verdict].value,
                person=decide.person,
                role=_acting_role(person, row),
                comment=decide.comment,
            )
            await write(session, _decided_event(order, outcome))
            return Settled(outcome=outcome)

    @activity.defn
    async def close_approval(self, order: CloseApproval) -> ApprovalOutcome:
        """Closes it as expired or dismissed; a decision accepted just before stands instead."""
        async with self._database.transaction() as session:
            row = await approvals.close(session, order.approval, state=order.state, at=order.at)
            if row.state != order.state:
                return await self._decided(session, row)
            await write(
                session,
                Progress(
                    operation=order.operation,
                    key=f"{order.approval}:decided",
                    event=f"review {order.state}",
                    at=order.at,
                    detail={"approval": order.approval, "reason": order.reason},
                ),
            )
            return ApprovalOutcome(state=order.state)

    async def _decided(self, session: AsyncSession, row: Approval) -> ApprovalOutcome:
        accepted = [d for d in await approvals.decisions(session, row.id) if d.state == approvals.ACCEPTED]
        comment = accepted[0].comment if accepted else None
        return ApprovalOutcome.model_validate(
            {"state": row.state, "person": row.decided_by, "comment": comment}
        )


def _refusal(row: Approval, decide: Decide, person: Person | None) -> Problem | None:
    """Why this person may not decide this, or None."""
    refusal = may_decide(
        requester=row.requested_by,
        requester_delegates=(),
        person=decide.person,
        roles=_roles(person) if person and person.active else [],
        ladder=_load(row),
        rung=row.rung,
    )
    if refusal is not None:
        return Problem(code=refusal.code, message=refusal.message)
    if decide.subject_hash != row.subject_hash:
        return Problem(code="stale_subject", message="It has changed since it was looked at.")
    return None


def _decided_event(order: SettleDecision, outcome: ApprovalOutcome) -> Progress:
    return Progress(
        operation=order.operation,
        key=f"{order.approval}:decided",
        event=outcome.state.replace("_", " "),
        at=order.at,
        actor=order.decide.person,
        detail={
            "approval": order.approval,
            "role": outcome.role,
            "comment": outcome.comment,
            "subject_hash": order.decide.subject_hash,
        },
    )


def _acting_role(person: Person | None, row: Approval) -> Role | None:
    """The role by which a person decides: of the highest rung that was reached."""
    held = _roles(person)
    reached = reversed(_load(row)[: row.rung + 1])
    return next((role for rung in reached for role in rung.roles if role in held), None)


def _roles(person: Person | None) -> list[Role]:
    return [Role(role) for role in person.roles] if person else []


def _place(number: int, current: int) -> str:
    if number == current:
        return "active"
    return "passed" if number < current else "waiting"


def _dump(rungs: tuple[Rung, ...] | list[Rung]) -> list[dict[str, object]]:
    return [rung.model_dump(mode="json") for rung in rungs]


def _load(row: Approval) -> tuple[Rung, ...]:
    return tuple(Rung.model_validate(rung) for rung in row.ladder)

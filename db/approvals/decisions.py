"""Deciding on an approval: judged and settled in one transaction, under the approval's lock.

Who may decide is looked up then: roles, delegations and authority as they are at that moment.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import ApproverPool
from billing.approvals.ladder import ApprovalState, Refusal, Signature
from billing.approvals.marks import FORGED, FORGED_MESSAGE, DecisionMarks
from billing.approvals.messages import ApprovalOutcome, Decide
from billing.approvals.progress import ALREADY_DECIDED, YesResult, evaluate_approval, may_decide
from billing.core.errors import BillingError
from billing.core.events import EventCode

from ..core import timeline
from ..core.pending import store_later
from ..core.record_hashes import wrote
from ..money import commitments
from ..tables import Approval, Decision, TimelineEvent, new_id
from . import approvals, deciders, delegations
from .closing import state_at, why_closed
from .decided_mails import tell_decided

VERDICTS = {
    "approve": ApprovalState.APPROVED,
    "reject": ApprovalState.REJECTED,
    "request_changes": ApprovalState.CHANGES_REQUESTED,
}


async def decide(
    session: AsyncSession,
    row: Approval,
    said: Decide,
    who: ApproverPool,
    at: datetime,
    marks: DecisionMarks,
) -> ApprovalOutcome | None:
    """Takes the decision and closes the round with it; None for a yes beside which others are still needed.

    The row is locked, and `who` was read since: the person and the authors of what is decided. A final yes
    counts the money in somebody's authority in the same transaction. The same person saying the same again
    changes nothing, and None is the answer. Raises BillingError with why it is refused.
    """
    if await _said_before(session, row, said):
        return None
    verdict = await _judged(session, row, said, who, at)
    return await _accept(session, row, said, verdict, at, marks)


class EndOfRound(NamedTuple):
    """An approval with all that has been said of it, and the event that ended it."""

    approval: Approval
    decisions: list[Decision]
    event: TimelineEvent | None

    def outcome(self, marks: DecisionMarks) -> ApprovalOutcome:
        """How an approval that is closed has ended. Raises BillingError `decision_forged` for a yes of which
        somebody's decision isn't there as the API has taken it."""
        row, ended = self.approval, self.event
        if row.state == ApprovalState.APPROVED:
            _verify(row, self.decisions, marks)
        said = {name: ended.detail.get(name) for name in ("role", "comment", "for_person")} if ended else {}
        found = {"state": row.state, "person": row.decided_by, "subject_hash": row.subject_hash}
        return ApprovalOutcome.model_validate(found | said)


async def read_end(session: AsyncSession, approval_id: str) -> EndOfRound:
    """All of it in one statement. Raises LookupError when there is no such approval."""
    ended = and_(
        col(TimelineEvent.operation_id) == col(Approval.operation_id),
        col(TimelineEvent.key) == decided_key(approval_id),
    )
    found = await session.exec(
        select(Approval, Decision, TimelineEvent)
        .outerjoin(Decision, col(Decision.approval_id) == col(Approval.id))
        .outerjoin(TimelineEvent, ended)
        .where(col(Approval.id) == approval_id)
        .order_by(col(Decision.decided_at))
    )
    rows = found.all()
    if not rows:
        raise LookupError(f"no approval {approval_id}")
    approval, _, event = rows[0]
    return EndOfRound(approval, [one for _, one, _ in rows if one is not None], event)


def _verify(row: Approval, said: Collection[Decision], marks: DecisionMarks) -> None:
    taken = {
        one.person_id
        for one in said
        if (one.decision, one.subject_hash) == ("approve", row.subject_hash) and marks.holds(one, one.mark)
    }
    signed = {signature["person"] for signature in row.signatures}
    if not signed or row.decided_by not in signed or not signed <= taken:
        raise BillingError(FORGED, FORGED_MESSAGE)


def decided_key(approval: str) -> str:
    """Of the one event that ends an approval."""
    return f"{approval}:decided"


async def _said_before(session: AsyncSession, row: Approval, said: Decide) -> bool:
    if row.decided_by is None and not row.signatures:
        return False  # nobody has said anything
    return any(
        (one.person_id, one.decision, one.subject_hash) == (said.person, said.verdict, said.subject_hash)
        for one in await approvals.decisions(session, row.id)
    )


async def _judged(
    session: AsyncSession, row: Approval, said: Decide, who: ApproverPool, at: datetime
) -> YesResult:
    """As what the person decides, and what that comes to."""
    progress = deciders.progress_of(row, who)
    refusal = may_decide(progress, said.person)
    closed = state_at(row, at) != approvals.OPEN
    if closed and (refusal is None or refusal.code == ALREADY_DECIDED):
        why = await why_closed(session, row, at)
        raise BillingError("approval_closed", why or f"This approval is already {row.state}.")
    if refusal is not None:
        raise _refused(refusal)
    if said.subject_hash != row.subject_hash:
        raise BillingError("stale_subject", "It has changed since it was looked at.")
    if said.verdict != "approve":
        return YesResult(progress.options(said.person)[0], approved=False)
    if row.authority is not None:
        # Two approvals at the same moment must not both fit the same window.
        await commitments.lock(session, row.organization_id)
    authority = await deciders.authority_for(session, row, progress.concerned(said.person), at)
    verdict = evaluate_approval(progress, said.person, authority)
    if isinstance(verdict, Refusal):
        raise _refused(verdict)
    return verdict


async def _accept(
    session: AsyncSession,
    row: Approval,
    said: Decide,
    verdict: YesResult,
    at: datetime,
    marks: DecisionMarks,
) -> ApprovalOutcome | None:
    capacity, approve = verdict.capacity, said.verdict == "approve"
    if capacity.for_person is not None:
        lent = await delegations.by_which(
            session,
            giver=capacity.for_person,
            delegate=said.person,
            role=capacity.role,
            approval_id=row.id,
            at=at,
        )
        wrote(session, row.operation_id, lent)  # what it says counts in the evidence of the decision
    await _record(session, row, said, verdict, at, marks)
    if row.state == approvals.OPEN:
        still = {"missing": sorted(set(verdict.missing))}
        await _tell(session, row, said, verdict, at, EventCode.PARTLY_APPROVED, still)
        return None
    if approve and row.amount_minor is not None:
        covering = verdict.authority_of or capacity.principal
        await commitments.lock(session, row.organization_id)
        await commitments.decide(session, row.operation_id, authority_of=covering, at=at)
    more: dict[str, Any] = {"authority_of": verdict.authority_of} if verdict.authority_of else {}
    outcome = ApprovalOutcome(
        state=VERDICTS[said.verdict].value,
        person=said.person,
        role=capacity.role,
        comment=said.comment,
        for_person=capacity.for_person,
        subject_hash=row.subject_hash,
    )
    if len(row.signatures) > 1:
        more["signatures"] = row.signatures
    await _tell(session, row, said, verdict, at, EventCode(outcome.state), more)
    await tell_decided(session, row, outcome)
    return outcome


async def _record(
    session: AsyncSession,
    row: Approval,
    said: Decide,
    verdict: YesResult,
    at: datetime,
    marks: DecisionMarks,
) -> None:
    """The decision, and the approval moved on by it: a yes is a signature, and what is final closes it."""
    capacity, approve = verdict.capacity, said.verdict == "approve"
    decision = Decision(
        id=new_id("dec"),
        approval_id=row.id,
        organization_id=row.organization_id,
        person_id=said.person,
        decision=said.verdict,
        comment=said.comment,
        subject_hash=said.subject_hash,
        decided_at=at,
        for_person=capacity.for_person,
    )
    decision.mark = marks.mark(decision)
    if approve:
        signature = Signature(person=said.person, role=capacity.role, at=at, for_person=capacity.for_person)
        row.signatures = [*row.signatures, signature.model_dump(mode="json")]
    if verdict.approved or not approve:
        row.state, row.closed_at, row.decided_by = VERDICTS[said.verdict], at, said.person
    await store_later(session, row)
    await store_later(session, decision)
    wrote(session, row.operation_id, row, decision)


async def _tell(
    session: AsyncSession,
    row: Approval,
    said: Decide,
    verdict: YesResult,
    at: datetime,
    event: EventCode,
    more: dict[str, Any],
) -> None:
    """On the operation's timeline."""
    capacity = verdict.capacity
    final = event is not EventCode.PARTLY_APPROVED
    await timeline.append(
        session,
        row.operation_id,
        key=decided_key(row.id) if final else f"{row.id}:signed:{said.person}",
        event=event,
        actor=said.person,
        at=at,
        detail={
            "approval": row.id,
            "role": capacity.role,
            "comment": said.comment,
            "subject_hash": said.subject_hash,
        }
        | ({"for_person": capacity.for_person} if capacity.for_person else {})
        | ({"by_link": True} if said.by_link else {})
        | more,
    )


def _refused(refusal: Refusal) -> BillingError:
    return BillingError(refusal.code, refusal.message)

"""An approval as its caller sees it: whether they may decide, and why not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import ApproverPool
from billing.approvals.ladder import Refusal
from billing.approvals.progress import ALREADY_DECIDED, evaluate_approval, may_decide
from db.approvals import approvals, deciders
from db.core.clock import utc_now
from db.money import granted_amounts
from db.tables import Approval

from ..http.auth import WITHHELD, Caller
from ..http.models import ApprovalAnswer, GivenAnswer
from ..problems.common import ROLE_MISSING

RECENT = timedelta(days=90)


@dataclass(frozen=True)
class Viewer:
    """A caller with whoever acts for whom at the time of their request."""

    caller: Caller
    pool: ApproverPool
    at: datetime

    def may_have_a_say(self, row: Approval) -> bool:
        """Whether they may decide, if perhaps not approve."""
        progress = deciders.progress_of(row, self.pool)
        return not self.caller.withheld and may_decide(progress, self.caller.person) is None


async def viewer(session: AsyncSession, caller: Caller) -> Viewer:
    at = utc_now()
    return Viewer(
        caller, await deciders.approver_pool(session, caller.organization, at, people=[caller.person]), at
    )


async def shown(
    session: AsyncSession, row: Approval, viewer: Viewer, *, recent: bool = False, pending: bool = False
) -> ApprovalAnswer:
    """The approval; `recent` adds what the customer was given lately."""
    refusal = await why_not(session, row, viewer)
    return ApprovalAnswer(
        **row.model_dump(),
        operation=row.operation_id,
        amount=deciders.amount_of(row),
        customer=row.customer_id,
        can_decide=refusal is None,
        can_reject=refusal is None or await why_not(session, row, viewer, "reject") is None,
        why_not=refusal.message if refusal else None,
        recent=await _recent(session, row, viewer.at) if recent else None,
        pending=pending,
    )


async def why_not(
    session: AsyncSession, row: Approval, viewer: Viewer, verdict: str = "approve"
) -> Refusal | None:
    """Why the caller may not decide so now. The person comes first: theirs stays a refusal when it is closed.

    Only a yes takes authority.
    """
    person = viewer.caller.person
    progress = deciders.progress_of(row, viewer.pool)
    refusal = may_decide(progress, person)
    if row.state != approvals.OPEN and (refusal is None or refusal.code == ALREADY_DECIDED):
        message = f"This approval is already {row.state}; no further decision is possible."
        return Refusal(code="approval_closed", message=message)
    if viewer.caller.withheld:
        return Refusal(code=ROLE_MISSING.code, message=WITHHELD)
    if refusal is not None or verdict != "approve":
        return refusal
    authority = await deciders.authority_for(session, row, progress.concerned(person), viewer.at)
    signed = evaluate_approval(progress, person, authority)
    return signed if isinstance(signed, Refusal) else None


async def _recent(session: AsyncSession, row: Approval, at: datetime) -> list[GivenAnswer]:
    if row.customer_id is None:
        return []
    found = await granted_amounts.granted_since(
        session, row.organization_id, row.customer_id, at - RECENT, excluding=row.operation_id
    )
    return [GivenAnswer.model_validate(one) for one in found]

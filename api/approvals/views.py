"""An approval as its caller sees it: whether they may decide, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import ApproverPool
from billing.approvals.ladder import Refusal
from billing.approvals.progress import (
    ALREADY_DECIDED,
    ApprovalProgress,
    Authority,
    evaluate_approval,
    may_decide,
)
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
    (answer,) = await all_shown(session, [row], viewer)
    given = await _recent(session, row, viewer.at) if recent else None
    return answer.model_copy(update={"recent": given, "pending": pending})


async def all_shown(session: AsyncSession, rows: Sequence[Approval], viewer: Viewer) -> list[ApprovalAnswer]:
    """Each approval, in two statements for all of them together."""
    refusals = await _refusals(session, rows, viewer)
    return [
        ApprovalAnswer(
            **row.model_dump(),
            operation=row.operation_id,
            amount=deciders.amount_of(row),
            customer=row.customer_id,
            can_decide=refusal is None,
            can_reject=_barred(row, viewer) is None,
            why_not=refusal.message if refusal else None,
        )
        for row, refusal in zip(rows, refusals, strict=True)
    ]


async def why_not(session: AsyncSession, row: Approval, viewer: Viewer, verdict: str) -> Refusal | None:
    """Why the caller may not decide so now. Only a yes takes authority."""
    if verdict != "approve":
        return _barred(row, viewer)
    (refusal,) = await _refusals(session, [row], viewer)
    return refusal


async def _refusals(session: AsyncSession, rows: Sequence[Approval], viewer: Viewer) -> list[Refusal | None]:
    """Why the caller may not approve each of them now."""
    person = viewer.caller.person
    barred = [_barred(row, viewer) for row in rows]
    progress = [deciders.progress_of(row, viewer.pool) for row in rows]
    asked = [
        (row, one.concerned(person) if refusal is None else ())
        for row, one, refusal in zip(rows, progress, barred, strict=True)
    ]
    authority = await deciders.authority_for_each(session, viewer.caller.organization, asked, viewer.at)
    return [
        refusal or _too_small(one, person, against)
        for refusal, one, against in zip(barred, progress, authority, strict=True)
    ]


def _barred(row: Approval, viewer: Viewer) -> Refusal | None:
    """Why the caller has no say now. The person comes first: theirs stays a refusal when it is closed."""
    refusal = may_decide(deciders.progress_of(row, viewer.pool), viewer.caller.person)
    if row.state != approvals.OPEN and (refusal is None or refusal.code == ALREADY_DECIDED):
        message = f"This approval is already {row.state}; no further decision is possible."
        return Refusal(code="approval_closed", message=message)
    if viewer.caller.withheld:
        return Refusal(code=ROLE_MISSING.code, message=WITHHELD)
    return refusal


def _too_small(progress: ApprovalProgress, person: str, authority: Authority | None) -> Refusal | None:
    signed = evaluate_approval(progress, person, authority)
    return signed if isinstance(signed, Refusal) else None


async def _recent(session: AsyncSession, row: Approval, at: datetime) -> list[GivenAnswer]:
    if row.customer_id is None:
        return []
    found = await granted_amounts.granted_since(
        session, row.organization_id, row.customer_id, at - RECENT, excluding=row.operation_id
    )
    return [GivenAnswer.model_validate(one) for one in found]

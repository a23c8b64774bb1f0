"""An approval as its caller sees it: whether they may decide, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import people
from billing.approvals.deciders import ApproverPool
from billing.approvals.ladder import Refusal
from billing.approvals.progress import (
    ALREADY_DECIDED,
    ApprovalProgress,
    Authority,
    evaluate_approval,
    may_decide,
)
from billing.money.authority import left
from db.approvals import approvals, deciders
from db.approvals.closing import state_at
from db.core.clock import utc_now
from db.money import granted_amounts
from db.tables import Approval

from ..http.auth import WITHHELD, Caller
from ..http.models import ApprovalAnswer, AuthorityLeftAnswer, GivenAnswer
from ..problems.common import ROLE_MISSING

RECENT = timedelta(days=90)


@dataclass(frozen=True)
class Viewer:
    """A caller with whoever acts for whom at the time of their request."""

    caller: Caller
    pool: ApproverPool
    at: datetime

    def may_have_a_say(self, row: Approval) -> bool:
        """Whether they may decide now, if perhaps not approve."""
        return _barred(row, self) is None


async def viewer(session: AsyncSession, caller: Caller, of: Approval | None = None) -> Viewer:
    """With `of` also who has a part in what that one decides."""
    at = utc_now()
    authors = people(deciders.authors_of(of)) if of is not None else ()
    pool = await deciders.approver_pool(session, caller.organization, at, people=[caller.person, *authors])
    return Viewer(caller, pool, at)


async def shown(
    session: AsyncSession,
    row: Approval,
    viewer: Viewer,
    *,
    recent: bool = False,
    decided: bool = False,
    said: str | None = None,
) -> ApprovalAnswer:
    """The approval; `recent` adds what the customer was given lately, and what was said to the decision:
    `said`, where it was `decided` just now."""
    [standing] = await _standings(session, [row], viewer)
    answer = _answer(row, viewer, standing)
    if not recent:
        return answer
    given = await _recent(session, row, viewer.at)
    if not decided:
        said = await _said(session, row)
    return answer.model_copy(update={"recent": given, "authority_left": standing.left, "comment": said})


async def all_shown(session: AsyncSession, rows: Sequence[Approval], viewer: Viewer) -> list[ApprovalAnswer]:
    """Each approval, in two statements for all of them together."""
    standings = await _standings(session, rows, viewer)
    return [_answer(row, viewer, standing) for row, standing in zip(rows, standings, strict=True)]


class _Standing(NamedTuple):
    """Why the caller may not approve one now, and what is left of the authority by which they would."""

    refusal: Refusal | None
    left: list[AuthorityLeftAnswer] | None


def _answer(row: Approval, viewer: Viewer, standing: _Standing) -> ApprovalAnswer:
    return ApprovalAnswer(
        **row.model_dump(),
        operation=row.operation_id,
        amount=deciders.amount_of(row),
        customer=row.customer_id,
        can_decide=standing.refusal is None,
        can_reject=viewer.may_have_a_say(row),
        why_not=standing.refusal.message if standing.refusal else None,
    )


async def _standings(session: AsyncSession, rows: Sequence[Approval], viewer: Viewer) -> list[_Standing]:
    person = viewer.caller.person
    barred = [_barred(row, viewer) for row in rows]
    progress = [deciders.progress_of(row, viewer.pool) for row in rows]
    asked = [
        (row, one.concerned(person) if refusal is None else ())
        for row, one, refusal in zip(rows, progress, barred, strict=True)
    ]
    authority = await deciders.authority_for_each(session, viewer.caller.organization, asked, viewer.at)
    return [
        _Standing(refusal, None)
        if refusal
        else _Standing(_too_small(one, person, against), _left(one, person, against))
        for refusal, one, against in zip(barred, progress, authority, strict=True)
    ]


def _barred(row: Approval, viewer: Viewer) -> Refusal | None:
    """Why the caller has no say now. The person comes first: theirs stays a refusal when it is closed."""
    refusal = may_decide(deciders.progress_of(row, viewer.pool), viewer.caller.person)
    state = state_at(row, viewer.at)
    if state != approvals.OPEN and (refusal is None or refusal.code == ALREADY_DECIDED):
        message = f"This approval is already {state}; no further decision is possible."
        return Refusal(code="approval_closed", message=message)
    if viewer.caller.withheld:
        return Refusal(code=ROLE_MISSING.code, message=WITHHELD)
    return refusal


def _too_small(progress: ApprovalProgress, person: str, authority: Authority | None) -> Refusal | None:
    signed = evaluate_approval(progress, person, authority)
    return signed if isinstance(signed, Refusal) else None


def _left(
    progress: ApprovalProgress, person: str, authority: Authority | None
) -> list[AuthorityLeftAnswer] | None:
    if authority is None:
        return None
    return [
        AuthorityLeftAnswer(
            person=capacity.principal,
            role=capacity.role,
            per_item=limit.per_item,
            window_days=limit.window_days,
            left=left(limit, authority.uses[capacity.principal][limit.window_days].by_person),
        )
        for capacity in progress.options(person)
        for limit in authority.limits_of(capacity.role)
    ]


async def _said(session: AsyncSession, row: Approval) -> str | None:
    """The comment of the decision that closed it."""
    made = await approvals.decisions(session, row.id) if row.decided_by else []
    return made[-1].comment if made else None


async def _recent(session: AsyncSession, row: Approval, at: datetime) -> list[GivenAnswer]:
    if row.customer_id is None:
        return []
    found = await granted_amounts.granted_since(
        session, row.organization_id, row.customer_id, at - RECENT, excluding=row.operation_id
    )
    return [GivenAnswer.model_validate(one) for one in found]

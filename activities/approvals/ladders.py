"""The ladder of a review as it opens, and everybody whom it could ask; for a review and for its preview."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author, people
from billing.approvals.deciders import Deciders
from billing.approvals.ladder import Opening, Rung, build_ladder, open_rung
from billing.approvals.messages import ApprovalInput
from db.approvals import deciders


async def everybody(
    session: AsyncSession, request: ApprovalInput, at: datetime, authors: Sequence[Author]
) -> Deciders:
    """Everybody whom any rung could ask."""
    roles = {role for step in request.ladder for role in step.roles}
    who = await deciders.approver_pool(session, request.organization, at, roles=roles, people=people(authors))
    return Deciders(who, request.approval, authors)


def opened_at(
    request: ApprovalInput, ladder: Sequence[Rung], number: int, at: datetime, who: Deciders
) -> Opening:
    """The ladder after a rung was opened at this time, or the first after it that somebody can answer."""
    return open_rung(
        ladder, number, at, rebuilt=lambda start: rungs_from(request, start, at), why_vacant=who.why_vacant
    )


def rungs_from(request: ApprovalInput, start: int, at: datetime) -> tuple[Rung, ...]:
    """The ladder from a rung on that opens now."""
    return build_ladder(request.ladder[start:], request.calendar, at, request.calendars)

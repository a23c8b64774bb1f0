"""The ladder of a review as it opens, and everybody whom it could ask; for a review and for its preview."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author, people
from billing.approvals.deciders import ApproverPool, Deciders
from billing.approvals.ladder import Opening, Rung, build_ladder, open_rung
from billing.approvals.messages import ReviewSetup
from billing.approvals.preview import ReviewPreview, preview_review

from ..operations import operations
from . import deciders


async def everybody(
    session: AsyncSession, request: ReviewSetup, at: datetime, authors: Sequence[Author]
) -> Deciders:
    """Everybody whom any rung could ask."""
    roles = {role for step in request.ladder for role in step.roles}
    who = await deciders.approver_pool(session, request.organization, at, roles=roles, people=people(authors))
    return Deciders(who, request.approval, authors)


def opened_at(
    request: ReviewSetup, ladder: Sequence[Rung], number: int, at: datetime, who: Deciders
) -> Opening:
    """The ladder after a rung was opened at this time, or the first after it that somebody can answer."""
    return open_rung(
        ladder, number, at, rebuilt=lambda start: rungs_from(request, start, at), why_vacant=who.why_vacant
    )


def rungs_from(request: ReviewSetup, start: int, at: datetime) -> tuple[Rung, ...]:
    """The ladder from a rung on that opens now."""
    return build_ladder(request.ladder[start:], request.calendar, at, request.calendars)


async def preview(
    session: AsyncSession, request: ReviewSetup, at: datetime, *, pool: ApproverPool | None = None
) -> ReviewPreview:
    """The ladder as it would open if this were asked for at that time, with those who could answer: of `pool`
    where everybody has been read already. Where it would revise an operation, those who shaped that are not
    asked either."""
    authors = [Author(person=request.requested_by, at=at, how="asked")]
    if pool is not None:
        who = Deciders(pool, request.approval, authors)
    else:
        revised = await operations.get_any(session, request.operation)
        who = await everybody(
            session, request, at, [*(deciders.authors_of(revised) if revised else ()), *authors]
        )
    opening = opened_at(request, rungs_from(request, 0, at), 0, at, who)
    authority = None
    if request.amount is not None and request.authority is not None:
        authority = await deciders.authority_over(
            session,
            request.organization,
            request.amount,
            request.authority,
            [one.principal for person in who.pool.roles for one in who.capacities(person)],
            customer=request.customer,
            counted=request.counted,
            excluding=request.operation,
            at=at,
        )
    return preview_review(opening, who, authority)

"""Who would be asked: looked up as for a review, and nobody is."""

from temporalio import activity

from billing.approvals.authorship import Author
from billing.approvals.messages import PreviewReview
from billing.approvals.preview import ReviewPreview, preview_review
from db.approvals import deciders
from db.core.session import Database

from .ladders import everybody, opened_at, rungs_from


class ReviewPreviews:
    """It reads, and writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def preview_review(self, order: PreviewReview) -> ReviewPreview:
        """The ladder as it would open now if this were asked for, with those who could answer."""
        request, at = order.request, order.at
        author = Author(person=request.requested_by, at=at, how="asked")
        async with self._database.reading() as session:
            who = await everybody(session, request, at, [author])
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

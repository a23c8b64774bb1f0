"""Who would be asked: looked up as for a review, and nobody is."""

from temporalio import activity

from billing.approvals.messages import PreviewReview
from billing.approvals.preview import ReviewPreview
from db.approvals import ladders
from db.core.session import Database


class ReviewPreviews:
    """It reads, and writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def preview_review(self, order: PreviewReview) -> ReviewPreview:
        """The ladder as it would open now if this were asked for, with those who could answer."""
        async with self._database.reading() as session:
            return await ladders.preview(session, order.request, order.at)

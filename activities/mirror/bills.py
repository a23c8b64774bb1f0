"""What an organization will be billed next, read anew when something of its subscription has changed."""

import stripe
from temporalio import activity

from billing.stripe.events import RenewalQuery
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills
from db.tables import Organization

from ..stripe.failures import ask
from .objects.bill import read_renewal


class Bills:
    def __init__(self, client: stripe.StripeClient, database: Database) -> None:
        self._client = client
        self._database = database

    @activity.defn
    async def mirror_renewal(self, query: RenewalQuery) -> None:
        """Of many events at the same time one reading is enough: each says since when it has to be."""
        async with self._database.reading() as session:
            known = await bills.renewal(session, query.organization)
            if known is not None and known.synced_at >= query.since:
                return
            organization = await session.get_one(Organization, query.organization)
        renewal = await ask(read_renewal(self._client, organization, utc_now()))
        async with self._database.transaction() as session:
            await bills.store_renewal(session, renewal)

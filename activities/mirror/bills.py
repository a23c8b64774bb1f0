"""What an organization will be billed next, read anew when something of its subscription has changed."""

import stripe

from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills, renewals
from db.mirror.renewals import ClaimedRenewal

from ..stripe.failures import ask
from .objects.bill import read_renewal


class Bills:
    def __init__(self, client: stripe.StripeClient, database: Database) -> None:
        self._client = client
        self._database = database

    async def mirror_renewal(self, claimed: ClaimedRenewal) -> None:
        """However much has changed until it was claimed, one reading is enough. Stripe's errors are
        translated."""
        renewal = await ask(read_renewal(self._client, claimed.organization, utc_now()))
        async with self._database.transaction() as session:
            await bills.store_renewal(session, renewal)
            await renewals.settle(session, claimed)

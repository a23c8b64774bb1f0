"""Reads the discounts of subscriptions from Stripe, a page of all subscriptions at a time.

`pages` reads those of customers themselves.
"""

from sqlmodel import col, select

from billing.stripe.events import EventSubject
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.mirror import mirror
from db.tables import Organization

from ..stripe.failures import concerns_everybody
from .objects.discount import LISTED_DISCOUNTS, discount_rows, discounts_of, valued
from .objects.snapshot import Document
from .page_store import sweep_of
from .pages import BEGINNING, MirrorAccess, MirroredPage, Place, documents_of, listed, owners_of


async def discounts_page(access: MirrorAccess, place: Place = BEGINNING) -> MirroredPage:
    """Mirror what the subscriptions on one page have of discounts: those of customers that the mirror has,
    and the organizations' own. Each that the mirror does not have takes a request."""
    read_at = utc_now()
    page = await listed(access.client.v1.subscriptions.list_async, place, expand=LISTED_DISCOUNTS)
    found = {one["id"]: one for one in documents_of(page) if any(discounts_of(one))}
    async with access.database.reading() as session:
        owners = await owners_of(session, {one["customer"] for one in found.values()})
        own = select(Organization.stripe_subscription, Organization.id)
        own = own.where(col(Organization.stripe_subscription).in_(found))
        subscribers = dict((await session.exec(own)).all())
    ours = [one for one in found.values() if one["id"] in subscribers or one["customer"] in owners]

    async def one(subscription: Document) -> int:
        subscriber = subscribers.get(subscription["id"])
        organization = subscriber or owners[subscription["customer"]]
        discounts = await valued(access.client, access.database, discounts_of(subscription))
        customer = None if subscriber else subscription["customer"]
        rows = discount_rows(discounts, organization, customer, read_at)
        async with access.database.transaction() as session:
            await mirror.store_discounts(session, access.rules, rows, read_at)
        return len(rows)

    mirror_of = Alone(access.database, sweep_of(EventSubject.SUBSCRIPTION), concerns_everybody)
    stored = sum(await mirror_of.each(ours, one, lambda found: Unit(found["id"])))
    return MirroredPage.of(stored, page)

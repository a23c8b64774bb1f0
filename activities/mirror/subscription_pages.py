"""Reads subscriptions from Stripe, a page of all at a time: the organizations' own, and all their discounts.

The list is a request for a hundred of them. It can't show products (that would be five levels deep), which
our mirror of plans and add-ons knows; what it leaves open is looked up one by one afterwards (`lookups`):
ended subscriptions, and those of products that are neither or for sale no more. `pages` reads the discounts
of customers themselves.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import ObjectKind
from billing.stripe.events import EventSubject
from db.cases.cases import CaseRules
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.mirror import mirror
from db.tables import Organization, PlanRow

from ..stripe.failures import concerns_everybody
from ..stripe.plan_subscription import SubscriptionUnsupported, subscription_document
from .objects.discount import LISTED_DISCOUNTS, discount_rows, discounts_of, valued
from .objects.snapshot import Document
from .page_store import SUBSCRIPTIONS_DISCOUNTS, MirrorDifference, RunPage, count, note, sweep_of
from .pages import BEGINNING, MirrorAccess, MirroredPage, Place, listed, owners_of


class _Owner(NamedTuple):
    id: str
    subscription: str
    customer: str


class _StoredPart(NamedTuple):
    stored: int
    subscriptions: Sequence[str]


async def subscriptions_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the organizations' subscriptions on one page of all that have not ended, newest first, and what
    any of ours, or of our customers', has of discounts."""
    read_at = utc_now()
    page = await listed(access.client.v1.subscriptions.list_async, place, expand=LISTED_DISCOUNTS)
    shown = {one.id: one.to_dict() for one in page.data}
    async with access.database.reading() as session:
        sold: dict[str, Document] = {
            product: {"metadata": {"plixo_plan": plan}}
            for product, plan in await session.exec(select(PlanRow.product, PlanRow.plan))
        }
        sold |= {
            one.product: {"name": one.name, "metadata": {"plixo_add_on": one.add_on}}
            for one in await mirror.add_ons(session)
        }
        wanted = select(Organization.id, Organization.stripe_subscription, Organization.stripe_customer)
        found = await session.exec(wanted.where(col(Organization.stripe_subscription).in_(shown)))
        owners = [_Owner(*owner) for owner in found]

    async def few(session: AsyncSession, some: Sequence[_Owner]) -> _StoredPart:
        documents = {
            owner.id: document
            for owner in some
            if (document := _document(shown[owner.subscription], owner.customer, sold)) is not None
        }
        one = some[0].id if len(some) == 1 else None
        await store(session, access.rules, documents, read_at, of.part(one) if of and one else of)
        return _StoredPart(len(documents), [owner.subscription for owner in some])

    mirror_of = Alone(access.database, sweep_of(EventSubject.SUBSCRIPTION))
    done = await mirror_of.together(owners, few, lambda owner: Unit(owner.subscription, owner.id))
    # One that failed is tried again whole.
    failed = {owner.subscription for owner in owners}.difference(*(one.subscriptions for one in done))
    discounted = [one for one in shown.values() if one["id"] not in failed and any(discounts_of(one))]
    stored = sum(one.stored for one in done) + await _store_discounts(access, discounted, owners, read_at)
    return MirroredPage.of(stored, page)


async def _store_discounts(
    access: MirrorAccess, found: Sequence[Document], subscribers: Sequence[_Owner], read_at: datetime
) -> int:
    """Each that the mirror does not have takes a request."""
    own = {one.subscription: one.id for one in subscribers}
    async with access.database.reading() as session:
        owners = await owners_of(session, {one["customer"] for one in found})
    ours = [one for one in found if one["id"] in own or one["customer"] in owners]

    async def one(subscription: Document) -> int:
        subscriber, customer = own.get(subscription["id"]), subscription["customer"]
        discounts = await valued(access.client, access.database, discounts_of(subscription))
        rows = discount_rows(
            discounts, subscriber or owners[customer], None if subscriber else customer, read_at
        )
        async with access.database.transaction() as session:
            await mirror.store_discounts(session, access.rules, rows, read_at)
        return len(rows)

    mirror_of = Alone(access.database, SUBSCRIPTIONS_DISCOUNTS, concerns_everybody)
    return sum(await mirror_of.each(ours, one, lambda found: Unit(found["id"], own.get(found["id"]))))


async def store(
    session: AsyncSession,
    rules: CaseRules,
    documents: dict[str, Document],
    read_at: datetime,
    of: RunPage | None,
) -> None:
    """Store organizations' subscriptions as they were read, and note what differed if they are of a run."""
    wanted = select(Organization).where(col(Organization.id).in_(documents)).order_by(col(Organization.id))
    rows = (await session.exec(wanted.with_for_update(key_share=True))).all()
    found = [one for row in rows if (one := _compared(row, documents[row.id], read_at)) is not None]
    for row in rows:
        await mirror.store_subscription(session, rules, row.id, documents[row.id], synced_at=read_at)
    if of:
        await count(session, ObjectKind.SUBSCRIPTION, list(documents), of)
        await note(session, found, of)


def _document(data: Document, customer: str, sold: dict[str, Document]) -> Document | None:
    """None for one that the list can't give whole, or that is not what a plan is; `sold` are the products
    that are known."""
    items = []
    for item in data["items"]["data"]:
        product = sold.get(item["price"]["product"])
        if product is None:
            return None
        of = {"id": item["price"]["product"], **product}
        items.append(item | {"price": item["price"] | {"product": of}})
    try:
        return subscription_document(data | {"items": {"data": items}}, customer)
    except SubscriptionUnsupported:
        return None


def _compared(row: Organization, document: Document, read_at: datetime) -> MirrorDifference | None:
    told_by = (row.stripe_subscription, *filter(None, [document["schedule"]]))
    if row.subscription is None or row.synced_at is None:
        return MirrorDifference(
            ObjectKind.SUBSCRIPTION, row.stripe_subscription, row.id, [], None, "added", told_by
        )
    if row.synced_at > read_at:
        return None
    fields = [
        {"name": name, "ours": ours, "stripe": stripe}
        for name, stripe in document.items()
        if (ours := row.subscription.get(name)) != stripe
    ]
    if not fields:
        return None
    return MirrorDifference(
        ObjectKind.SUBSCRIPTION,
        row.stripe_subscription,
        row.id,
        fields,
        row.synced_at,
        "overwritten",
        told_by,
    )

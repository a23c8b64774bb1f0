"""An organization's own subscription to Plixo, read by its id or by its schedule; of a customer's only the
discounts.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import stripe
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.cases.cases import CaseRules
from db.core.pending import reads
from db.core.session import Database
from db.mirror import mirror
from db.mirror.mirror import UnreadableSubscription
from db.operations import operations
from db.tables import Organization

from ...stripe.failures import ask
from ...stripe.plan_subscription import EXPAND_PLAN, SubscriptionUnsupported, subscription_document
from .customer import organization_of
from .discount import DISCOUNTS, ValuedDiscount, discount_rows, discounts_of, valued
from .snapshot import Document, Owner, taken_out

EXPAND = [*EXPAND_PLAN, *DISCOUNTS, "customer"]
"""What to expand in the request for a subscription."""


@dataclass(frozen=True)
class SubscriptionSnapshot:
    subscription: Document
    """With its prices' products expanded."""
    customer: Document | None = None
    """Whose it is, where they were read with it."""
    discounts: tuple[ValuedDiscount, ...] = ()
    """Those that the mirror did not have."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        found = (await client.v1.subscriptions.retrieve_async(id_, {"expand": EXPAND})).to_dict()
        return cls(found, taken_out(found, "customer"))

    @classmethod
    async def read_schedule(cls, client: stripe.StripeClient, id_: str) -> Self | None:
        """The subscription of a schedule; None if the schedule never began."""
        schedule = (await client.v1.subscription_schedules.retrieve_async(id_)).to_dict()
        id_of_subscription = schedule.get("subscription") or schedule.get("released_subscription")
        return await cls.read(client, id_of_subscription) if id_of_subscription else None

    async def owner(self, session: AsyncSession) -> Owner | None:
        own = await subscriber(session, self.subscription["id"])
        if own is not None or self.customer is None:
            return own
        organization = await organization_of(session, self.customer)
        return Owner(organization) if organization else None

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        found = discounts_of(self.subscription)
        return replace(self, discounts=await ask(valued(client, database, found)))

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        """If the subscription is not to one of our plans, the mirror keeps the reason."""
        organization = await session.get_one(
            Organization, owner.organization, execution_options=reads(Organization)
        )
        own = owner.subscriber or organization.stripe_subscription == self.subscription["id"]
        if own:
            document = document_or_why_not(self.subscription, organization.stripe_customer)
            await mirror.store_subscription(session, rules, organization.id, document, synced_at=read_at)
        customer = None if own else self.subscription["customer"]
        rows = discount_rows(self.discounts, organization.id, customer, read_at)
        await mirror.store_discounts(session, rules, rows, read_at)

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        return await changes_of_subscription(session, owner) if owner.subscriber else ()


async def subscriber(session: AsyncSession, subscription: str | None) -> Owner | None:
    """The organization whose own subscription this is."""
    if subscription is None:
        return None
    found = await session.exec(
        select(Organization.id).where(Organization.stripe_subscription == subscription)
    )
    organization = found.one_or_none()
    return Owner(organization, subscriber=True) if organization else None


async def changes_of_subscription(session: AsyncSession, owner: Owner) -> tuple[str, ...]:
    """The workflows of the organization's open plan changes and cancellations."""
    found = await operations.about_subscription(session, owner.organization)
    return tuple(one.workflow_id for one in found)


def document_or_why_not(data: Document, customer: str) -> Document | UnreadableSubscription:
    """What the mirror keeps of a subscription (products expanded), or why it is not to one of our plans."""
    try:
        return subscription_document(data, customer)
    except SubscriptionUnsupported as error:
        return UnreadableSubscription(error.problem, str(data["currency"]))

"""An organization's own subscription to Plixo, read by its id or by its schedule."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import stripe
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import mirror
from db.mirror.mirror import UnreadableSubscription
from db.operations import operations
from db.tables import Organization

from ...stripe.plan_subscription import EXPAND_PLAN, SubscriptionUnsupported, subscription_document
from .snapshot import Document, Owner


@dataclass(frozen=True)
class SubscriptionSnapshot:
    subscription: Document
    """With its prices' products expanded."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls((await client.v1.subscriptions.retrieve_async(id_, {"expand": EXPAND_PLAN})).to_dict())

    @classmethod
    async def read_schedule(cls, client: stripe.StripeClient, id_: str) -> Self | None:
        """The subscription of a schedule; None if the schedule never began."""
        schedule = (await client.v1.subscription_schedules.retrieve_async(id_)).to_dict()
        id_of_subscription = schedule.get("subscription") or schedule.get("released_subscription")
        return await cls.read(client, id_of_subscription) if id_of_subscription else None

    async def owner(self, session: AsyncSession) -> Owner | None:
        return await subscriber(session, self.subscription["id"])

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        return self

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        """If the subscription is not to one of our plans, the mirror keeps the reason."""
        organization = await session.get_one(Organization, owner.organization)
        document = document_or_why_not(self.subscription, organization.stripe_customer)
        await mirror.store_subscription(session, rules, owner.organization, document, synced_at=read_at)

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        return await open_plan_change(session, owner)


async def subscriber(session: AsyncSession, subscription: str | None) -> Owner | None:
    """The organization whose own subscription this is."""
    if subscription is None:
        return None
    found = await session.exec(
        select(Organization.id).where(Organization.stripe_subscription == subscription)
    )
    organization = found.one_or_none()
    return Owner(organization, subscriber=True) if organization else None


async def open_plan_change(session: AsyncSession, owner: Owner) -> tuple[str, ...]:
    """The workflow of the organization's open plan change, if any."""
    found = await operations.open_plan_change(session, owner.organization)
    return (found.workflow_id,) if found else ()


def document_or_why_not(data: Document, customer: str) -> Document | UnreadableSubscription:
    """What the mirror keeps of a subscription (products expanded), or why it is not to one of our plans."""
    try:
        return subscription_document(data, customer)
    except SubscriptionUnsupported as error:
        return UnreadableSubscription(error.problem, str(data["currency"]))

"""An organization's own subscription to Plixo, as Stripe tells of it: mirrored, and who waits for it."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Kind
from billing.stripe.events import EventFollowed
from db.cases.cases import CaseRules
from db.mirror import mirror
from db.tables import Operation, Organization

from ..stripe.objects import Document
from .pages import document_or_why_not


async def follow(
    session: AsyncSession, rules: CaseRules, found: Document, read_at: datetime
) -> EventFollowed:
    """Mirrors the subscription, products expanded, of the organization whose it is.

    Of one that is not what a plan is the mirror says why; whoever waits for it finds that out alone.
    """
    owner = await _of(session, found["id"])
    if owner is None:
        return EventFollowed(state="ignored")
    waiting = await waiting_for(session, owner.id)
    document = document_or_why_not(found, owner.stripe_customer)
    await mirror.store_subscription(session, rules, owner.id, document, synced_at=read_at)
    return EventFollowed(state="done", waiting=waiting)


async def follow_invoice(session: AsyncSession, invoice: Document) -> EventFollowed:
    """An invoice of ours to an organization: the mirror has none, it is of those to its customers."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    owner = await _of(session, details["subscription"]) if details.get("subscription") else None
    if owner is None:
        return EventFollowed(state="ignored")
    return EventFollowed(state="done", waiting=await waiting_for(session, owner.id))


async def waiting_for(session: AsyncSession, organization_id: str) -> tuple[str, ...]:
    """The workflow of the organization's open plan change, if there is one."""
    found = await session.exec(
        select(Operation.workflow_id).where(
            Operation.organization_id == organization_id,
            Operation.kind == Kind.PLAN_CHANGE.value,
            col(Operation.closed_at).is_(None),
        )
    )
    return tuple(found)


async def _of(session: AsyncSession, subscription: str) -> Organization | None:
    found = await session.exec(select(Organization).where(Organization.stripe_subscription == subscription))
    return found.one_or_none()

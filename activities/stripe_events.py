"""Follows what Stripe told us of: reads the object anew, mirrors it, and says which stories wait for it."""

from dataclasses import replace
from datetime import UTC, datetime

import stripe
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.operations import Kind
from billing.stripe_events import EventFollowed, SettleEvent, StripeEventInput, Subject
from db import portal_troubles, stripe_events
from db.session import Database
from db.tables import Customer, Operation, Organization, PaymentRow

from . import payment_reads, seen_mirror, stripe_objects
from .mirror_pages import OWNER
from .money_rows import operation_of
from .stripe_objects import READINGS, Document
from .stripe_reads import ask, ask_for

IGNORED = EventFollowed(state="ignored")

WAKES = {Subject.REFUND: Kind.REFUND}
"""The stories that wait for an object, by its kind."""


class StripeEvents:
    def __init__(self, client: stripe.StripeClient, database: Database) -> None:
        self._client = client
        self._database = database

    @activity.defn
    async def follow_event(self, event: StripeEventInput) -> EventFollowed:
        """Mirrors the event's object as it is now, which may be long after the event or before the next."""
        read_at = datetime.now(UTC)
        seen = await ask_for(READINGS[event.subject](self._client, event.object))
        if seen is None or seen.customer is None:
            return IGNORED
        async with self._database.reading() as session:
            owner = await _owner(session, seen.customer)
        if owner is None:
            return IGNORED
        if event.subject is Subject.CUSTOMER and not seen.main.get("deleted"):
            changes = await ask_for(stripe_objects.balance_changes(self._client, seen.main["id"]))
            seen = replace(seen, adjustments=changes or ())
        invoice = await self._invoice_of(seen.payment)
        async with self._database.transaction() as session:
            await seen_mirror.store(session, seen, owner, read_at, invoice=invoice)
            waiting = await _waiting(session, event.subject, seen.main, owner)
        return EventFollowed(state="done", waiting=waiting)

    @activity.defn
    async def settle_event(self, settle: SettleEvent) -> None:
        """The event has been followed to its end."""
        async with self._database.transaction() as session:
            await stripe_events.settle(session, settle.event, settle.state, datetime.now(UTC))

    async def _invoice_of(self, payment: Document | None) -> str | None:
        """The invoice that a payment is for, which it may get later: looked up until there is one."""
        if payment is None:
            return None
        async with self._database.reading() as session:
            known = await session.get(PaymentRow, payment["id"])
        if known is not None and known.invoice_id is not None:
            return known.invoice_id
        return await ask(payment_reads.invoice_of(self._client, payment["id"]))


async def _owner(session: AsyncSession, customer: Document) -> str | None:
    """The organization whose customer it is: Stripe says so, our mirror of one that was deleted."""
    named = (customer.get("metadata") or {}).get(OWNER)
    if customer.get("deleted"):
        known = await session.get(Customer, customer["id"])
        return known.organization_id if known else None
    found = await session.exec(select(Organization.id).where(Organization.id == named))
    return found.one_or_none()


async def _waiting(
    session: AsyncSession, subject: Subject, document: Document, owner: str
) -> tuple[str, ...]:
    """Workflows of the operation that the object names, if it is of the kind that waits, and this owner's;
    of an invoice that of its open trouble with the portal."""
    if subject is Subject.INVOICE:
        return await portal_troubles.waiting_for(session, owner, document["id"])
    kind, operation = WAKES.get(subject), operation_of(document)
    if kind is None or operation is None:
        return ()
    found = await session.exec(
        select(Operation.workflow_id).where(
            col(Operation.id) == operation, Operation.organization_id == owner, Operation.kind == kind.value
        )
    )
    return tuple(found)

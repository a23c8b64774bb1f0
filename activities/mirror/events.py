"""Follows what Stripe told us of: reads the object anew, mirrors it, and says which stories wait for it."""

from dataclasses import replace
from datetime import UTC, datetime

import stripe
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.core.operations import Kind
from billing.money.object_end import is_about
from billing.stripe.events import (
    MAX_TRIES,
    EventFollowed,
    EventsQuery,
    SettleEvent,
    StripeEventInput,
    Subject,
    next_try,
)
from db.cases.cases import CaseRules
from db.core.alone import what
from db.core.session import Database
from db.mirror import mirror
from db.money import commitments
from db.portal import troubles
from db.stripe import events as stripe_events
from db.tables import Customer, Operation, Organization, PaymentRow, RefundRow

from ..stripe import objects as stripe_objects
from ..stripe import payments
from ..stripe.failures import ask, ask_for, concerns_everybody
from ..stripe.objects import READINGS, Document, Seen
from . import own_subscription
from . import store as seen_mirror
from .pages import OWNER

IGNORED = EventFollowed(state="ignored")


class StripeEvents:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._client = client
        self._database = database
        self._rules = rules

    @activity.defn
    async def follow_event(self, event: StripeEventInput) -> EventFollowed:
        """Mirrors the event's object as it is now, which may be long after the event or before the next.

        What is wrong with this one event is counted and tried again for a while; then it is given up, before
        those who wait for others would stop counting on events.
        """
        try:
            return await self._follow(event)
        except ApplicationError:
            raise  # of Stripe, which has said already what to do
        except Exception as error:
            if concerns_everybody(error):
                raise
            async with self._database.transaction() as session:
                tries = await stripe_events.note_try(session, event.event, what(error))
            raise ApplicationError(
                f"event {event.event} could not be followed: {what(error)}",
                type=what(error),
                non_retryable=tries >= MAX_TRIES,
                next_retry_delay=next_try(tries),
            ) from error

    async def _follow(self, event: StripeEventInput) -> EventFollowed:
        read_at = datetime.now(UTC)
        seen = await ask_for(READINGS[event.subject](self._client, event.object))
        if seen is None:
            return await self._gone(event, read_at)
        if seen.customer is None:
            return await self._of_ours(seen, read_at)
        async with self._database.reading() as session:
            owner = await _owner(session, seen.customer)
        if owner is None:
            return await self._of_ours(seen, read_at)
        if event.subject is Subject.CUSTOMER and not seen.main.get("deleted"):
            changes = await ask_for(stripe_objects.balance_changes(self._client, seen.main["id"]))
            seen = replace(seen, adjustments=changes or ())
        invoice = seen.pays or await self._invoice_of(seen.payment)
        async with self._database.transaction() as session:
            await seen_mirror.store(session, self._rules, seen, owner, read_at, invoice=invoice)
            waiting = await _waiting(session, seen, owner, invoice)
        return EventFollowed(state="done", waiting=waiting)

    @activity.defn
    async def settle_event(self, settle: SettleEvent) -> None:
        """The event has been followed to its end, or is set aside."""
        at = datetime.now(UTC)
        async with self._database.transaction() as session:
            if settle.state == "set_aside":
                await stripe_events.set_aside(session, settle.event, settle.error, at)
            else:
                await stripe_events.settle(session, settle.event, settle.state, at)

    @activity.defn
    async def events_known(self, query: EventsQuery) -> bool:
        """Whether whoever waits for Stripe will be told: no event is missing, none is stuck."""
        async with self._database.reading() as session:
            return await stripe_events.complete(session, query.at, query.objects)

    async def _gone(self, event: StripeEventInput, read_at: datetime) -> EventFollowed:
        """Stripe has no such object; only a draft of an invoice can have been there before."""
        if event.subject is not Subject.INVOICE:
            return IGNORED
        async with self._database.transaction() as session:
            owner = await mirror.remove_draft(session, event.object, read_at=read_at)
        return EventFollowed(state="done") if owner else IGNORED

    async def _of_ours(self, seen: Seen, read_at: datetime) -> EventFollowed:
        """What is not of an organization's customer may be of its own subscription."""
        async with self._database.transaction() as session:
            if seen.subscription is not None:
                return await own_subscription.follow(session, self._rules, seen.subscription, read_at)
            if seen.invoice is not None:
                return await own_subscription.follow_invoice(session, seen.invoice)
        return IGNORED

    async def _invoice_of(self, payment: Document | None) -> str | None:
        """The invoice that a payment is for, which it may get later: looked up until there is one."""
        if payment is None:
            return None
        async with self._database.reading() as session:
            known = await session.get(PaymentRow, payment["id"])
        if known is not None and known.invoice_id is not None:
            return known.invoice_id
        found = await ask(payments.invoice_of(self._client, payment["id"]))
        return found["id"] if found else None


async def _owner(session: AsyncSession, customer: Document) -> str | None:
    """The organization whose customer it is: Stripe says so, our mirror of one that was deleted."""
    named = (customer.get("metadata") or {}).get(OWNER)
    if customer.get("deleted"):
        known = await session.get(Customer, customer["id"])
        return known.organization_id if known else None
    found = await session.exec(select(Organization.id).where(Organization.id == named))
    return found.one_or_none()


async def _waiting(session: AsyncSession, seen: Seen, owner: str, pays: str | None) -> tuple[str, ...]:
    """Workflows, of this owner's, of the refunds' operations, of requests about the same payment or invoice
    and of the invoice's open trouble with the portal."""
    told = await _about(session, seen, owner, pays)
    if seen.invoice is not None:
        told += await troubles.waiting_for(session, owner, seen.invoice["id"])
    if not seen.refunds:
        return told
    # By our rows, which still know the operation where somebody has cleared the metadata in Stripe.
    found = await session.exec(
        select(Operation.workflow_id)
        .distinct()
        .join(RefundRow, col(RefundRow.operation_id) == col(Operation.id))
        .where(
            col(RefundRow.id).in_([refund["id"] for refund in seen.refunds]),
            Operation.organization_id == owner,
            Operation.kind == Kind.REFUND.value,
        )
    )
    return (*told, *sorted(found))


async def _about(session: AsyncSession, seen: Seen, owner: str, pays: str | None) -> tuple[str, ...]:
    """Requests for money that nothing was begun of; of a customer who is gone, all of them."""
    assert seen.customer is not None
    gone = bool(seen.customer.get("deleted"))
    objects = {one["id"] for one in (seen.invoice, seen.payment) if one is not None}
    objects |= {pays} if pays else set()
    if not objects and not gone:
        return ()
    found = await commitments.not_begun(session, owner, seen.customer["id"])
    return tuple(one.workflow_id for one in found if gone or is_about(one.subject or {}, frozenset(objects)))

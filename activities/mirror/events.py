"""Follows an event: reads its object from Stripe, mirrors it, and names the workflows that wait for it."""

from datetime import datetime

import stripe
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.stripe.events import (
    MAX_TRIES,
    EventFollowed,
    EventsQuery,
    EventSubject,
    RenewalQuery,
    SettleEvent,
    StripeEventInput,
    next_try,
)
from db.cases.cases import CaseRules
from db.core.alone import what
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills, mirror
from db.stripe import events as stripe_events
from db.tables import StripeEvent

from ..stripe.failures import concerns_everybody
from .pages import MirrorAccess
from .readers import read_object, store_object

IGNORED = EventFollowed(state="ignored")


class StripeEvents:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._access = MirrorAccess(client, database, rules)
        self._database = database

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
                f"event {event.event} could not be processed: {what(error)}",
                type=what(error),
                non_retryable=tries >= MAX_TRIES,
                next_retry_delay=next_try(tries),
            ) from error

    async def _follow(self, event: StripeEventInput) -> EventFollowed:
        read_at = utc_now()
        found = await read_object(self._access, event.subject, event.object)
        if found is None:
            return await self._gone(event, read_at)
        snapshot, owner = found
        if owner is None:
            return IGNORED
        if not owner.subscriber and await self._of_newcomer(event):
            return EventFollowed(state="done", newcomer=event.object)
        waiting = await store_object(self._access, snapshot, owner, read_at)
        bill = RenewalQuery(organization=owner.organization, since=read_at) if owner.subscriber else None
        return EventFollowed(state="done", waiting=waiting, bill=bill)

    async def _of_newcomer(self, event: StripeEventInput) -> bool:
        """Whether the event says so. The mirror can't: another object's event, or an attempt that came half
        way, may have brought the customer already."""
        if event.subject is not EventSubject.CUSTOMER:
            return False
        async with self._database.reading() as session:
            told = await session.get(StripeEvent, event.event)
        return told is not None and told.newcomer

    @activity.defn
    async def settle_event(self, settle: SettleEvent) -> None:
        """The event has been followed to its end, or is set aside."""
        at = utc_now()
        async with self._database.transaction() as session:
            if settle.state == "set_aside":
                await stripe_events.set_aside(session, settle.event, settle.error, at)
            else:
                await stripe_events.settle(session, settle.event, settle.state, at)

    @activity.defn
    async def check_events_known(self, query: EventsQuery) -> bool:
        """Whether whoever waits for Stripe will be told: no event is missing, none is stuck."""
        async with self._database.reading() as session:
            return await stripe_events.complete(session, query.at, query.objects)

    async def _gone(self, event: StripeEventInput, read_at: datetime) -> EventFollowed:
        """Stripe has no such object; only a draft of an invoice can have been there before."""
        if event.subject is not EventSubject.INVOICE:
            return IGNORED
        async with self._database.transaction() as session:
            if await mirror.remove_draft(session, event.object, read_at=read_at):
                return EventFollowed(state="done")
            subscriber = await bills.remove_draft(session, event.object, read_at=read_at)
        if subscriber is None:
            return IGNORED
        return EventFollowed(state="done", bill=RenewalQuery(organization=subscriber, since=read_at))

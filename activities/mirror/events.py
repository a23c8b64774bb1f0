"""Follows what Stripe has told of an object: reads and mirrors it, and wakes the workflows that wait."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.stripe.events import STRIPE_CHANGED, EventsQuery, EventSubject, StripeChanged
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills, mirror, renewals
from db.operations import outbox
from db.stripe import event_turns
from db.stripe import events as stripe_events
from db.stripe.event_turns import EventTurn

from . import newcomers
from .pages import MirrorAccess
from .readers import read_object

WITHIN = 60.0
"""Seconds that following one object may take."""
NEWCOMER_WITHIN = 600.0
"""Likewise, all that Stripe has of one customer."""


class StripeEvents:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._access = MirrorAccess(client, database, rules)
        self._database = database

    @activity.defn
    async def check_events_known(self, query: EventsQuery) -> bool:
        """Whether whoever waits for Stripe will be told: no event is missing, none is stuck."""
        async with self._database.reading() as session:
            return await stripe_events.complete(session, query.at, query.objects)

    async def follow(self, turn: EventTurn) -> None:
        """Mirrors the object as it is now, which may be long after its events or before the next.

        What the object has come to, who is to be woken by it and that its events are settled is written in
        one transaction. Stripe's errors are translated; what else it raises is wrong with this one object, or
        says that the records are away.
        """
        async with asyncio.timeout(WITHIN):
            is_newcomer = await self._follow(turn)
        if is_newcomer:
            async with asyncio.timeout(NEWCOMER_WITHIN):
                await newcomers.mirror_all(self._access, turn.object)
            await self._settle(turn, "done")

    async def _follow(self, turn: EventTurn) -> bool:
        """Whether it is a customer who was there before they became an organization's, which is not done."""
        read_at = utc_now()
        found = await read_object(self._access, turn.subject, turn.object)
        if found is None:
            await self._gone(turn, read_at)
            return False
        snapshot, owner = found
        if owner is None:
            await self._settle(turn, "ignored")
            return False
        if turn.subject is EventSubject.CUSTOMER and turn.of_newcomer and not owner.subscriber:
            return True
        snapshot = await snapshot.completed(self._access.client, self._database)
        async with self._database.transaction() as session:
            await snapshot.store(session, self._access.rules, owner, read_at)
            await _wake(session, await snapshot.wakes(session, owner), turn)
            if owner.subscriber:
                await renewals.changed(session, owner.organization, utc_now())
            await event_turns.settle(session, turn, "done", utc_now())
        return False

    async def _settle(self, turn: EventTurn, state: event_turns.Settled) -> None:
        async with self._database.transaction() as session:
            await event_turns.settle(session, turn, state, utc_now())

    async def _gone(self, turn: EventTurn, read_at: datetime) -> None:
        """Stripe has no such object; only a draft of an invoice can have been there before."""
        async with self._database.transaction() as session:
            was_there = turn.subject is EventSubject.INVOICE and await _remove_draft(session, turn, read_at)
            await event_turns.settle(session, turn, "done" if was_there else "ignored", utc_now())


async def _remove_draft(session: AsyncSession, turn: EventTurn, read_at: datetime) -> bool:
    if await mirror.remove_draft(session, turn.object, read_at=read_at):
        return True
    subscriber = await bills.remove_draft(session, turn.object, read_at=read_at)
    if subscriber is not None:
        await renewals.changed(session, subscriber, utc_now())
    return subscriber is not None


async def _wake(session: AsyncSession, waiting: Iterable[str], turn: EventTurn) -> None:
    """Notes that these workflows are to look, each once for the turn. One that is over by then is left alone:
    what changed is in the mirror."""
    event = turn.events[-1].id
    told = StripeChanged(event=event).model_dump(mode="json")
    for workflow_id in sorted(set(waiting)):
        await outbox.enqueue(
            session,
            action=outbox.SIGNAL,
            workflow_id=workflow_id,
            name=STRIPE_CHANGED,
            update_id=event,
            payload=told,
            at=utc_now(),
        )

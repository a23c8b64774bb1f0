"""Asks Stripe for its events, so that none is missed whatever becomes of webhooks.

Source: Stripe, "Process undelivered webhook events" (GET /v1/events, which goes 30 days back).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.stripe.events import FOLLOWED, CatchUpDone, CatchUpPage, object_of, tells_of_newcomer
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.core.session import Database
from db.stripe import events as stripe_events

from ..stripe.failures import ask
from .objects.snapshot import Document, time_of
from .pages import documents_of, page_params

OVERLAP = timedelta(minutes=2)
"""How much is asked for again: an event may be listed a little later than it says that it happened."""

AT_FIRST = timedelta(hours=1)
"""How far back the first check goes; what was before that, provisioning and reconciliation have read."""


class EventCatchUp:
    def __init__(self, client: stripe.StripeClient, database: Database) -> None:
        self._client = client
        self._database = database

    @activity.defn
    async def catch_up_events(self, page: CatchUpPage) -> CatchUpDone:
        """Keeps what is unknown of one page of events, as if it had just arrived.

        All types are listed, since `types` takes no more than twenty: so the first event of the first page
        is the newest there is, and after the last page everything until then is known. That time is
        Stripe's own: no clock of ours says what to ask for.
        """
        since = page.since if page.since is not None else await self._since()
        events, more = await self._listed(page.after, since)
        newest = page.newest if page.newest is not None else (events[0]["created"] if events else None)
        if since is None and newest is not None:
            since = newest - int(AT_FIRST.total_seconds())
        within = [event for event in events if since is None or event["created"] >= since]
        last = not more or len(within) < len(events)
        missed = await self._keep(within, utc_now())
        if last:
            async with self._database.transaction() as session:
                await _checked(session, page, newest, since, page.missed + missed)
            return CatchUpDone(missed=missed)
        following = CatchUpPage(
            at=page.at, after=events[-1]["id"], since=since, newest=newest, missed=page.missed + missed
        )
        return CatchUpDone(missed=missed, next=following)

    async def _keep(self, events: list[Document], at: datetime) -> int:
        """How many were unknown; of those that nothing follows nobody needs to know. One that can't be kept
        keeps none of the others out."""
        followed = {event["id"]: event for event in events if event["type"] in FOLLOWED}
        async with self._database.reading() as session:
            unknown = sorted(await stripe_events.unknown(session, followed))

        async def store(session: AsyncSession, some: Sequence[Document]) -> int:
            kept = await stripe_events.keep(session, [_arrived(event, at) for event in some])
            return sum(one.new for one in kept)

        catching = Alone(self._database, "events of Stripe")
        new = [followed[id_] for id_ in unknown]
        return sum(await catching.together(new, store, lambda event: Unit(event["id"]))) if new else 0

    async def _since(self) -> int | None:
        """From which of Stripe's seconds on events may be unknown; None before the first check."""
        async with self._database.reading() as session:
            found = await stripe_events.check(session)
        return int((found.complete_until - OVERLAP).timestamp()) if found else None

    async def _listed(self, after: str | None, since: int | None) -> tuple[list[Document], bool]:
        """The newest first, and whether there are more."""
        params = page_params(after) | ({"created": {"gte": since}} if since is not None else {})
        page = await ask(self._client.v1.events.list_async(params))
        return documents_of(page), page.has_more


async def _checked(
    session: AsyncSession, page: CatchUpPage, newest: int | None, since: int | None, missed: int
) -> None:
    """Where nothing has happened since, all is known until where it was; nothing at all tells no time."""
    if newest is not None:
        await stripe_events.checked(session, complete_until=time_of(newest), at=page.at, missed=missed)
    elif since is not None:
        await stripe_events.checked(session, complete_until=time_of(since), at=page.at, missed=missed)


def _arrived(event: Document, at: datetime) -> stripe_events.ArrivedEvent:
    about, previous = event["data"]["object"], event["data"].get("previous_attributes")
    return stripe_events.ArrivedEvent(
        id=event["id"],
        type=event["type"],
        object_id=object_of(event["type"], about["id"], about.get("customer")),
        livemode=event["livemode"],
        created_at=time_of(event["created"]),
        at=at,
        missed=True,
        newcomer=tells_of_newcomer(event["type"], previous),
    )

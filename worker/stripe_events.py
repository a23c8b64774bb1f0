"""Follows what Stripe has told: reads each object again that an event is about, and what an organization is
billed next where that has changed.

Every worker does. An object is followed by one of them at a time, and one reading settles all of its events
that had arrived when it began. Nothing waits behind an object that can't be followed; while Stripe can't be
used the loop pauses, and no event counts that against itself.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from temporalio.exceptions import ApplicationError

from activities.mirror.bills import Bills
from activities.mirror.events import WITHIN, StripeEvents
from activities.stripe.failures import UNPERMITTED, concerns_everybody
from activities.stripe.requests import following_events
from db.core.alone import what
from db.core.clock import Clock, utc_now
from db.core.session import AWAY, Database
from db.mirror import renewals
from db.mirror.renewals import ClaimedRenewal
from db.operations.outbox import EVENT
from db.stripe import event_turns
from db.stripe.event_turns import EventTurn
from db.tracing import trace

from .listening import ListeningLoop, let_end
from .outbox import OutboxSweep

log = logging.getLogger(__name__)

GATHER = 0.1
"""Seconds until a first event is followed: mostly others of its object come with it."""

RENEW_EVERY = event_turns.CLAIM / 4

SOON, LATE = timedelta(seconds=0.5), timedelta(seconds=30)
"""What can't be followed for no reason of its own is tried again when it has waited twice as long, but no
sooner and no later than this."""

PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds. Each pause is twice as long as the one before, until something can be followed again."""


class EventSweep:
    """`run` is the process's loop; `sweep` follows what is due and returns."""

    def __init__(
        self,
        database: Database,
        events: StripeEvents,
        bills: Bills,
        places: int,
        clock: Clock = utc_now,
        beside: OutboxSweep | None = None,
    ) -> None:
        """At most so many objects are followed at a time as there are `places`. By the connection of the
        sweep `beside` it hears what PostgreSQL says."""
        self._database, self._events, self._bills = database, events, bills
        self._places, self._clock = places, clock
        self._loop = ListeningLoop(
            database, "Stripe's events", (EVENT,), beside=beside.loop if beside else None, gather=GATHER
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._claimed: set[str] = set()
        """The events that are followed here."""
        self._renewed_at = clock()
        self._pause = PAUSE
        self._paused_until = 0.0

    async def run(self) -> None:
        """Until it is cancelled; whatever fails is tried again. What is under way then is let end for a
        while: else its claim would have to run out."""
        try:
            await self._loop.run(self._look)
        finally:
            await let_end(self._tasks)

    async def sweep(self) -> None:
        """Follows everything that is due, and reads every next invoice that has changed.

        Raises what the records raise while they are away; what was claimed then is claimed again later.
        """
        while self._tasks or await self._begin(timedelta()) or await self._begin(renewals.AFTER):
            await asyncio.wait(self._tasks)

    async def _look(self) -> None:
        """Nothing is begun while the loop pauses; claims are renewed."""
        if self._claimed and self._clock() - self._renewed_at >= RENEW_EVERY:
            self._renewed_at = self._clock()
            async with self._database.transaction() as session:
                await event_turns.renew(session, list(self._claimed), self._renewed_at)
        if monotonic() >= self._paused_until:
            await self._begin(timedelta())

    async def _begin(self, ahead: timedelta) -> bool:
        """Begins what is due, as far as there is room, and next invoices that are so much ahead; whether that
        was anything."""
        at, room = self._clock(), self._places - len(self._tasks)
        if room <= 0:
            return False
        async with self._database.reading() as session:
            told = await event_turns.anything_due(session, at)
            changed = await renewals.anything_due(session, at + ahead)
        if told:
            async with self._database.transaction() as session:
                claimed = await event_turns.claim(session, at, room)
            for turns in claimed:
                self._start(self._follow(turns))
            room -= len(claimed)
        if changed and room > 0:
            async with self._database.transaction() as session:
                next_ones = await renewals.claim(session, at + ahead, room)
            for one in next_ones:
                self._start(self._read_renewal(one))
        return bool(self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def done(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            self._loop.again()  # there is room, and what has come meanwhile can be followed
            if ended.cancelled() or (error := ended.exception()) is None:
                return
            # The claim runs out, and then it is due again.
            if isinstance(error, AWAY):
                log.warning("the records are away: %s", type(error).__name__)
            else:
                log.error("what has become of a Stripe event could not be recorded", exc_info=error)

        task.add_done_callback(done)

    async def _follow(self, turns: Sequence[EventTurn]) -> None:
        """One object."""
        ids = {id_ for turn in turns for id_ in turn.ids}
        self._claimed |= ids
        try:
            for turn in turns:
                await self._follow_one(turn)
        finally:
            self._claimed -= ids

    async def _follow_one(self, turn: EventTurn) -> None:
        began = monotonic()
        try:
            with trace.span(f"follow {turn.subject}", [one.traceparent for one in turn.events]) as span:
                span.set_attributes({"plixo.object": turn.object, "plixo.events": len(turn.ids)})
                with following_events():
                    await self._events.follow(turn)
        except Exception as error:
            await self._failed(turn, error)
        else:
            self._pause = PAUSE
            took = (monotonic() - began) * 1000
            log.info(
                "%s %s: followed for %d event(s) in %.0f ms", turn.subject, turn.object, len(turn.ids), took
            )

    async def _failed(self, turn: EventTurn, error: Exception) -> None:
        """What is wrong with this one object is counted and tried again for a while; then its events are set
        aside, before those who wait for others would stop counting on events."""
        at = self._clock()
        wait = self._waits(error)
        if wait is None:
            refused = isinstance(error, ApplicationError)
            reason, trace = _reason(error), None if refused else error
            log.error("%s %s can't be followed: %s", turn.subject, turn.object, reason, exc_info=trace)
            async with self._database.transaction() as session:
                await event_turns.failed(session, turn, reason, at, for_good=refused)
            return
        again = at + max(wait, min(max(at - turn.since, SOON), LATE))
        log.info("%s %s is followed later: %s", turn.subject, turn.object, _reason(error))
        async with self._database.transaction() as session:
            await event_turns.postpone(session, turn, again)

    async def _read_renewal(self, claimed: ClaimedRenewal) -> None:
        """It only shows what will be: where it can't be read for a reason of its own, reconciliation does."""
        try:
            async with asyncio.timeout(WITHIN):
                with following_events():
                    await self._bills.mirror_renewal(claimed)
        except Exception as error:
            wait, reason = self._waits(error), _reason(error)
            log.warning("the next invoice of %s is not read: %s", claimed.organization.id, reason)
            again = self._clock() + max(wait, LATE) if wait is not None else None
            async with self._database.transaction() as session:
                await renewals.settle(session, claimed, again)
        else:
            self._pause = PAUSE

    def _waits(self, error: Exception) -> timedelta | None:
        """How long at least to wait with what failed for no reason of its own: Stripe or the records can't be
        used, and the loop pauses. A permission that is missing stops only what needs it. None for what is
        wrong with the one object."""
        if isinstance(error, ApplicationError):
            if error.non_retryable:
                return None
            wait = error.next_retry_delay or timedelta()
            if error.type != UNPERMITTED:
                self._rest(wait)
            return wait
        if concerns_everybody(error):
            self._rest(timedelta())
            return timedelta()
        return None

    def _rest(self, at_least: timedelta) -> None:
        now = monotonic()
        if now >= self._paused_until:
            self._paused_until = now + max(self._pause, at_least.total_seconds())
            self._pause = min(2 * self._pause, LONGEST_PAUSE)


def _reason(error: Exception) -> str:
    """Without values: they may be people's data."""
    return error.type or "refused" if isinstance(error, ApplicationError) else what(error)

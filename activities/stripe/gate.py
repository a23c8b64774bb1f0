"""The gate before Stripe: no request of this process leaves without a slot of the account's budget.

    request ── waits here, by priority ── slot ── sent ── answered: 429 pauses the account, or an endpoint

Both are paused for all processes.

Slots are the account's, taken from the records a few at a time; who gets one is decided when its time has
come, so whom somebody waits for overtakes what is in no hurry. Writes to one object go one after the other:
Stripe would lock it and refuse the second. What can't be sent soon is given back to Temporal, whose queue
knows the priorities of all processes.
"""

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from time import monotonic

import stripe
from sqlalchemy.exc import SQLAlchemyError

from billing.incidents.holds import HELD
from db.core.session import Database
from db.stripe import budget, endpoints

from .last_second import Departure, LastSecond
from .requests import StripeRequest

log = logging.getLogger(__name__)

WAIT_AT_MOST = 12.0
"""Seconds that a request waits here: less than any activity may take."""

AHEAD = 0.1
"""Seconds of slots that are taken at a time."""

LATE = 0.02
"""Seconds that a slot may be used late, or its interval where that is longer, while other processes take some
too: one that was missed by more is given up. So the requests of any second are no more than the pace says for
a second and that time."""

CATCH_UP = 0.25
"""Seconds of the time that has passed of which a process that takes all slots still takes those that nobody
had; it may use one twice as late: what it has sent within the last second it knows by itself."""

SHARED_FOR = 2.0
"""Seconds after another process took slots until none of them is used any more, and none of their requests is
of the last second."""

BACK_OFF = (0.5, 1.0)
"""Seconds, at random between, that nothing is sent after a refusal that names no time."""

HELD_FOR = (25.0, 35.0)
"""Seconds until what does not wait for a release asks again."""

REASON = "stripe-rate-limited-reason"
OF_THE_ACCOUNT = frozenset({"global-rate", "global-concurrency"})
OF_AN_ENDPOINT = frozenset({"endpoint-rate", "endpoint-concurrency"})


class NotSent(stripe.StripeError):
    """The gate did not let the request out: Stripe has seen nothing of it. Later is after `wait` seconds."""

    def __init__(self, code: str, message: str, wait: float) -> None:
        super().__init__(message)
        self.not_sent, self.wait = code, wait


class StripeHeld(NotSent):
    """An incident is open: nothing is sent before Stripe has recovered."""

    def __init__(self) -> None:
        super().__init__(
            HELD, "Stripe is degraded: nothing is sent until it has recovered.", random.uniform(*HELD_FOR)
        )


class StripeBusy(NotSent):
    """There is no slot of the account's budget soon."""

    def __init__(self, wait: float, message: str = "Stripe's budget is used up for the moment.") -> None:
        super().__init__("budget_used_up", message, wait)


def _no_records() -> StripeBusy:
    return StripeBusy(random.uniform(*BACK_OFF), "The records of Stripe's budget can't be reached.")


@dataclass(eq=False)
class _Turn:
    request: StripeRequest
    number: int
    granted: asyncio.Future[None]
    departure: Departure | None = None

    @property
    def rank(self) -> tuple[int, int]:
        return self.request.priority, self.number


class StripeGate:
    """One a process. `turn` is the way to Stripe; `answered` is told how each request went."""

    def __init__(self, database: Database, requests_per_second: float) -> None:
        """The policy's pace; an operator's, in the records, comes before it."""
        self._database, self._policy_rate = database, requests_per_second
        self._waiting: list[_Turn] = []
        self._numbers = count()
        self._writing: set[str] = set()
        self._endpoints: dict[str, float] = {}
        """Until when each is somebody else's, or nobody's, as the records said."""
        self._refused: set[str] = set()
        """Endpoints that Stripe has refused, and not answered since as far as is known here."""
        self._endpoint_paused = 0.0
        self._slots: deque[float] = deque()
        self._interval = 1 / requests_per_second
        self._latency = 0.0
        self._last_second = LastSecond()
        self._number = 0
        self._alone_from = 0.0
        """Since when nobody else takes slots, as far as is known."""
        self._held = False
        self._trial: str | None = None
        self._changed = asyncio.Event()
        self._handing_out: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot here, just now."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, request: StripeRequest) -> AsyncIterator[None]:
        """Waits for a slot; within the block the request is sent, and nothing else writes to its objects.

        Raises StripeHeld or StripeBusy when it is not to be sent now.
        """
        turn = _Turn(request, next(self._numbers), asyncio.get_running_loop().create_future())
        try:
            await self._granted(turn)
            yield
        finally:
            if turn.departure is not None:
                self._last_second.answered(turn.departure, monotonic())
                self._writing -= request.writes
                self._changed.set()

    async def _granted(self, turn: _Turn) -> None:
        self._waiting.append(turn)
        self._changed.set()
        if self._handing_out is None or self._handing_out.done():
            self._handing_out = asyncio.create_task(self._hand_out())
        try:
            async with asyncio.timeout(WAIT_AT_MOST):
                await turn.granted
        except TimeoutError as error:
            raise StripeBusy(random.uniform(*BACK_OFF)) from error
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)

    async def answered(
        self, request: StripeRequest, sent_at: float, status: int, headers: Mapping[str, str]
    ) -> None:
        """What Stripe's answer to a request that left at `sent_at` (monotonic) means for all others."""
        reason, wait = headers.get(REASON, ""), retry_after(headers)
        if status == 429 and reason in OF_THE_ACCOUNT:
            await self._pause(reason, wait, sent_at, slow_down=True)
        elif status == 429 and reason in OF_AN_ENDPOINT:
            await self._pause_endpoint(request.endpoint, wait, sent_at)
        elif status >= 500 and wait is not None:
            await self._pause(budget.RETRY_AFTER, wait, sent_at, slow_down=False)
        elif status < 400 and request.endpoint in self._refused:
            await self._forgive(request.endpoint)

    async def _pause(self, reason: str, wait: float | None, sent_at: float, *, slow_down: bool) -> None:
        seconds = random.uniform(*BACK_OFF) if wait is None else wait
        self._slots.clear()  # they were taken before
        try:
            async with self._database.transaction() as session:
                await budget.pause(
                    session,
                    self._policy_rate,
                    seconds=seconds,
                    reason=reason,
                    slow_down=slow_down,
                    sent_ago=monotonic() - sent_at,
                )
        except (SQLAlchemyError, OSError):
            # Stripe's answer counts all the same; the next refusal pauses.
            log.exception("could not record a pause requested by Stripe (%s)", reason)

    async def _pause_endpoint(self, endpoint: str, wait: float | None, sent_at: float) -> None:
        back_off = random.uniform(*BACK_OFF)
        self._endpoints[endpoint] = monotonic() + (back_off if wait is None else wait)
        self._refused.add(endpoint)
        try:
            async with self._database.transaction() as session:
                await endpoints.pause(
                    session,
                    endpoint,
                    seconds=wait,
                    back_off=back_off,
                    sent_ago=monotonic() - sent_at,
                )
        except (SQLAlchemyError, OSError):
            log.exception("could not record that Stripe refuses %s", endpoint)

    async def _forgive(self, endpoint: str) -> None:
        self._refused.discard(endpoint)
        try:
            async with self._database.statement() as session:
                await endpoints.answered(session, endpoint)
        except (SQLAlchemyError, OSError):
            log.exception("could not record that Stripe answers %s again", endpoint)

    # --- Handing out ----------------------------------------------------------------------------------

    async def _hand_out(self) -> None:
        """As long as somebody waits."""
        while self._waiting:
            self._changed.clear()
            now = monotonic()
            if self._next(now) is None:
                await self._change(now)
                continue
            try:
                came = await self._slot()
            except (SQLAlchemyError, OSError) as error:
                log.warning("could not take a slot of Stripe's budget: %s", type(error).__name__)
                self._refuse(_no_records, self._waiting)
                continue
            turn = await self._next_of_its_endpoint() if came else None
            if turn is not None:
                self._waiting.remove(turn)
                self._writing |= turn.request.writes
                turn.departure = self._last_second.leaves(turn.request.endpoint, monotonic())
                turn.granted.set_result(None)
                await asyncio.sleep(0)  # it is sent before the next one is looked for

    async def _next_of_its_endpoint(self) -> _Turn | None:
        """Who is to go, when it is also the turn of their endpoint; else the next one after them."""
        while (turn := self._next(monotonic(), passing=True)) is not None:
            endpoint = turn.request.endpoint
            try:
                wait = await self._until_endpoint(endpoint)
            except (SQLAlchemyError, OSError) as error:
                log.warning("could not take an endpoint's turn: %s", type(error).__name__)
                return None
            if wait > 0:
                self._endpoints[endpoint] = monotonic() + wait
            elif turn in self._waiting and not turn.granted.done():
                return turn
        return None

    async def _until_endpoint(self, endpoint: str) -> float:
        """Seconds; asked of the records only where the account's pace does not keep to it."""
        pace = 1 / self._interval
        if pace <= endpoints.LIMIT and monotonic() >= self._endpoint_paused:
            return 0.0
        async with self._database.statement() as session:
            turn = await endpoints.take(session, endpoint, pace)
        if turn.refusals:
            self._refused.add(endpoint)
        return turn.wait

    def _next(self, now: float, *, passing: bool = False) -> _Turn | None:
        """Who is to go, of those who may `now`; with `passing` of those whom the gate lets through."""
        ready = (
            turn
            for turn in self._waiting
            if not turn.granted.done()
            and self._writing.isdisjoint(turn.request.writes)
            and self._endpoints.get(turn.request.endpoint, 0.0) <= now
            and (not passing or self._passes(turn))
        )
        return min(ready, key=lambda turn: turn.rank, default=None)

    def _passes(self, turn: _Turn) -> bool:
        return not self._held or turn.request.workflow in (None, self._trial)

    async def _change(self, since: float) -> None:
        """Until another request comes or is answered, or the next pause of an endpoint ends `since` then."""
        ends = (self._endpoints.get(turn.request.endpoint, 0.0) for turn in self._waiting)
        following = min((end for end in ends if end > since), default=None)
        try:
            async with asyncio.timeout(None if following is None else max(following - monotonic(), 0.0)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _slot(self) -> bool:
        """Whether a slot's time has come; False when it was taken back, or nobody is to have one."""
        if not self._slots and not await self._take():
            return False
        at = self._slots[0]
        free_at = self._last_second.free_at(1 / self._interval)
        if (wait := max(at, free_at) - monotonic()) > WAIT_AT_MOST:
            self._refuse(lambda: StripeBusy(wait * random.uniform(1.0, 1.25)), self._waiting)
            return False
        if wait > 0:
            await asyncio.sleep(wait)
        if not self._slots or self._slots[0] != at:
            return False
        self._slots.popleft()
        now = monotonic()
        late = 2 * CATCH_UP if self._is_alone(now) else max(LATE, self._interval)
        return now - at <= late

    def _is_alone(self, now: float) -> bool:
        return now >= self._alone_from

    async def _take(self) -> bool:
        """Takes some of the account's slots; False when it is held and nobody waits who tries it."""
        slots = await self._taken(through=False)
        self._held, self._trial = slots.held, slots.trial
        if not slots.held:
            return True
        self._refuse(StripeHeld, [turn for turn in self._waiting if not self._passes(turn)])
        if not self._waiting:
            return False
        await self._taken(through=True)
        return True

    async def _taken(self, *, through: bool) -> budget.Slots:
        few = 1 if through else max(1, min(len(self._waiting), math.ceil(AHEAD / self._interval)))
        began = monotonic()
        ahead = -CATCH_UP if self._is_alone(began) else self._latency
        async with self._database.statement() as session:
            slots = await budget.take(session, self._policy_rate, count=few, ahead=ahead, through=through)
            now = monotonic()
        # A slot that has passed while it was taken is of no use: the next is taken as much ahead.
        self._latency = min(now - began, AHEAD)
        self._interval = slots.interval
        self._endpoint_paused = now + slots.endpoint_paused
        if through or not slots.held:
            if slots.number - few != self._number:
                self._alone_from = now + SHARED_FOR
            self._number = slots.number
            first = now + (slots.wait if self._is_alone(now) else max(slots.wait, 0.0))
            self._slots.extend(first + number * slots.interval for number in range(few))
        return slots

    def _refuse(self, error: Callable[[], NotSent], turns: Sequence[_Turn]) -> None:
        for turn in turns:
            if not turn.granted.done():
                turn.granted.set_exception(error())
        self._waiting = [turn for turn in self._waiting if not turn.granted.done()]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds. Stripe documents no Retry-After, but it is obeyed where there is one (the SDK never reads
    it)."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else None

"""What Stripe may have counted of this process's requests within the last second.

Stripe counts a request as it arrives, which nobody tells us: somewhere between its leaving and its answer. So
a request that left late, or was long on its way, does not meet more of those that leave a second after it
than the pace allows.
"""

from collections import deque
from dataclasses import dataclass
from math import floor

IN_DOUBT = 0.1
"""Seconds, beyond the quickest answer, for which a request may be on its way: one that is answered later has
mostly been worked on."""

NOT_QUITE = 0.002
"""Seconds by which another one may be quicker still."""

KNOWN_AFTER = 20
"""Answers of an endpoint after which its quickest is known: before, all of the time may be on the way."""

FORGETTING = 1.001
"""How much slower the quickest answer of an endpoint is taken to be with each answer: Stripe's change."""


@dataclass
class Departure:
    """A request that left then (monotonic), and by when Stripe has counted it."""

    endpoint: str
    at: float
    counted_by: float


class LastSecond:
    """Tells when one more may leave, so that no more arrive within any second than the pace allows."""

    def __init__(self) -> None:
        self._left: deque[Departure] = deque()
        self._before = float("-inf")
        """By when all those were counted that are no longer in `_left`."""
        self._quickest: dict[str, tuple[int, float]] = {}
        """Of how many answers, and the seconds that it took, by endpoint."""

    def free_at(self, pace: float) -> float:
        """When (monotonic) one more may leave at a pace of so many requests a second."""
        most = max(floor(pace + 1e-6), 1)
        while len(self._left) > most:
            self._before = max(self._before, self._left.popleft().counted_by)
        if len(self._left) < most:
            return self._before
        return max(self._before, self._left[0].counted_by) + most / pace

    def leaves(self, endpoint: str, at: float) -> Departure:
        departure = Departure(endpoint, at, at + IN_DOUBT)
        self._left.append(departure)
        return departure

    def answered(self, departure: Departure, at: float) -> None:
        """Or given up: then it is not known for longer either."""
        took = at - departure.at
        answers, quickest = self._quickest.get(departure.endpoint, (0, took))
        on_its_way = took - max(quickest - NOT_QUITE, 0.0) if answers >= KNOWN_AFTER else took
        self._quickest[departure.endpoint] = (answers + 1, min(took, quickest * FORGETTING))
        departure.counted_by = min(departure.counted_by, departure.at + max(on_its_way, 0.0))

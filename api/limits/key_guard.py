"""Wrong API keys: counted over all processes, slowed down, and kept on an audit log.

A key that is right costs nothing more while this process knows it from its address. For any other, the
wrong ones of late are looked at: too many from one address, or of one prefix from wherever, and nothing
more is looked at until the window is over. A key that was right from an address before goes on working
there, so that nobody is locked out by a neighbour, nor by who guesses at their prefix elsewhere.
"""

import logging
import math
import time
from datetime import datetime, timedelta
from typing import TypeVar

from db.core import paces
from db.core.session import Database
from db.people import key_uses

from ..problems.problem import ApiProblem
from .problems import TOO_MANY_WRONG_KEYS

log = logging.getLogger(__name__)

Until = TypeVar("Until")

FROM_ADDRESS = 20
OF_PREFIX = 20
"""Wrong keys in ten to twenty minutes. Past `OF_PREFIX`, each further address has one try."""

REMEMBERED_FOR = 3600.0
"""Seconds for which this process writes and asks nothing more about a key that is right."""
MAX_REMEMBERED = 50_000
FORGET_EVERY = 3600.0


class KeyGuard:
    """One a process; what it counts is in the records."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._right_until: dict[tuple[str, str], float] = {}
        self._refused_until: dict[tuple[str, str], datetime] = {}
        self._forget_at = time.monotonic() + FORGET_EVERY

    async def check(self, prefix: str, address: str, right: bool, at: datetime) -> None:
        """Count this use of a key. Raises ApiProblem `too_many_wrong_keys`, whether it is right or not."""
        both = prefix, key_uses.place_of(address)
        if right and self._right_until.get(both, 0.0) > time.monotonic():
            return
        until = self._refused_until.get(both)
        # Of a right key the records say whether it is known here, whoever has guessed at it meanwhile.
        if not right and until is not None and at < until:
            raise _too_many(until - at)
        if await self._refused(*both, right, at):
            until = key_uses.window_of(at) + key_uses.WINDOW
            _remember(self._refused_until, both, until)
            raise _too_many(until - at)
        async with self._database.statement() as session:
            await key_uses.record(session, *both, at, right=right)
        if right:
            self._refused_until.pop(both, None)
            _remember(self._right_until, both, time.monotonic() + REMEMBERED_FOR)
        else:
            log.warning("a wrong key or link with the prefix %s from %s", *both)
            await self._forget(at)

    async def _refused(self, prefix: str, place: str, right: bool, at: datetime) -> bool:
        async with self._database.reading() as session:
            wrong = await key_uses.wrong_lately(session, prefix, place, at)
            too_many = wrong.from_address >= FROM_ADDRESS or (
                wrong.of_prefix >= OF_PREFIX and wrong.of_both > 0
            )
            return too_many and not (right and await key_uses.known(session, prefix, place, at))

    async def _forget(self, at: datetime) -> None:
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_EVERY
        async with self._database.statement() as session:
            await key_uses.forget(session, at)
        async with self._database.statement() as session:
            await paces.forget(session)


def _remember(into: dict[tuple[str, str], Until], both: tuple[str, str], until: Until) -> None:
    if len(into) >= MAX_REMEMBERED:
        into.clear()  # it is asked anew, which costs a look at the records each
    into[both] = until


def _too_many(wait: timedelta) -> ApiProblem:
    seconds = str(max(1, math.ceil(wait.total_seconds())))
    return ApiProblem.of(TOO_MANY_WRONG_KEYS, headers={"Retry-After": seconds})

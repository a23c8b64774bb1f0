"""Units of a sweep, each by itself: what is wrong with one of them stops none of the others.

A unit that fails is logged and kept as a setback, of which an operator hears when it has failed twice. It is
tried again when its sweep comes to it the next time, which of the mirror's objects may take a week (these are
also read by their ids each hour); once it succeeds the setback is gone.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from . import setbacks
from .clock import utc_now
from .session import Database, concerns_everybody
from .setbacks import FailedUnit

log = logging.getLogger(__name__)

U = TypeVar("U")
T = TypeVar("T")


class Unit(NamedTuple):
    """What may fail alone, by an id that the sweep has once; `organization` is whose it is, if known."""

    id: str
    organization: str | None = None


@dataclass(frozen=True)
class Alone:
    """A sweep by its name.

    `for_all` tells whether an error is about more than the unit in which it came up, such as records or a
    Stripe that can't be reached: it is raised, for the whole sweep to be tried again.
    """

    database: Database
    sweep: str
    for_all: Callable[[Exception], bool] = concerns_everybody

    async def each(
        self, units: Sequence[U], do: Callable[[U], Awaitable[T]], unit: Callable[[U], Unit]
    ) -> list[T]:
        """Does them one after the other; returns what came of those that did not fail."""
        done: list[T] = []
        succeeded: list[str] = []
        failed: list[FailedUnit] = []
        try:
            for one in units:
                current = unit(one)
                try:
                    done.append(await do(one))
                except Exception as error:
                    if self.for_all(error):
                        raise
                    failed.append(self._failed(current, error))
                else:
                    succeeded.append(current.id)
        finally:
            await setbacks.note(self.database, self.sweep, succeeded, failed, utc_now())
        return done

    async def note_failed(self, unit: Unit, error: Exception) -> None:
        """A unit has failed that was done in another way."""
        await setbacks.note(self.database, self.sweep, [], [self._failed(unit, error)], utc_now())

    def _failed(self, unit: Unit, error: Exception) -> FailedUnit:
        log.error("%s: %s failed; the others continue", self.sweep, unit.id, exc_info=error)
        return FailedUnit(unit.id, unit.organization, what(error))

    async def together(
        self,
        units: Sequence[U],
        store: Callable[[AsyncSession, Sequence[U]], Awaitable[T]],
        unit: Callable[[U], Unit],
    ) -> list[T]:
        """Stores all in one transaction; where one of them fails, each in a transaction of its own."""
        try:
            async with self.database.transaction() as session:
                done = await store(session, units)
        except Exception as error:
            if self.for_all(error):
                raise
            log.info("%s: %s in a batch of %d; storing each separately", self.sweep, what(error), len(units))
        else:
            await setbacks.note(self.database, self.sweep, [unit(one).id for one in units], [], utc_now())
            return [done]

        async def alone(one: U) -> T:
            async with self.database.transaction() as session:
                return await store(session, [one])

        return await self.each(units, alone, unit)


def what(error: BaseException) -> str:
    """What went wrong and where, without the values: they may be people's data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {'/'.join(frames[-1].filename.split('/')[-2:])}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"

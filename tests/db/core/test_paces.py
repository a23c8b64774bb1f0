"""How often something may happen, counted in one statement by all processes."""

import asyncio

import pytest
from sqlmodel import col, select, update

from db.core import paces
from db.core.session import Database
from db.tables import Pace

HOUR = 3600.0


async def take(database: Database, name: str = "one", cost: float = HOUR / 4, burst: float = HOUR) -> float:
    async with database.statement() as session:
        return await paces.take(session, name, cost=cost, burst=burst)


async def pass_by(database: Database, seconds: float) -> None:
    """As if so much time had passed: the clock is the database's own."""
    async with database.transaction() as session:
        await session.exec(update(Pace).values(spread_until=col(Pace.spread_until) - seconds))


async def test_so_many_come_at_once_and_then_one_after_the_other(database: Database) -> None:
    assert [await take(database) for _ in range(4)] == [0.0] * 4
    assert await take(database) == pytest.approx(HOUR / 4, abs=60)
    assert await take(database, "another") == 0.0
    await pass_by(database, HOUR / 4)
    assert await take(database) == 0.0
    assert await take(database) > 0
    await pass_by(database, 5 * HOUR)
    assert [await take(database) for _ in range(4)] == [0.0] * 4
    assert await take(database) > 0


async def test_of_many_at_the_same_moment_no_more_are_counted(database: Database) -> None:
    taken = await asyncio.gather(*(take(database, cost=HOUR / 8) for _ in range(20)))
    assert sorted(wait == 0.0 for wait in taken) == [False] * 12 + [True] * 8


async def test_what_is_over_is_forgotten(database: Database) -> None:
    for name in ("long over", "not yet"):
        await take(database, name)
    async with database.transaction() as session:
        await session.exec(update(Pace).where(col(Pace.name) == "long over").values(spread_until=1.0))
        await paces.forget(session)
    async with database.reading() as session:
        assert (await session.exec(select(Pace.name))).all() == ["not yet"]

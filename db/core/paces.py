"""How often something may happen, over all processes: one row each, and one statement to count it.

The generic cell rate algorithm: a row has the time at which all that happened would have been spread out
evenly. By the database's clock, so that no process' own makes others wait.
"""

import time
from functools import cache
from typing import cast

from sqlalchemy import ColumnElement, Executable, Float, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..tables import Pace
from .statements import greatest, is_sqlite, seconds_now


async def take(session: AsyncSession, name: str, *, cost: float, burst: float) -> float:
    """Count what takes up `cost` seconds, of which `burst` may come at once: 0.0. Beyond that it isn't
    counted, and comes so many seconds too early. `Database.statement` is enough."""
    values = {"name": name, "cost": cost, "burst": burst, "now": time.time()}
    connection = await session.connection()
    on_sqlite = is_sqlite(session)
    if (await connection.execute(_take(on_sqlite), values)).first() is not None:
        return 0.0
    ahead = await connection.scalar(
        select(col(Pace.spread_until) - seconds_now(on_sqlite)).where(Pace.name == name), values
    )
    return max((ahead or 0.0) + cost - burst, 0.001)


@cache
def _take(on_sqlite: bool) -> Executable:
    insert = (sqlite.insert if on_sqlite else postgresql.insert)(Pace)
    now, cost = seconds_now(on_sqlite), bindparam("cost", type_=Float)
    spread_until = greatest(cast(ColumnElement[float], col(Pace.spread_until)), now) + cost
    return (
        insert.values(name=bindparam("name"), spread_until=now + cost)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"spread_until": spread_until},
            where=spread_until <= now + bindparam("burst", type_=Float),
        )
        .returning(col(Pace.name))
    )


async def forget(session: AsyncSession) -> None:
    """Remove what is over: that it isn't there means the same."""
    await session.exec(delete(Pace).where(col(Pace.spread_until) < time.time() - 3600))

"""Stripe's limits of single endpoints, as all processes of ours know them: a row for each endpoint.

The account's own pace keeps to them where it is no faster than Stripe's limit of one. Else who is about to
send takes the endpoint's next time here as well, and so does everybody while Stripe refuses one endpoint.

Source: Stripe, "Rate limits" (25 requests a second of each endpoint; less of some).
"""

import time
from dataclasses import dataclass
from functools import cache
from typing import cast

from sqlalchemy import Executable, Float, ScalarSelect, Table, bindparam, func, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import greatest, insert_into, is_sqlite, seconds_now
from ..tables import StripeEndpoint

LIMIT = 25.0
"""Stripe's, of requests to one endpoint in any second."""

RATE = 23.5
"""Requests a second to one endpoint: so much under Stripe's 25 that they may come 60 ms later than meant."""

SHARE = 0.25
"""Of the account's pace, where that is more: Stripe's 25 are a quarter of the 100 that it takes from an
account, and one that may send more has asked for it. What is too much, Stripe refuses, and we learn."""

LONGEST_BACK_OFF = 30.0
"""Seconds that an endpoint pauses for at most, however often it has refused, unless Stripe names a time."""

FORGOTTEN_AFTER = 60.0
"""Seconds after the end of a pause from which earlier refusals no longer count: whoever waited for it was
answered by then, even where nobody could note that."""


@dataclass(frozen=True)
class EndpointTurn:
    """Now where `wait` is 0; else it is somebody else's turn, or nobody's, for so many seconds.

    `refusals` is how often Stripe has refused it since it last answered.
    """

    wait: float
    refusals: int


def rate(pace: float) -> float:
    """Requests a second to one endpoint, at an account's pace."""
    return max(RATE, pace * SHARE)


async def take(session: AsyncSession, endpoint: str, pace: float) -> EndpointTurn:
    """The endpoint's next time, if it has come. `Database.statement` is enough."""
    interval = 1 / rate(pace)
    values = {"endpoint": endpoint, "now": time.time(), "interval": interval}
    connection = await session.connection()
    row = (await connection.execute(_take(is_sqlite(session)), values)).one_or_none()
    if row is not None:
        return EndpointTurn(0.0, row.refusals)
    row = (await connection.execute(_look(is_sqlite(session)), values)).one()
    return EndpointTurn(max(row.free_at - row.now, interval), row.refusals)


async def pause(
    session: AsyncSession, endpoint: str, *, seconds: float | None, back_off: float, sent_ago: float
) -> None:
    """Stripe refuses this endpoint: nobody sends to it for so many seconds. Where it names none, for
    `back_off`, and each further time twice as long, as long as one soon follows the other.

    The request that was refused left `sent_ago` seconds ago: of several that left before the same pause only
    the first counts.
    """
    fresh = StripeEndpoint(endpoint=endpoint).model_dump()
    await session.exec(insert_into(session, StripeEndpoint).values(**fresh).on_conflict_do_nothing())
    on_sqlite = is_sqlite(session)
    found = await session.get_one(StripeEndpoint, endpoint, with_for_update=not on_sqlite)
    connection = await session.connection()
    now = (await connection.execute(select(seconds_now(on_sqlite)), {"now": time.time()})).scalar_one()
    if found.paused_until < now - FORGOTTEN_AFTER:
        found.refusals = 0
    wait = min(back_off * 2.0**found.refusals, LONGEST_BACK_OFF) if seconds is None else seconds
    if found.paused_until <= now - sent_ago:
        found.refusals += 1
    elif seconds is None:
        return
    found.paused_until = max(found.paused_until, now + wait)


async def answered(session: AsyncSession, endpoint: str) -> None:
    """Stripe takes requests to it again."""
    await session.exec(
        update(StripeEndpoint)
        .where(col(StripeEndpoint.endpoint) == endpoint)
        .values(refusals=0)
        .execution_options(synchronize_session=False)
    )


# --- Statements: made once, for making them costs more than carrying them out -------------------------

_TABLE = cast(Table, inspect(StripeEndpoint).local_table)

paused_until: ScalarSelect[float] = select(func.max(_TABLE.c.paused_until)).scalar_subquery()
"""Until when, in seconds since 1970, an endpoint is paused; none: NULL."""


@cache
def _take(on_sqlite: bool) -> Executable:
    row, now = _TABLE, seconds_now(on_sqlite)
    following = now + bindparam("interval", type_=Float)
    insert = sqlite.insert(row) if on_sqlite else postgresql.insert(row)
    return (
        insert.values(endpoint=bindparam("endpoint"), next_at=following, paused_until=0.0, refusals=0)
        .on_conflict_do_update(
            index_elements=[row.c.endpoint],
            set_={"next_at": following},
            where=(row.c.next_at <= now) & (row.c.paused_until <= now),
        )
        .returning(row.c.refusals)
    )


@cache
def _look(on_sqlite: bool) -> Executable:
    row, now = _TABLE, seconds_now(on_sqlite)
    return select(
        greatest(row.c.next_at, row.c.paused_until).label("free_at"), now.label("now"), row.c.refusals
    ).where(row.c.endpoint == bindparam("endpoint"))

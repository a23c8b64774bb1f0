"""The account's budget of requests to Stripe, shared by every process of ours: one row, evenly spaced slots.

A slot is taken by one statement on that row, so that no two processes ever get the same: each begins
1/rate seconds after the one before it (GCRA without a burst, for Stripe refuses what exceeds its limit
within any second). PostgreSQL's clock is the one that counts there, this machine's on SQLite: times leave
here as how long to wait, so that machines whose clocks differ agree.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import BigInteger, Executable, Float, Table, bindparam, case, func, inspect, update
from sqlalchemy import cast as cast_in_sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import greatest, insert_into, is_sqlite, seconds_now
from ..tables import StripeBudget
from . import endpoints

ACCOUNT = "account"

SLOWED_BY = 0.25
"""Of the pace, after a refusal: it is mostly one request of many, which came late and met with others. A
limit that has really become lower refuses again within a second or two, and slows down further each time."""

REGROWN_WITHIN = 20.0
"""Seconds of traffic in which a pace of nothing would be whole again."""

SLOWEST = 1.0
"""Requests a second: it is never slowed below that, unless an operator or the policy wants it."""

RETRY_AFTER = "retry-after"
"""The reason of a pause that Stripe asked for without naming a limit."""


@dataclass(frozen=True)
class Slots:
    """The first comes after `wait` seconds, each further one `interval` seconds later; `number` counts all
    that were ever taken, by anybody, up to the last of these.

    There are none while the account is held (`held`), but for requests of the workflow `trial`.
    """

    wait: float
    interval: float
    number: int
    held: bool = False
    trial: str | None = None
    endpoint_paused: float = 0.0
    """For so many seconds more some endpoint is; `endpoints.take` knows which."""


async def take(
    session: AsyncSession, policy_rate: float, *, count: int = 1, ahead: float = 0.0, through: bool = False
) -> Slots:
    """The next `count` slots, none earlier than `ahead` seconds from now; nobody else gets them. Where that
    is negative, they may be of the time that has just passed, if nobody had it.

    `through`: even while the account is held. One statement: `Database.statement` is enough.
    """
    now = time.time()
    values = {"now": now, "policy": policy_rate, "count": float(count), "ahead": ahead}
    connection = await session.connection()
    row = (await connection.execute(_take(is_sqlite(session), through), values)).one()
    rate = pace(policy_rate, row.requests_per_second, row.slowed_to)
    read_at = time.time() if is_sqlite(session) else row.now
    return Slots(
        wait=row.next_at - count / rate - read_at,
        interval=1 / rate,
        number=row.taken,
        held=row.held_since is not None,
        trial=row.trial,
        endpoint_paused=max((row.endpoint_paused_until or 0.0) - read_at, 0.0),
    )


def pace(policy_rate: float, operators: float | None, slowed_to: float | None) -> float:
    """Requests a second: the operator's or else the policy's, or what Stripe has slowed us to."""
    configured = operators or policy_rate
    return min(configured, slowed_to or configured)


async def pause(
    session: AsyncSession,
    policy_rate: float,
    *,
    seconds: float,
    reason: str,
    slow_down: bool,
    sent_ago: float,
) -> None:
    """Stripe asks the whole account to wait, and with `slow_down` to be slower from then on.

    The request that was refused left `sent_ago` seconds ago: of several that left before the same pause
    only the first slows down.
    """
    values = {
        "now": time.time(),
        "policy": policy_rate,
        "seconds": seconds,
        "reason": reason,
        "sent_ago": sent_ago,
    }
    await _ensure(session)
    connection = await session.connection()
    await connection.execute(_pause(is_sqlite(session), slow_down), values)


async def read(session: AsyncSession) -> StripeBudget:
    """The budget as it stands; one that was never used is as good as new."""
    return await session.get(StripeBudget, ACCOUNT) or StripeBudget(id=ACCOUNT)


async def set_rate(session: AsyncSession, rate: float | None, *, by: str, at: datetime) -> None:
    """An operator's requests a second, or None for the policy's again; workers see it with the next slot."""
    await _change(session, requests_per_second=rate, set_by=by, set_at=at, slowed_to=None)


# --- While an incident is open ------------------------------------------------------------------------


async def close_gate(session: AsyncSession, at: datetime) -> None:
    """Nothing is sent to Stripe any more but probes; one that is closed stays closed since when it was."""
    await _change(session, held_since=func.coalesce(col(StripeBudget.held_since), at), trial=None)


async def open_gate(session: AsyncSession) -> None:
    """Everything is sent again. Workflows that are held wait until they are released all the same."""
    await _change(session, held_since=None, trial=None)


async def open_by_hand(session: AsyncSession, *, by: str, because: str, at: datetime) -> None:
    """As `open_gate`; it is kept who did it, and why."""
    await _change(session, held_since=None, trial=None, opened_by=by, opened_because=because, opened_at=at)


async def shut_since(session: AsyncSession) -> datetime | None:
    """Since when the gate is closed, which does not change before the transaction ends; None: it is open."""
    budget = await _locked(session)
    return budget.held_since if budget is not None else None


async def try_with(session: AsyncSession, workflow_id: str) -> None:
    """The requests of this workflow are sent although the gate is closed."""
    await _change(session, trial=workflow_id)


async def is_closed(session: AsyncSession) -> bool:
    """Whether the gate is closed, for all but the one that may try."""
    return (await read(session)).held_since is not None


async def holds_up(session: AsyncSession, workflow_id: str) -> bool:
    """Whether the gate is closed to the workflow; that does not change before the transaction ends.

    So whoever opens the gate afterwards finds what this transaction has written.
    """
    budget = await _locked(session)
    return budget is not None and budget.held_since is not None and budget.trial != workflow_id


async def _locked(session: AsyncSession) -> StripeBudget | None:
    wanted = select(StripeBudget)
    if not is_sqlite(session):
        wanted = wanted.with_for_update()
    return (await session.exec(wanted.execution_options(populate_existing=True))).one_or_none()


# --- Statements: made once, for making them costs more than carrying them out -------------------------


async def _ensure(session: AsyncSession) -> None:
    fresh = StripeBudget(id=ACCOUNT).model_dump()
    await session.exec(insert_into(session, StripeBudget).values(**fresh).on_conflict_do_nothing())


async def _change(session: AsyncSession, **values: Any) -> None:
    await _ensure(session)
    await session.exec(update(StripeBudget).values(**values).execution_options(synchronize_session=False))


_TABLE = cast(Table, inspect(StripeBudget).local_table)


@cache
def _take(on_sqlite: bool, through: bool) -> Executable:
    row = _TABLE
    now = seconds_now(on_sqlite)
    policy, count, ahead = (bindparam(name, type_=Float) for name in ("policy", "count", "ahead"))
    configured = func.coalesce(row.c.requests_per_second, policy)

    # What has been slowed down grows back with the time that passes while nothing is paused.
    free_at = greatest(row.c.next_at, row.c.paused_until)
    starts = greatest(free_at, now + ahead)
    passed = starts - free_at + count / func.coalesce(row.c.slowed_to, configured)
    grown = row.c.slowed_to + passed * configured / REGROWN_WITHIN
    slowed_to = case((grown < configured, grown), else_=None)

    ends = starts + count / func.coalesce(slowed_to, configured)
    taken = row.c.taken + cast_in_sql(count, BigInteger)
    held = row.c.held_since.is_not(None)
    insert = sqlite.insert(row) if on_sqlite else postgresql.insert(row)
    return (
        insert.values(
            id=ACCOUNT,
            next_at=now + ahead + count / policy,
            taken=cast_in_sql(count, BigInteger),
            paused_until=0.0,
        )
        .on_conflict_do_update(
            index_elements=[row.c.id],
            set_={
                "next_at": ends if through else case((held, row.c.next_at), else_=ends),
                "taken": taken if through else case((held, row.c.taken), else_=taken),
                "slowed_to": slowed_to if through else case((held, row.c.slowed_to), else_=slowed_to),
            },
        )
        .returning(
            row.c.next_at,
            row.c.taken,
            row.c.requests_per_second,
            row.c.slowed_to,
            row.c.held_since,
            row.c.trial,
            now.label("now"),
            endpoints.paused_until.label("endpoint_paused_until"),
        )
    )


@cache
def _pause(on_sqlite: bool, slow_down: bool) -> Executable:
    row = _TABLE
    now = seconds_now(on_sqlite)
    policy, seconds, sent_ago = (bindparam(name, type_=Float) for name in ("policy", "seconds", "sent_ago"))
    configured = func.coalesce(row.c.requests_per_second, policy)
    pace_now = func.coalesce(row.c.slowed_to, configured)
    values: dict[str, Any] = {
        "paused_until": greatest(row.c.paused_until, now + seconds),
        "pause_reason": bindparam("reason"),
    }
    if slow_down:
        slowest = case((pace_now < SLOWEST, pace_now), else_=SLOWEST)
        slower = greatest(pace_now * (1 - SLOWED_BY), slowest)
        same_burst = row.c.paused_until > now - sent_ago
        values["slowed_to"] = case((same_burst, row.c.slowed_to), else_=slower)
    return update(row).values(values)

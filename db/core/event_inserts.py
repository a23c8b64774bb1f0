"""The statements that add events to a timeline, made once: on PostgreSQL with what is written beside them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Insert, Table, bindparam, inspect, literal, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from ..tables import Operation, TimelineEvent
from . import pending
from .pending import Build

_TABLE = cast(Table, inspect(TimelineEvent).local_table)


def _given(rows: int) -> list[dict[str, Any]]:
    return [{c.key: bindparam(f"{c.key}_{n}", type_=c.type) for c in _TABLE.c} for n in range(rows)]


@lru_cache(maxsize=50)
def on_sqlite(rows: int) -> Insert:
    """Those of these events of which none is in the way; what is written beside them was by itself."""
    return sqlite.insert(_TABLE).values(_given(rows)).on_conflict_do_nothing().returning(_TABLE.c.seq)


@lru_cache(maxsize=500)
def insert(rows: int, alone: bool, *beside: Build) -> Insert:
    """All of these events or, where another transaction has the place of the first one or one of them is told
    already, none: `alone` it is then an error, and what is written `beside` them isn't either."""
    given = _given(rows)
    events = postgresql.insert(_TABLE).add_cte(*pending.ctes(*beside))
    if rows == 1:
        one = events.values(given[0])
        return (one if alone else one.on_conflict_do_nothing()).returning(_TABLE.c.seq)
    if alone:
        every = union_all(*(select(*one.values()) for one in given))
        return events.from_select(list(given[0]), every).returning(_TABLE.c.seq)
    told = _TABLE.c.key.in_([one["key"] for one in given])
    new = ~select(_TABLE.c.seq).where(_TABLE.c.operation_id == given[0]["operation_id"], told).exists()
    first = postgresql.insert(_TABLE).from_select(list(given[0]), select(*given[0].values()).where(new))
    there = first.on_conflict_do_nothing().returning(_TABLE.c.seq).cte("first")
    return events.add_cte(there).from_select(list(given[0]), _after(there, given[1:])).returning(_TABLE.c.seq)


@lru_cache(maxsize=500)
def held(rows: int, *beside: Build) -> Insert:
    """Likewise, with an error, of what was read without a lock. The operation is locked first: who holds its
    lock is waited for before any place on the timeline is taken, and the place is gone then."""
    given = _given(rows)
    same = col(Operation.id) == given[0]["operation_id"]
    locked = select(col(Operation.id)).where(same).with_for_update(key_share=True).cte("locked")
    events = postgresql.insert(_TABLE).add_cte(locked, *pending.ctes(*beside))
    return events.from_select(list(given[0]), _after(locked, given)).returning(_TABLE.c.seq)


def _after(there: Any, given: Sequence[Mapping[str, Any]]) -> Any:
    """These rows, where that has a row."""
    rows = [select(*one.values()).where(select(literal(1)).select_from(there).exists()) for one in given]
    return union_all(*rows) if len(rows) > 1 else rows[0]

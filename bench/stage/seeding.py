"""Rows by the million: made by the database itself, from one row and a number."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, Integer, Table, Text, insert, inspect, literal, select
from sqlalchemy import cast as cast_in_sql
from sqlmodel import SQLModel

from db.core.session import Database
from db.core.statements import is_sqlite

AT_A_TIME = 100_000
"""Rows of one transaction: other processes wait for it on SQLite."""

Number = ColumnElement[int]


async def seed(
    records: Database,
    like: SQLModel,
    count: int,
    differing: Callable[[Number], Mapping[str, ColumnElement[Any]]],
) -> None:
    """Store `count` rows as `like` is, but for the columns that `differing` gives for the row's number, which
    counts from 0."""
    for first in range(0, count, AT_A_TIME):
        async with records.transaction() as session:
            connection = await session.connection()
            end = min(first + AT_A_TIME, count)
            await connection.execute(_rows(like, first, end, differing, typed=not is_sqlite(session)))


def text_of(number: Number) -> ColumnElement[str]:
    return cast_in_sql(number, Text)


def _rows(
    like: SQLModel,
    first: int,
    end: int,
    differing: Callable[[Number], Mapping[str, ColumnElement[Any]]],
    *,
    typed: bool,
) -> Any:
    """`typed`: PostgreSQL has to be told what a value is; SQLite would make a number of a time."""
    series = select(literal(first, Integer).label("n")).cte("series", recursive=True)
    series = series.union_all(select(series.c.n + 1).where(series.c.n < end - 1))
    table = cast(Table, inspect(type(like)).local_table)
    values: dict[str, ColumnElement[Any]] = {}
    for name, value in like.model_dump().items():
        if value is not None:
            type_ = table.c[name].type
            values[name] = cast_in_sql(literal(value, type_), type_) if typed else literal(value, type_)
    values |= differing(series.c.n)
    return insert(table).from_select(list(values), select(*values.values()))

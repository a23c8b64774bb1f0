"""INSERT … ON CONFLICT for the database of a session, and what else the two spell differently."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import Column, ColumnElement, Executable, Float, Table, bindparam, case, func, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import make_transient_to_detached
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from .pending import send_pending

Row = TypeVar("Row", bound=SQLModel)


def is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def insert_into(session: AsyncSession, table: type[SQLModel]) -> postgresql.Insert:
    """The dialect's own INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`.

    Both dialects spell those alike, so one of them stands for both to the type checker.
    """
    if is_sqlite(session):
        return cast(postgresql.Insert, sqlite.insert(table))
    return postgresql.insert(table)


async def insert_if_new(session: AsyncSession, row: Row) -> Row | None:
    """Store the row and return it as the session keeps it, or None if a unique constraint has one already.

    Waits for a transaction that is just inserting the same: afterwards that row is there, or this one is.
    """
    await _flush(session)
    connection = await session.connection()
    # Made once a table: building the statement would cost more than carrying it out.
    statement = _insert_if_new(type(row), is_sqlite(session))
    stored = await connection.execute(statement, row.model_dump())
    if stored.first() is None:
        return None
    make_transient_to_detached(row)
    session.add(row)
    return row


async def insert_new(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """Store rows, given by their columns, in one statement; returns the primary keys of those that no unique
    constraint had already. Nothing becomes an object of the session.

    Who may store the same rows at the same moment gives them in the same order: else each of two waits for
    what the other has just inserted.
    """
    if not rows:
        return []
    await _flush(session)
    connection = await session.connection()
    stored = await connection.execute(_insert_if_new(table, is_sqlite(session)), rows)
    return [key[0] if len(key) == 1 else tuple(key) for key in stored]


async def _flush(session: AsyncSession) -> None:
    """What a row refers to may not be written yet."""
    if session.new or session.dirty:
        await session.flush()
    await send_pending(session)


@cache
def _insert_if_new(table: type[SQLModel], on_sqlite: bool) -> Executable:
    columns: Table = inspect(table).local_table
    insert = sqlite.insert(columns) if on_sqlite else postgresql.insert(columns)
    return insert.on_conflict_do_nothing().returning(*columns.primary_key)


async def store_reading(session: AsyncSession, row: SQLModel, kept: frozenset[str] = frozenset()) -> None:
    """Store what was read from Stripe at the row's `synced_at`, unless what is there was read later. Of a row
    that was erased what is personal stays as it is.

    `kept` are columns in which None says that the reading did not show it: what is there stays.
    """
    await _flush(session)
    connection = await session.connection()
    await connection.execute(_store_reading(type(row), is_sqlite(session), kept), row.model_dump())


async def store_readings(
    session: AsyncSession, rows: Sequence[SQLModel], kept: frozenset[str] = frozenset()
) -> None:
    """Store what was read from Stripe, rows of one table, as `store_reading` does each."""
    if not rows:
        return
    await _flush(session)
    connection = await session.connection()
    statement = _store_reading(type(rows[0]), is_sqlite(session), kept)
    await connection.execute(statement, [row.model_dump() for row in rows])


@cache
def _store_reading(table: type[SQLModel], on_sqlite: bool, kept: frozenset[str]) -> Executable:
    columns: Table = inspect(table).local_table
    insert = sqlite.insert(columns) if on_sqlite else postgresql.insert(columns)
    personal: frozenset[str] = getattr(table, "PERSONAL", frozenset())

    def stored(c: Column[Any]) -> ColumnElement[Any]:
        if c.key in kept or c.key == "erased_at":
            return func.coalesce(insert.excluded[c.key], c)
        read = insert.excluded[c.key]
        return case((columns.c.erased_at.is_(None), read), else_=c) if c.key in personal else read

    return insert.on_conflict_do_update(
        index_elements=list(columns.primary_key),
        set_={c.key: stored(c) for c in columns.c if not c.primary_key},
        where=columns.c.synced_at <= insert.excluded.synced_at,
    )


def seconds_now(on_sqlite: bool) -> ColumnElement[float]:
    """Seconds since 1970: by PostgreSQL's clock; on SQLite the parameter `now`, which is this machine's."""
    if on_sqlite:
        return bindparam("now", type_=Float)
    return func.extract("epoch", func.clock_timestamp()).cast(Float(53))


def greatest(one: ColumnElement[float], other: ColumnElement[float]) -> ColumnElement[float]:
    """SQLite and PostgreSQL have other names for it."""
    return case((one > other, one), else_=other)

"""INSERT … ON CONFLICT for the database of a session."""

from typing import TypeVar, cast

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

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
    table = type(row)
    statement = insert_into(session, table).values(**row.model_dump()).on_conflict_do_nothing()
    return await session.scalar(statement.returning(table))

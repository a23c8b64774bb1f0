"""Compares what was read from Stripe with our mirror, and stores it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Column, Table, inspect
from sqlalchemy import select as columns_of
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import insert_into, store_readings

Row = TypeVar("Row", bound=SQLModel)

UNCOMPARED = frozenset(
    {"synced_at", "organization_id", "folded", "payment_status", "given", "given_in", "erased_at"}
)


@dataclass(frozen=True)
class RowDifference(Generic[Row]):
    """A reading that the mirror had otherwise, or not at all as this organization's: then without fields.

    Each field has name, ours and stripe as JSON; an amount has its currency besides.
    """

    row: Row
    fields: list[dict[str, Any]]
    since: datetime | None
    """When the mirror's own reading was made; None where it had none."""

    @property
    def added(self) -> bool:
        return self.since is None


async def compare_and_store(
    session: AsyncSession, rows: Sequence[Row], kept: frozenset[str] = frozenset()
) -> list[RowDifference[Row]]:
    """Store what was read from Stripe, rows of one table, and tell which the mirror had otherwise.

    What the mirror has read later stays and is no difference. The rows are locked in the order of their
    ids, and so are those of everybody else. `kept` are columns in which None says that the reading did not
    show it.
    """
    if not rows:
        return []
    if session.new or session.dirty:
        await session.flush()
    table: Table = inspect(type(rows[0])).local_table
    [key] = table.primary_key
    ordered = sorted(rows, key=lambda row: str(getattr(row, key.key)))
    ours = await _locked_or_inserted(session, type(rows[0]), table, key, ordered)
    found = [
        differing
        for row in ordered
        if (differing := _compared(table, row, ours.get(getattr(row, key.key)), kept)) is not None
    ]
    # Again those that were just inserted: that changes nothing.
    await store_readings(session, ordered, kept)
    return found


async def _locked_or_inserted(
    session: AsyncSession, model: type[SQLModel], table: Table, key: Column[Any], rows: Sequence[SQLModel]
) -> dict[str, dict[str, Any]]:
    """What the mirror has, by id. A row that it has not is inserted: no one else can do so meanwhile."""

    def id_of(row: SQLModel) -> str:
        return str(getattr(row, key.key))

    connection = await session.connection()
    known = set(await connection.scalars(columns_of(key).where(key.in_(map(id_of, rows)))))
    ours: dict[str, dict[str, Any]] = {}
    for there, group in groupby(rows, key=lambda row: id_of(row) in known):
        few = list(group)
        wanted = {id_of(row) for row in few}
        if not there:
            new = insert_into(session, model).values([row.model_dump() for row in few])
            wanted -= set(await connection.scalars(new.on_conflict_do_nothing().returning(key)))
        ours |= await _locked(session, table, key, wanted)
    return ours


async def _locked(
    session: AsyncSession, table: Table, key: Column[Any], ids: Iterable[str]
) -> dict[str, dict[str, Any]]:
    wanted = columns_of(table).where(key.in_(ids)).order_by(key).with_for_update(key_share=True)
    found = await (await session.connection()).execute(wanted)
    return {row[key.key]: dict(row) for row in found.mappings()}


def _compared(
    table: Table, row: Row, ours: dict[str, Any] | None, kept: frozenset[str]
) -> RowDifference[Row] | None:
    read: Any = row
    if ours is None or ours["organization_id"] != read.organization_id:
        return RowDifference(row, [], None)
    if ours["synced_at"] > read.synced_at:
        return None
    erased: frozenset[str] = getattr(row, "PERSONAL", frozenset()) if ours.get("erased_at") else frozenset()
    was, now = type(row)(**ours).model_dump(mode="json"), row.model_dump(mode="json")
    fields = [
        _field(column, was[name], now[name], now.get("currency"))
        for column in table.columns
        if (name := column.key) not in UNCOMPARED | erased
        and was[name] != now[name]
        and not (name in kept and now[name] is None)
    ]
    return RowDifference(row, fields, ours["synced_at"]) if fields else None


def _field(column: Column[Any], ours: Any, stripe: Any, currency: str | None) -> dict[str, Any]:
    field = {"name": column.key, "ours": ours, "stripe": stripe}
    return field | {"currency": currency} if isinstance(column.type, BigInteger) else field

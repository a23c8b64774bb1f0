"""Keyset pages: a cursor holds the key of a page's last row, so rows that come in between shift nothing."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, Protocol, TypeVar

from sqlalchemy import Integer, func, tuple_
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from billing.core.errors import InvalidRequest

from ..tables.columns import Utc
from .session import Database

Row = TypeVar("Row")
Part = str | int | datetime
Key = tuple[Part, ...]

DEFAULT_LIMIT = 50


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows and where to go on, or None at the end."""

    rows: list[Row]
    next_cursor: str | None


def encode(key: Key) -> str:
    """An opaque cursor for the row with this key."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode(cursor: str, types: Sequence[type]) -> Key:
    """The key in a cursor, of parts of these types (str, int or datetime).

    Raises InvalidRequest `invalid_cursor` for anything that `encode` did not make of such a key.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        key = tuple(
            datetime.fromisoformat(part) if kind is datetime else part
            for kind, part in zip(types, parts, strict=True)
        )
        sound = encode(key) == cursor and all(map(_sound, key, types))
    except (ValueError, TypeError):
        sound = False
    if not sound:
        raise InvalidRequest(
            "invalid_cursor", "cursor: use the next_cursor of a list unchanged", field="cursor"
        )
    return key


def _sound(part: Part, kind: type) -> bool:
    """Whether the database can compare with it.

    PostgreSQL takes no NUL, no driver takes half a surrogate pair, and `Utc` no time without a zone.
    """
    if type(part) is not kind:  # a bool would pass for an int
        return False
    if isinstance(part, datetime):
        return part.utcoffset() == timedelta(0)
    return part.isprintable() if isinstance(part, str) else abs(part) < 1 << 63


@dataclass(frozen=True)
class FirstOf:
    """A part of a key: the first column, where it is NULL the second, which never is, or a number."""

    column: Any
    otherwise: Any

    @property
    def expression(self) -> Any:
        return func.coalesce(self.column, self.otherwise)

    @property
    def type(self) -> Any:
        return self.column.type

    def of(self, row: Any) -> Any:
        found = getattr(row, self.column.key)
        if found is not None or isinstance(self.otherwise, int):
            return self.otherwise if found is None else found
        return getattr(row, self.otherwise.key)


ByCreation = Literal["created_at", "-created_at"]
"""The sorts of lists in which nothing else matters; `-` sorts downwards."""


def order(keys: Mapping[str, tuple[Any, ...]], sort: str) -> tuple[tuple[Any, ...], bool]:
    """The key that a sort names, and whether it is descending, which `-` before the name says."""
    return keys[sort.removeprefix("-")], sort.startswith("-")


class RowPages(Protocol[Row]):
    """Rows in one order, to be read page by page."""

    async def page(self, session: AsyncSession, *, limit: int, cursor: str | None = None) -> Page[Row]:
        """Raises InvalidRequest `invalid_cursor`."""

    async def has_more_than(self, session: AsyncSession, most: int) -> bool:
        """Whether there are more rows."""


async def each_row(database: Database, listing: RowPages[Row], *, at_once: int) -> AsyncIterator[Row]:
    """All of a list, so many read at once; between two pages no session is open."""
    cursor: str | None = None
    while True:
        async with database.reading() as session:
            page = await listing.page(session, limit=at_once, cursor=cursor)
        for row in page.rows:
            yield row
        cursor = page.next_cursor
        if cursor is None:
            return


@dataclass(frozen=True)
class FewRows(Generic[Row]):
    """Rows that were all read because they are few: upwards by `key`, unless a sort with `-` is asked for."""

    rows: Sequence[Row]
    key: Callable[[Row], str]
    sort: str = ""

    async def page(self, session: AsyncSession, *, limit: int, cursor: str | None = None) -> Page[Row]:
        """Raises InvalidRequest `invalid_cursor`."""
        rows = [*reversed(self.rows)] if self.sort.startswith("-") else self.rows
        start = self._after(rows, cursor) if cursor else 0
        shown = list(rows[start : start + limit])
        more = start + limit < len(rows)
        return Page(shown, encode((self.key(shown[-1]),)) if more else None)

    def _after(self, rows: Sequence[Row], cursor: str) -> int:
        """Where the page begins. What a row that is gone stood before is not known: nobody is to read from
        the beginning again without noticing."""
        after = decode(cursor, [str])
        for at, row in enumerate(rows):
            if (self.key(row),) == after:
                return at + 1
        raise InvalidRequest(
            "invalid_cursor", "cursor: the list has changed; read it from the beginning", field="cursor"
        )

    async def has_more_than(self, session: AsyncSession, most: int) -> bool:
        return len(self.rows) > most


NOTHING: FewRows[Any] = FewRows((), str)
"""A list of nothing, for whoever may see none of it."""


@dataclass(frozen=True)
class PagedRows(Generic[Row]):
    """Rows in one order, to be read page by page: by `key`, whose columns together are unique.

    A part is a column, or the first of some. `keep` filters what the database cannot; pages are full all the
    same.
    """

    rows: SelectOfScalar[Row]
    key: tuple[Any, ...]
    descending: bool = True
    keep: Callable[[Row], bool] = lambda row: True

    async def page(
        self, session: AsyncSession, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> Page[Row]:
        """Raises InvalidRequest `invalid_cursor`."""
        kept: list[Row] = []
        after = decode(cursor, [_type_of(part) for part in self.key]) if cursor else None
        columns = [part.expression if isinstance(part, FirstOf) else part for part in self.key]
        rows = self.rows.order_by(*(one.desc() if self.descending else one.asc() for one in columns))
        while True:
            query = rows.limit(limit + 1)
            if after is not None:
                key = tuple_(*columns)
                query = query.where(key < after if self.descending else key > after)
            batch = list(await session.exec(query))
            kept += [row for row in batch if self.keep(row)]
            if len(kept) > limit:
                return Page(kept[:limit], encode(self._key_of(kept[limit - 1])))
            if len(batch) <= limit:
                return Page(kept, None)
            after = self._key_of(batch[-1])

    async def has_more_than(self, session: AsyncSession, most: int) -> bool:
        """Whether there are more rows, those that `keep` leaves out included."""
        some = self.rows.limit(most + 1).subquery()
        return (await session.exec(select(func.count()).select_from(some))).one() > most

    def _key_of(self, row: Row) -> Key:
        return tuple(
            part.of(row) if isinstance(part, FirstOf) else getattr(row, part.key) for part in self.key
        )


def _type_of(part: Any) -> type:
    if isinstance(part.type, Utc):
        return datetime
    return int if isinstance(part.type, Integer) else str

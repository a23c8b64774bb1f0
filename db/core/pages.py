"""Keyset pages: a cursor holds the key of a page's last row, so rows that come in between shift nothing."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import tuple_
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from billing.core.errors import InvalidRequest

from ..tables.columns import Utc

Row = TypeVar("Row")
Key = tuple[str | datetime, ...]

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
    """The key in a cursor, of parts of these types (str or datetime).

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


def _sound(part: str | datetime, kind: type) -> bool:
    """Whether the database can compare with it.

    PostgreSQL takes no NUL, no driver takes half a surrogate pair, and `Utc` no time without a zone.
    """
    if not isinstance(part, kind):
        return False
    if isinstance(part, datetime):
        return part.utcoffset() == timedelta(0)
    return part.isprintable()


async def read_page(
    session: AsyncSession,
    rows: SelectOfScalar[Row],
    *key: Any,
    limit: int,
    cursor: str | None,
    keep: Callable[[Row], bool] = lambda row: True,
) -> Page[Row]:
    """The page of `rows` after `cursor`, the greatest `key` first: columns that together are unique.

    `keep` filters what the database cannot; pages are full all the same.
    """
    kept: list[Row] = []
    after = (
        decode(cursor, [datetime if isinstance(column.type, Utc) else str for column in key])
        if cursor
        else None
    )

    def key_of(row: Row) -> Key:
        return tuple(getattr(row, column.key) for column in key)

    while True:
        query = rows.order_by(*(column.desc() for column in key)).limit(limit + 1)
        if after is not None:
            query = query.where(tuple_(*key) < after)
        batch = list(await session.exec(query))
        kept += [row for row in batch if keep(row)]
        if len(kept) > limit:
            return Page(kept[:limit], encode(key_of(kept[limit - 1])))
        if len(batch) <= limit:
            return Page(kept, None)
        after = key_of(batch[-1])

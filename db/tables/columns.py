"""What the tables' columns are made of."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import JSON, TypeDecorator
from sqlmodel import Field
from ulid import ULID


class Utc(TypeDecorator[datetime]):
    """A timezone-aware UTC datetime on every database; SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was about to be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def new_id(prefix: str) -> str:
    """A sortable unique id such as `op_01J…`."""
    return f"{prefix}_{ULID()}"


def oldest_id(prefix: str, at: datetime) -> str:
    """What the ids of `new_id` that were made before sort before."""
    return f"{prefix}_{ULID.from_datetime(at)}"


def utc(**more: Any) -> Any:
    """A column for a time."""
    return Field(sa_type=Utc, **more)


def document(**more: Any) -> Any:
    """A column for JSON; None is NULL."""
    return Field(sa_type=JSON(none_as_null=True), **more)


def minor(**more: Any) -> Any:
    """A column for an amount in minor units."""
    return Field(sa_type=BigInteger, **more)

"""Where API keys are tried from: an audit log of ten-minute rows, by which wrong ones are counted.

In the database, so that every process counts the same. What is written is bounded: whoever has sent enough
wrong keys is refused before anything more is.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from sqlalchemy import case, delete
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import insert_into
from ..tables import KeyUse

WINDOW = timedelta(minutes=10)
"""A row's. What counts is in this window and the one before it."""
KNOWN_FOR = timedelta(days=7)
"""How long an address is known from which a key was right."""
KEPT_FOR = timedelta(days=90)


class WrongKeys(NamedTuple):
    """How many wrong ones there were lately."""

    from_address: int
    of_prefix: int
    of_both: int


def place_of(address: str) -> str:
    """What is counted as one address: of IPv6 the /64, which is what one subscriber has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def window_of(at: datetime) -> datetime:
    """The beginning of the window that a moment falls into."""
    seconds = WINDOW.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


async def wrong_lately(session: AsyncSession, prefix: str, place: str, at: datetime) -> WrongKeys:
    """What was counted of this address, of this prefix, and of both together."""
    here, this = col(KeyUse.address) == place, col(KeyUse.prefix) == prefix
    found = await session.exec(
        select(
            func.sum(case((here, KeyUse.wrong), else_=0)),
            func.sum(case((this, KeyUse.wrong), else_=0)),
            func.sum(case((here & this, KeyUse.wrong), else_=0)),
        ).where(or_(here, this), col(KeyUse.window_start) >= window_of(at) - WINDOW)
    )
    return WrongKeys(*(count or 0 for count in found.one()))


async def known(session: AsyncSession, prefix: str, place: str, at: datetime) -> bool:
    """Whether this key was right from this address of late."""
    found = await session.exec(
        select(KeyUse.prefix)
        .where(
            KeyUse.prefix == prefix,
            KeyUse.address == place,
            col(KeyUse.accepted),
            col(KeyUse.window_start) >= at - KNOWN_FOR,
        )
        .limit(1)
    )
    return found.first() is not None


async def record(session: AsyncSession, prefix: str, place: str, at: datetime, *, right: bool) -> None:
    """Add one use. One statement: `Database.statement` is enough."""
    wrong = 0 if right else 1
    row = {
        "prefix": prefix,
        "window_start": window_of(at),
        "address": place,
        "wrong": wrong,
        "accepted": right,
        "last_at": at,
    }
    changed = {"wrong": col(KeyUse.wrong) + wrong, "accepted": col(KeyUse.accepted) | right, "last_at": at}
    await session.exec(
        insert_into(session, KeyUse)
        .values(**row)
        .on_conflict_do_update(index_elements=["prefix", "window_start", "address"], set_=changed)
    )


async def forget(session: AsyncSession, at: datetime) -> None:
    """Remove what is older than an audit looks back."""
    await session.exec(delete(KeyUse).where(col(KeyUse.window_start) < at - KEPT_FOR))

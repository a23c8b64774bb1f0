"""Sign-ins by a provider that are on their way: each bound to the browser that began it, and used once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.keys import UNPEPPERED

from ..tables import SignInAttempt

LASTS = timedelta(minutes=10)


async def begin(
    session: AsyncSession, *, state: str, browser: str, next: str | None, at: datetime
) -> SignInAttempt:
    """Note that a browser is sent to the provider; those of long ago are forgotten."""
    await session.exec(delete(SignInAttempt).where(col(SignInAttempt.expires_at) < at - LASTS))
    attempt = SignInAttempt(
        state_hash=_hash(state),
        browser_hash=_hash(browser),
        next=next,
        created_at=at,
        expires_at=at + LASTS,
    )
    session.add(attempt)
    await session.flush()
    return attempt


async def come_back(session: AsyncSession, *, state: str, browser: str, at: datetime) -> SignInAttempt | None:
    """The attempt that this browser began with this state, the first time that it comes back."""
    here = (
        col(SignInAttempt.state_hash) == _hash(state),
        col(SignInAttempt.browser_hash) == _hash(browser),
        col(SignInAttempt.expires_at) > at,
    )
    return await _first(session, *here, col(SignInAttempt.returned_at).is_(None), returned_at=at)


async def offer(
    session: AsyncSession, attempt: SignInAttempt, people: Sequence[str], roles: list[str] | None
) -> None:
    """Keep whom the provider vouched for, until the person chooses as which of them they come in."""
    await session.exec(
        update(SignInAttempt)
        .where(col(SignInAttempt.state_hash) == attempt.state_hash)
        .values(people=list(people), roles=roles)
        .execution_options(synchronize_session=False)
    )


async def offered(session: AsyncSession, *, browser: str, at: datetime) -> SignInAttempt | None:
    """The attempt of this browser in which there is still something to choose."""
    found = await session.exec(
        select(SignInAttempt).where(
            SignInAttempt.browser_hash == _hash(browser),
            col(SignInAttempt.people).is_not(None),
            col(SignInAttempt.chosen_at).is_(None),
            col(SignInAttempt.expires_at) > at,
        )
    )
    return found.one_or_none()


async def choose(session: AsyncSession, attempt: SignInAttempt, *, at: datetime) -> bool:
    """Whether nobody has chosen in it before."""
    of_it = col(SignInAttempt.state_hash) == attempt.state_hash
    return await _first(session, of_it, col(SignInAttempt.chosen_at).is_(None), chosen_at=at) is not None


async def _first(session: AsyncSession, *where: Any, **values: Any) -> SignInAttempt | None:
    """The row that these conditions were true of until now: of two at the same moment, for one of them."""
    changed = await session.exec(
        update(SignInAttempt)
        .where(*where)
        .values(**values)
        .returning(SignInAttempt)
        .execution_options(synchronize_session=False)
    )
    return changed.scalar_one_or_none()


def _hash(secret: str) -> str:
    """Of what lasts for ten minutes, and lets nobody in by itself."""
    return UNPEPPERED.hash(secret)

"""How far what is new in Stripe has been compared with the mirror."""

from datetime import UTC, datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import AT_LEAST_EVERY, OVERLAP, StripeNews

from ..stripe import events as stripe_events
from ..tables import MirrorWindow

EVENTS = "events"


async def since(session: AsyncSession, stage: str) -> int | None:
    """From which of Stripe's seconds on objects of the list may be new; None before the first look."""
    found = await session.get(MirrorWindow, stage)
    return int((found.newest - OVERLAP).timestamp()) if found and found.newest else None


async def compared(session: AsyncSession, stage: str, newest: int | None, at: datetime) -> None:
    """Everything of the list is, up to this second of Stripe's; None where it showed nothing new."""
    await _note(session, stage, datetime.fromtimestamp(newest, UTC) if newest is not None else None, at)


async def all_compared(session: AsyncSession, until: datetime | None, at: datetime) -> None:
    """Everything new is, as of what Stripe had told of by `until`."""
    await _note(session, EVENTS, until, at)


async def news(session: AsyncSession, at: datetime) -> StripeNews:
    """Whether anything may have been made in Stripe since: each of its objects comes with an event, which is
    known by whether Stripe has had any. That is not relied on for long."""
    check = await stripe_events.check(session)
    until = check.complete_until if check else None
    last = await session.get(MirrorWindow, EVENTS)
    quiet = last is not None and last.newest == until and at - last.compared_at < AT_LEAST_EVERY
    return StripeNews(any=not quiet, until=until)


async def _note(session: AsyncSession, stage: str, newest: datetime | None, at: datetime) -> None:
    row = await session.get(MirrorWindow, stage) or MirrorWindow(stage=stage, compared_at=at)
    row.newest, row.compared_at = newest or row.newest, at
    session.add(row)

"""Stripe's events: each kept once, however often Stripe sends it."""

from datetime import datetime
from typing import Literal

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from .statements import insert_if_new
from .tables import StripeEvent

PENDING = "pending"


async def record(session: AsyncSession, row: StripeEvent) -> bool:
    """Store an event, and whether it is new; one that came before stays as it is."""
    return await insert_if_new(session, row) is not None


async def settle(
    session: AsyncSession, event_id: str, state: Literal["done", "ignored"], at: datetime
) -> None:
    """Note what became of an event; the first to say so stays."""
    await session.exec(
        update(StripeEvent)
        .where(col(StripeEvent.id) == event_id, col(StripeEvent.state) == PENDING)
        .values(state=state, settled_at=at)
        .execution_options(synchronize_session=False)
    )

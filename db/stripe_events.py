"""Stripe's events: each kept once, however often Stripe sends it or is asked for it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import func, literal, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe_events import (
    FOLLOWED,
    STRIPE_EVENT,
    StripeEventInput,
    all_known,
    stripe_event_workflow,
)

from . import outbox
from .statements import insert_if_new, is_sqlite
from .tables import Outbox, StripeEvent, StripeEventCheck, Utc

PENDING = "pending"


class Kept(NamedTuple):
    """`start` is what Temporal must be told of a new event; None for one that nothing follows."""

    new: bool
    start: Outbox | None = None


async def keep(
    session: AsyncSession,
    *,
    id: str,
    type: str,
    object_id: str | None,
    livemode: bool,
    created_at: datetime,
    at: datetime,
    missed: bool = False,
    head_start: timedelta = timedelta(),
) -> Kept:
    """Store an event with the start of what follows it; one that came before stays as it is.

    `object_id` may be missing only where nothing follows the type. `head_start` is for who delivers the
    start at once after the commit.
    """
    subject = FOLLOWED.get(type)
    row = StripeEvent(
        id=id,
        type=type,
        object_id=object_id,
        livemode=livemode,
        created_at=created_at,
        received_at=at,
        state=PENDING if subject else "ignored",
        settled_at=None if subject else at,
        missed=missed,
    )
    if await insert_if_new(session, row) is None:
        return Kept(new=False)
    if subject is None:
        return Kept(new=True)
    assert object_id is not None, "whoever calls has seen to it"
    message = StripeEventInput(event=id, subject=subject, object=object_id)
    start = await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=stripe_event_workflow(id),
        name=STRIPE_EVENT,
        payload=message.model_dump(mode="json"),
        at=at,
        due_at=at + head_start,
    )
    return Kept(new=True, start=start)


async def unknown(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Those of these events that have not arrived."""
    known = await session.exec(select(StripeEvent.id).where(col(StripeEvent.id).in_(ids)))
    return set(ids) - set(known)


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


# --- Until when every event is known ----------------------------------------------------------------------


async def check(session: AsyncSession) -> StripeEventCheck | None:
    """Until when every event is known; None before the first check."""
    return await session.get(StripeEventCheck, _ACCOUNT)


async def checked(session: AsyncSession, *, complete_until: datetime, at: datetime, missed: int) -> None:
    """Every event until then is known, as of `at`; what an earlier check knew later stays."""
    first = StripeEventCheck(id=_ACCOUNT, complete_until=complete_until, checked_at=at, missed=missed)
    if await insert_if_new(session, first) is not None:
        return
    later = func.max if is_sqlite(session) else func.greatest
    await session.exec(
        update(StripeEventCheck)
        .where(col(StripeEventCheck.id) == _ACCOUNT)
        .values(
            complete_until=later(col(StripeEventCheck.complete_until), literal(complete_until, Utc)),
            checked_at=later(col(StripeEventCheck.checked_at), literal(at, Utc)),
            missed=col(StripeEventCheck.missed) + missed,
        )
        .execution_options(synchronize_session=False)
    )


async def complete(session: AsyncSession, at: datetime) -> bool:
    """Whether whoever waits for Stripe will be told of what happens there."""
    found = await check(session)
    pending = await session.exec(
        select(func.min(col(StripeEvent.received_at))).where(StripeEvent.state == PENDING)
    )
    return all_known(found.checked_at if found else None, pending.one(), at)


_ACCOUNT = "account"

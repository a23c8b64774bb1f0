"""Stripe's events: each kept once, however often Stripe sends it or is asked for it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

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
from .statements import insert_if_new, insert_new, is_sqlite
from .tables import Outbox, StripeEvent, StripeEventCheck, Utc

PENDING = "pending"


class Arrived(NamedTuple):
    """An event to be kept. `object_id` may be missing only where nothing follows the type.

    `head_start` is for who delivers the start of what follows it at once after the commit.
    """

    id: str
    type: str
    object_id: str | None
    livemode: bool
    created_at: datetime
    at: datetime
    missed: bool = False
    head_start: timedelta = timedelta()


class Kept(NamedTuple):
    """`start` is what Temporal must be told of a new event, a row of the outbox by its columns; None for one
    that nothing follows."""

    new: bool
    start: dict[str, Any] | None = None


_KNOWN = Kept(new=False)


async def keep(session: AsyncSession, events: Sequence[Arrived]) -> list[Kept]:
    """Store events with the start of what follows each; one that came before stays as it is.

    However many there are it takes two statements. Of one that is among them twice the first one is new.
    """
    first = {event.id: event for event in reversed(events)}
    # By their ids: webhooks and whoever asks Stripe for its events store the same ones at the same moment.
    new = set(await insert_new(session, StripeEvent, [_columns(first[id_]) for id_ in sorted(first)]))
    starts = {id_: _start(first[id_]) for id_ in sorted(new)}
    await insert_new(session, Outbox, [start for start in starts.values() if start is not None])
    return [
        Kept(new=True, start=starts[event.id]) if event.id in new and first[event.id] is event else _KNOWN
        for event in events
    ]


def _columns(event: Arrived) -> dict[str, Any]:
    followed = event.type in FOLLOWED
    return {
        "id": event.id,
        "type": event.type,
        "object_id": event.object_id,
        "livemode": event.livemode,
        "created_at": event.created_at,
        "received_at": event.at,
        "state": PENDING if followed else "ignored",
        "settled_at": None if followed else event.at,
        "missed": event.missed,
    }


def _start(event: Arrived) -> dict[str, Any] | None:
    subject = FOLLOWED.get(event.type)
    if subject is None:
        return None
    assert event.object_id is not None, "whoever calls has seen to it"
    message = StripeEventInput(event=event.id, subject=subject, object=event.object_id)
    return outbox.columns(
        action=outbox.START,
        workflow_id=stripe_event_workflow(event.id),
        name=STRIPE_EVENT,
        payload=message.model_dump(mode="json"),
        at=event.at,
        due_at=event.at + event.head_start,
    )


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

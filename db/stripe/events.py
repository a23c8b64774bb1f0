"""Stripe's events: each kept once, however often Stripe sends it or is asked for it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, func, literal, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.events import FOLLOWED, EventSubject, all_known, is_due

from ..core.statements import insert_if_new, insert_new, is_sqlite
from ..tables import Operation, Organization, StripeEvent, StripeEventCheck, Utc
from . import budget

PENDING, SET_ASIDE = "pending", "set_aside"


class ArrivedEvent(NamedTuple):
    """An event to be kept. `object_id` may be missing only where nothing follows the type.

    `after` is how long it is left for others of its object to come, which are followed with it.
    """

    id: str
    type: str
    object_id: str | None
    livemode: bool
    created_at: datetime
    at: datetime
    missed: bool = False
    newcomer: bool = False
    after: timedelta = timedelta()
    traceparent: str | None = None


class StoredEvent(NamedTuple):
    """Whether it was not known before, and whether it is followed."""

    new: bool
    followed: bool = False


_KNOWN = StoredEvent(new=False)


async def keep(session: AsyncSession, events: Sequence[ArrivedEvent]) -> list[StoredEvent]:
    """Store events, for the worker to follow; one that came before stays as it is.

    However many there are it takes one statement, and one more where there are invoice items among them.
    Of one that is among them twice the first one is new.
    """
    first = {event.id: event for event in reversed(events)}
    followed = await _followed(session, first.values())
    # By their ids: webhooks and whoever asks Stripe for its events store the same ones at the same moment.
    new = set(
        await insert_new(
            session, StripeEvent, [_columns(first[id_], id_ in followed) for id_ in sorted(first)]
        )
    )
    return [
        StoredEvent(new=True, followed=event.id in followed)
        if event.id in new and first[event.id] is event
        else _KNOWN
        for event in events
    ]


async def _followed(session: AsyncSession, events: Collection[ArrivedEvent]) -> set[str]:
    """The ids of those that something follows. Of invoice items only those of organizations themselves: an
    invoice to a customer tells of its own, and to follow each would cost more than to look."""
    subjects = {one.id: FOLLOWED[one.type] for one in events if one.type in FOLLOWED}
    items = {one.id: one.object_id for one in events if subjects.get(one.id) is EventSubject.PENDING_ITEM}
    if not items:
        return set(subjects)
    wanted = select(Organization.stripe_customer).where(col(Organization.stripe_customer).in_(items.values()))
    subscribers = set((await session.exec(wanted)).all())
    return {id_ for id_ in subjects if id_ not in items or items[id_] in subscribers}


def _columns(event: ArrivedEvent, followed: bool) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "object_id": event.object_id,
        "livemode": event.livemode,
        "created_at": event.created_at,
        "received_at": event.at,
        "state": PENDING if followed else "ignored",
        "settled_at": None if followed else event.at,
        "again_at": event.at + event.after if followed else None,
        "missed": event.missed,
        "newcomer": event.newcomer,
        "traceparent": event.traceparent,
    }


async def unknown(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Those of these events that have not arrived."""
    known = await session.exec(select(StripeEvent.id).where(col(StripeEvent.id).in_(ids)))
    return set(ids) - set(known)


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Remove events that were settled before then, the oldest first, at most `limit`; how many those were.
    What was set aside stays: it is an operator's."""
    settled = (
        select(StripeEvent.id)
        .where(
            col(StripeEvent.received_at) < before,
            col(StripeEvent.settled_at) < before,
            col(StripeEvent.state).in_(["done", "ignored"]),
        )
        .order_by(col(StripeEvent.received_at))
        .limit(limit)
    )
    gone = await session.exec(
        delete(StripeEvent)
        .where(col(StripeEvent.id).in_(settled))
        .returning(col(StripeEvent.id))
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


# --- Until when every event is known ----------------------------------------------------------------------


async def check(session: AsyncSession) -> StripeEventCheck | None:
    """Until when every event is known; None before the first check."""
    return await session.get(StripeEventCheck, _ACCOUNT)


async def checked(session: AsyncSession, *, complete_until: datetime, at: datetime, missed: int) -> None:
    """Every event until then is known, as of `at`; what an earlier check knew later stays."""
    oldest = await _oldest_pending(session)
    first = StripeEventCheck(
        id=_ACCOUNT,
        complete_until=complete_until,
        checked_at=at,
        missed=missed,
        oldest_pending=oldest,
        moved_at=at,
    )
    if await insert_if_new(session, first) is not None:
        return
    former = (await session.exec(select(StripeEventCheck.oldest_pending))).first()
    moved = oldest is None or former is None or oldest > former
    later = func.max if is_sqlite(session) else func.greatest
    await session.exec(
        update(StripeEventCheck)
        .where(col(StripeEventCheck.id) == _ACCOUNT)
        .values(
            complete_until=later(col(StripeEventCheck.complete_until), literal(complete_until, Utc)),
            checked_at=later(col(StripeEventCheck.checked_at), literal(at, Utc)),
            missed=col(StripeEventCheck.missed) + missed,
            oldest_pending=oldest,
            **({"moved_at": at} if moved else {}),
        )
        .execution_options(synchronize_session=False)
    )


async def due(session: AsyncSession, at: datetime) -> bool:
    """Whether Stripe is to be asked for its events now: seldom, unless an event has come lately, or an
    operation went on."""
    found = await check(session)
    came = (await session.exec(select(func.max(col(StripeEvent.received_at))))).one()
    went_on = (await session.exec(select(func.max(col(Operation.updated_at))))).one()
    happened_at = max(filter(None, (came, went_on)), default=None)
    return is_due(found.checked_at if found else None, happened_at, at)


async def complete(session: AsyncSession, at: datetime, objects: Collection[str] = ()) -> bool:
    """Whether whoever waits for Stripe will be told of what happens there, to these objects or to any.

    While the gate before Stripe is shut, nobody could find out by looking: what happens meanwhile is asked
    for when it is open again.
    """
    if await budget.is_closed(session):
        return True
    if objects and await _any_set_aside(session, objects):
        return False
    found = await check(session)
    oldest = await _oldest_pending(session, objects)
    checked_at, moved_at = (found.checked_at, found.moved_at) if found else (None, None)
    return all_known(checked_at, oldest, moved_at, at)


async def _oldest_pending(session: AsyncSession, objects: Collection[str] = ()) -> datetime | None:
    wanted = select(func.min(col(StripeEvent.received_at))).where(StripeEvent.state == PENDING)
    if objects:
        wanted = wanted.where(col(StripeEvent.object_id).in_(objects))
    return (await session.exec(wanted)).one()


async def _any_set_aside(session: AsyncSession, objects: Collection[str]) -> bool:
    wanted = select(StripeEvent.id).where(
        StripeEvent.state == SET_ASIDE, col(StripeEvent.object_id).in_(objects)
    )
    return (await session.exec(wanted.limit(1))).first() is not None


_ACCOUNT = "account"

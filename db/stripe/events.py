"""Stripe's events: each kept once, however often Stripe sends it or is asked for it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import delete, func, literal, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.events import (
    FOLLOWED,
    MAX_TRIES,
    STRIPE_EVENT,
    EventSubject,
    StripeEventInput,
    all_known,
    is_due,
    stripe_event_workflow,
    tried_again,
)

from ..core.statements import insert_if_new, insert_new, is_sqlite
from ..operations import outbox
from ..tables import Operation, Organization, Outbox, StripeEvent, StripeEventCheck, Utc
from . import budget

PENDING, SET_ASIDE = "pending", "set_aside"


class ArrivedEvent(NamedTuple):
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
    newcomer: bool = False
    head_start: timedelta = timedelta()


class StoredEvent(NamedTuple):
    """`start` is what Temporal must be told of a new event, a row of the outbox by its columns; None for one
    that nothing follows."""

    new: bool
    start: dict[str, Any] | None = None


_KNOWN = StoredEvent(new=False)


async def keep(session: AsyncSession, events: Sequence[ArrivedEvent]) -> list[StoredEvent]:
    """Store events with the start of what follows each; one that came before stays as it is.

    However many there are it takes two statements, and one more where there are invoice items among them.
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
    starts = {id_: _start(first[id_]) if id_ in followed else None for id_ in sorted(new)}
    await insert_new(session, Outbox, [start for start in starts.values() if start is not None])
    return [
        StoredEvent(new=True, start=starts[event.id])
        if event.id in new and first[event.id] is event
        else _KNOWN
        for event in events
    ]


async def _followed(session: AsyncSession, events: Collection[ArrivedEvent]) -> set[str]:
    """The ids of those that something follows. Of invoice items only those of organizations themselves: an
    invoice to a customer tells of its own, and to start a workflow for each costs more than to look."""
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
        "missed": event.missed,
        "newcomer": event.newcomer,
    }


def message_of(event: ArrivedEvent | StripeEvent) -> StripeEventInput | None:
    """What its workflow is started with; None for one that nothing follows."""
    subject = FOLLOWED.get(event.type)
    if subject is None:
        return None
    assert event.object_id is not None, "whoever calls has seen to it"
    return StripeEventInput(event=event.id, subject=subject, object=event.object_id)


def _start(event: ArrivedEvent) -> dict[str, Any] | None:
    message = message_of(event)
    if message is None:
        return None
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
    await _settle(session, event_id, state=state, settled_at=at, again_at=None)


async def note_try(session: AsyncSession, event_id: str, error: str) -> int:
    """It could not be followed, for a reason of its own; how often that was so."""
    tries = await session.scalar(
        update(StripeEvent)
        .where(col(StripeEvent.id) == event_id)
        .values(tries=col(StripeEvent.tries) + 1, error=error)
        .returning(col(StripeEvent.tries))
        .execution_options(synchronize_session=False)
    )
    return tries or 1


async def set_aside(session: AsyncSession, event_id: str, error: str | None, at: datetime) -> None:
    """It is in nobody's way any more; it is tried again later, and less and less often."""
    found = await session.exec(select(StripeEvent.tries).where(StripeEvent.id == event_id))
    tries = max((found.first() or 0) + 1, MAX_TRIES)
    wait = tried_again(tries)
    await _settle(
        session,
        event_id,
        state=SET_ASIDE,
        settled_at=at,
        tries=tries,
        error=error or func.coalesce(StripeEvent.error, "not followed"),
        again_at=at + wait if wait else None,
    )


async def _settle(session: AsyncSession, event_id: str, **values: Any) -> None:
    await session.exec(
        update(StripeEvent)
        .where(col(StripeEvent.id) == event_id, col(StripeEvent.state).in_([PENDING, SET_ASIDE]))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


async def not_followed(
    session: AsyncSession, at: datetime, pending_since: datetime, limit: int
) -> list[StripeEvent]:
    """Events that somebody may have to follow anew: pending for long, or set aside and due again."""
    pending = select(StripeEvent).where(
        StripeEvent.state == PENDING, col(StripeEvent.received_at) < pending_since
    )
    again = select(StripeEvent).where(StripeEvent.state == SET_ASIDE, col(StripeEvent.again_at) <= at)
    return [
        *await session.exec(pending.order_by(col(StripeEvent.received_at)).limit(limit)),
        *await session.exec(again.order_by(col(StripeEvent.again_at)).limit(limit)),
    ]


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

"""Whose turn it is to follow what Stripe has told: a worker claims an object with all that is pending of it.

A claim is renewed while the object is followed. If the worker dies, the claim runs out and another one
follows the object anew, which does nothing more: what is mirrored is what Stripe says then, and nobody is
woken twice for the same event.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Integer, and_, bindparam, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.events import FOLLOWED, MAX_TRIES, EventSubject, next_try, tried_again

from ..core.statements import is_sqlite
from ..tables import StripeEvent
from .events import PENDING, SET_ASIDE

CLAIM = timedelta(seconds=20)
"""After so long without being renewed whoever claimed an object has died."""

_CLAIMING = 7_312_004
"""The number of the lock under which workers claim one after another."""


Settled = Literal["done", "ignored"]


class EventTurn(NamedTuple):
    """One object in one way in which events tell of it, with those events: one reading follows them all."""

    subject: EventSubject
    object: str
    events: Sequence[StripeEvent]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    @property
    def of_newcomer(self) -> bool:
        """Whether one of them says so. The mirror can't: another object's event, or an attempt that came half
        way, may have brought the customer already."""
        return any(event.newcomer for event in self.events)

    @property
    def since(self) -> datetime:
        """When the first of them arrived."""
        return min(event.received_at for event in self.events)


_TAKEN = select(StripeEvent.object_id).where(col(StripeEvent.claimed_until) > bindparam("now"))
_DUE: Any = select(StripeEvent.object_id).where(
    col(StripeEvent.again_at) <= bindparam("now"), col(StripeEvent.object_id).not_in(_TAKEN)
)
"""The objects of events that are due, of which no worker has any; some of them twice. Every worker asks for
them each second: built once, which costs as much as to run it."""
_ANYTHING_DUE = _DUE.limit(1)
_LONGEST_DUE = _DUE.order_by(col(StripeEvent.again_at)).limit(bindparam("at_most", type_=Integer))


async def anything_due(session: AsyncSession, at: datetime) -> bool:
    """Whether `claim` would find something: asked without taking a lock."""
    return (await session.exec(_ANYTHING_DUE, params={"now": at})).first() is not None


async def claim(session: AsyncSession, at: datetime, limit: int) -> list[list[EventTurn]]:
    """Claim at most so many objects, the longest due first, with all that is pending of each: nobody else
    follows them. The turns of one object are taken one after the other.

    Commit before reading anything of Stripe: what has arrived by then, that reading shows.
    """
    if not is_sqlite(session):  # where one write transaction follows the other anyway
        await session.exec(select(func.pg_advisory_xact_lock(_CLAIMING)))
    due = (await session.exec(_LONGEST_DUE, params={"now": at, "at_most": 4 * limit})).all()
    objects = list(dict.fromkeys(due))[:limit]
    if not objects:
        return []
    claimed = await session.exec(
        update(StripeEvent)
        .where(
            col(StripeEvent.object_id).in_(objects),
            or_(col(StripeEvent.state) == PENDING, col(StripeEvent.again_at) <= at),
        )
        .values(claimed_until=at + CLAIM)
        .returning(StripeEvent)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    turns: dict[str, dict[EventSubject, list[StripeEvent]]] = {id_: {} for id_ in objects}
    for event in sorted(claimed.scalars(), key=lambda one: (one.received_at, one.id)):
        assert event.object_id is not None, "nothing follows an event without an object"
        turns[event.object_id].setdefault(FOLLOWED[event.type], []).append(event)
    return [[EventTurn(how, id_, events) for how, events in of.items()] for id_, of in turns.items()]


async def renew(session: AsyncSession, ids: Collection[str], at: datetime) -> None:
    """Whoever claimed these events still follows them."""
    await session.exec(
        update(StripeEvent)
        .where(col(StripeEvent.id).in_(ids), col(StripeEvent.claimed_until).is_not(None))
        .values(claimed_until=at + CLAIM)
        .execution_options(synchronize_session=False)
    )


async def settle(session: AsyncSession, turn: EventTurn, state: Settled, at: datetime) -> None:
    """Note what became of a turn's events; the first to say so stays. With them go those that were set aside:
    the reading shows what they told of, too."""
    types = [type_ for type_, subject in FOLLOWED.items() if subject is turn.subject]
    aside = and_(
        col(StripeEvent.object_id) == turn.object,
        col(StripeEvent.state) == SET_ASIDE,
        col(StripeEvent.type).in_(types),
    )
    await _change(
        session,
        or_(col(StripeEvent.id).in_(turn.ids), aside),
        state=state,
        settled_at=at,
        again_at=None,
        claimed_until=None,
    )


async def failed(
    session: AsyncSession, turn: EventTurn, error: str, at: datetime, *, for_good: bool = False
) -> None:
    """A turn's events could not be followed, for a reason of their own, and are tried again a little later.

    After some tries, or at once where it is `for_good`, they are set aside: in nobody's way any more, and
    tried again less and less often.
    """
    for event in turn.events:
        tries = max(event.tries + 1, MAX_TRIES if for_good else 0)
        aside = tries >= MAX_TRIES
        wait = tried_again(tries) if aside else next_try(tries)
        await _change(
            session,
            col(StripeEvent.id) == event.id,
            tries=tries,
            error=error,
            again_at=at + wait if wait is not None else None,
            claimed_until=None,
            **({"state": SET_ASIDE, "settled_at": at} if aside else {}),
        )


async def postpone(session: AsyncSession, turn: EventTurn, until: datetime) -> None:
    """A turn's events can't be followed now, for no reason of their own."""
    await _change(session, col(StripeEvent.id).in_(turn.ids), again_at=until, claimed_until=None)


async def _change(session: AsyncSession, which: ColumnElement[bool], **values: Any) -> None:
    await session.exec(
        update(StripeEvent)
        .where(which, col(StripeEvent.state).in_([PENDING, SET_ASIDE]))
        .values(**values)
        .execution_options(synchronize_session=False)
    )

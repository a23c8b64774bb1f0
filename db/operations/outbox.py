"""The outbox: what Temporal must still be told, and the mails and posts that people must still get. Written
with the row it belongs to, so that neither is lost.

A dispatcher claims what is due for a while, sends it outside of any transaction and settles it. If it dies in
between, the claim runs out and another one does it again: telling twice does nothing more, and a mail that
comes twice has the same Message-ID.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Integer, bindparam, delete, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.chat import ChatPost
from billing.mail.messages import MailRequest
from billing.operations.found_by import FoundBy

from ..core.clock import utc_now
from ..core.pending import insert_if_new_later, store_later, update_later
from ..core.statements import insert_if_new
from ..tables import Operation, Outbox, new_id, oldest_id
from ..tracing import trace

PENDING, DELIVERED, REFUSED = "pending", "delivered", "refused"
START, UPDATE, SIGNAL, MAIL, POST = "start", "update", "signal", "mail", "post"

_OF_OPERATIONS = "operation-"
"""How the ids of operations' workflows begin."""

_TOLD_ONCE = ("dispute", "bill_unpaid")
"""Templates of mails that each reading of the mirror would note anew: only here it is known that it did."""

CHANNEL = "something_due"
"""Of PostgreSQL's notifications: a row was written that is due at once. They say its action, or `EVENT`."""

EVENT = "event"
"""What is said of an event of Stripe's."""


class Lane(NamedTuple):
    """What is sent in the same way; of several lanes none waits behind another."""

    actions: tuple[str, ...]
    claim: timedelta
    """After so long whoever claimed a row has died: longer than sending it may take."""
    longest_wait: timedelta
    """Between two tries."""


TEMPORAL = Lane((START, UPDATE, SIGNAL), timedelta(seconds=30), timedelta(seconds=60))
MAILS = Lane((MAIL,), timedelta(seconds=90), timedelta(minutes=10))
CHATS = Lane((POST,), timedelta(seconds=30), timedelta(minutes=10))
_LANES = {action: lane for lane in (TEMPORAL, MAILS, CHATS) for action in lane.actions}


async def enqueue(
    session: AsyncSession,
    *,
    action: str,
    workflow_id: str,
    name: str,
    payload: Mapping[str, Any],
    at: datetime,
    update_id: str = "",
    due_at: datetime | None = None,
    found_by: FoundBy | None = None,
) -> Outbox:
    """Note a workflow to start, an update or a signal to pass on, once for each workflow, name and update id.

    `due_at` later than now claims it from the beginning, for whoever delivers it at once after the commit.
    """
    row = Outbox(
        **columns(
            action=action,
            workflow_id=workflow_id,
            name=name,
            payload=payload,
            at=at,
            update_id=update_id,
            due_at=due_at,
            found_by=found_by,
        )
    )
    created = await insert_if_new(session, row)
    if created:
        return created
    earlier = await session.exec(
        select(Outbox).where(
            Outbox.workflow_id == workflow_id, Outbox.name == name, Outbox.update_id == update_id
        )
    )
    return earlier.one()


async def note(session: AsyncSession, **row: Any) -> Outbox:
    """As `enqueue`, what can't have been noted before."""
    new = Outbox(**columns(**row))
    await store_later(session, new)
    return new


async def mail(session: AsyncSession, request: MailRequest, *, at: datetime) -> None:
    """Note a mail to people, once. It is due at once, though Temporal's clock may be ahead of ours."""
    await _tell_people(session, MAIL, request.id, request.template, request.model_dump(mode="json"), at)


async def post(session: AsyncSession, request: ChatPost, *, at: datetime) -> None:
    """Note a message to a chat, once."""
    await _tell_people(session, POST, request.id, request.mail.template, request.model_dump(mode="json"), at)


async def _tell_people(
    session: AsyncSession, action: str, id_: str, name: str, payload: Mapping[str, Any], at: datetime
) -> None:
    row = columns(
        action=action, workflow_id=id_, name=name, payload=payload, at=at, due_at=min(at, utc_now())
    )
    await insert_if_new_later(session, Outbox, row)


def command_key(name: str, update_id: str) -> str:
    """Of the timeline event that tells of a command, which is written with its row."""
    return f"{name}:{update_id}"


async def withdraw(session: AsyncSession, workflow_id: str) -> None:
    """Don't start this workflow, or send this mail, after all, if that has not been delivered yet."""
    await session.exec(
        delete(Outbox).where(
            col(Outbox.workflow_id) == workflow_id,
            col(Outbox.action).in_((START, MAIL)),
            col(Outbox.state) == PENDING,
        )
    )


async def on_its_way(session: AsyncSession, workflow_id: str, name: str) -> list[Outbox]:
    """What is noted for a workflow and not delivered yet, in order."""
    found = await session.exec(
        select(Outbox)
        .where(Outbox.workflow_id == workflow_id, Outbox.name == name, Outbox.state == PENDING)
        .order_by(col(Outbox.id))
    )
    return list(found)


async def taken(session: AsyncSession, workflow_id: str) -> list[Outbox]:
    """The commands that a workflow has taken, in order."""
    found = await session.exec(
        select(Outbox)
        .where(Outbox.workflow_id == workflow_id, Outbox.action == UPDATE, Outbox.state == DELIVERED)
        .order_by(col(Outbox.id))
    )
    return list(found)


async def start_of(session: AsyncSession, workflow_id: str) -> Outbox | None:
    """What has started, or is to start, a workflow."""
    found = await session.exec(
        select(Outbox).where(Outbox.workflow_id == workflow_id, Outbox.action == START)
    )
    return found.one_or_none()


def columns(
    *,
    action: str,
    workflow_id: str,
    name: str,
    payload: Mapping[str, Any],
    at: datetime,
    update_id: str = "",
    due_at: datetime | None = None,
    found_by: FoundBy | None = None,
) -> dict[str, Any]:
    """A new row of the outbox by its columns, for whoever stores many of them in one statement."""
    return {
        "id": new_id("out"),
        "action": action,
        "workflow_id": workflow_id,
        "name": name,
        "update_id": update_id,
        "payload": dict(payload),
        "found_by": found_by.model_dump(mode="json") if found_by else None,
        "state": PENDING,
        "attempts": 0,
        "error": None,
        "created_at": at,
        "next_attempt_at": due_at or at,
        "settled_at": None,
        "traceparent": trace.here(),
    }


_DUE = (
    col(Outbox.action).in_(bindparam("actions", expanding=True)),
    col(Outbox.state) == PENDING,
    col(Outbox.next_attempt_at) <= bindparam("now"),
    col(Outbox.id).not_in(bindparam("under_way", expanding=True)),
)
# Every worker asks this each second: built once, which costs as much as to run it.
_ANYTHING_DUE = select(Outbox.id).where(*_DUE).limit(1)
_CLAIMED = (
    select(Outbox.id)
    .where(*_DUE)
    .order_by(col(Outbox.next_attempt_at), col(Outbox.id))
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("claimed")
)
_CLAIM = (
    update(Outbox)
    .where(col(Outbox.id).in_(select(_CLAIMED.c.id)))
    .values(attempts=col(Outbox.attempts) + 1, next_attempt_at=bindparam("until"))
    .returning(Outbox)
    .execution_options(populate_existing=True, synchronize_session=False)
)


async def anything_due(
    session: AsyncSession, now: datetime, under_way: Collection[str] = (), lane: Lane = TEMPORAL
) -> bool:
    """Whether `due` would claim something, or another dispatcher just has: asked without taking a lock."""
    which = {"actions": lane.actions, "now": now, "under_way": list(under_way)}
    return (await session.exec(_ANYTHING_DUE, params=which)).first() is not None


async def due(
    session: AsyncSession,
    now: datetime,
    limit: int = 50,
    under_way: Collection[str] = (),
    lane: Lane = TEMPORAL,
) -> list[Outbox]:
    """Claim what is due, the longest waiting first: no other dispatcher gets it within the lane's `claim`.

    What this one has `under_way` since an earlier claim is left to that.

    Commit before delivering. Each claim counts as an attempt.
    """
    which = {"actions": lane.actions, "now": now, "under_way": list(under_way), "at_most": limit}
    rows = await session.exec(_CLAIM, params=which | {"until": now + lane.claim})
    return sorted(rows.scalars(), key=lambda row: (row.created_at, row.id))


async def settle_delivered(session: AsyncSession, outbox_id: str, *, at: datetime) -> None:
    """Temporal has it, or the mail server."""
    await _settle(session, outbox_id, state=DELIVERED, settled_at=at, error=None)


async def settle_delivered_later(session: AsyncSession, outbox_id: str, *, at: datetime) -> None:
    """Likewise, with what else its transaction writes."""
    which = {"id": outbox_id, "state": PENDING}
    await update_later(session, Outbox, which, state=DELIVERED, settled_at=at, error=None)


async def settle_refused(session: AsyncSession, outbox_id: str, *, at: datetime, error: str) -> None:
    """It will never be taken, for this reason."""
    await _settle(session, outbox_id, state=REFUSED, settled_at=at, error=error)


async def postpone(
    session: AsyncSession, row: Outbox, *, at: datetime, error: str, after: timedelta | None = None
) -> None:
    """It could not be sent: again `after` so long, or after 1 s, 2 s, 4 s … by the attempts so far."""
    longest = _LANES[row.action].longest_wait
    wait = after or min(timedelta(seconds=2 ** min(max(row.attempts - 1, 0), 10)), longest)
    await _settle(session, row.id, next_attempt_at=at + wait, error=error)


async def _settle(session: AsyncSession, outbox_id: str, **values: Any) -> None:
    await session.exec(
        update(Outbox)
        .where(col(Outbox.id) == outbox_id, col(Outbox.state) == PENDING)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Remove what was delivered before then, the oldest first, at most `limit` rows; how many those were.

    What an operation was started and told by stays until it has been closed for as long: it may begin anew.
    What the mirror has told people of stays.
    """
    its_operation = func.substr(col(Outbox.workflow_id), len(_OF_OPERATIONS) + 1)
    goes_on = select(Operation.id).where(
        col(Operation.id) == its_operation,
        or_(col(Operation.closed_at).is_(None), col(Operation.closed_at) >= before),
    )
    settled = (
        select(Outbox.id)
        .where(
            col(Outbox.id) < oldest_id("out", before),
            col(Outbox.state) == DELIVERED,
            col(Outbox.settled_at) < before,
            col(Outbox.name).not_in(_TOLD_ONCE),
            ~goes_on.exists(),
        )
        .order_by(col(Outbox.id))
        .limit(limit)
    )
    gone = await session.exec(
        delete(Outbox)
        .where(col(Outbox.id).in_(settled))
        .returning(col(Outbox.id))
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())

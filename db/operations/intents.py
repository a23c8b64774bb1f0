"""Intents: "we are about to do this to Stripe", written before the call and closed after it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import case, null, union_all, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.effects import effect_key, params_hash

from ..core import timeline
from ..core.pending import store_later
from ..core.record_hashes import wrote
from ..tables import Intent, Operation
from . import heads, objects

OPEN, DONE, REFUSED = "open", "done", "refused"


class IntentChanged(Exception):
    """The same step and version was to be sent with other parameters: Stripe would refuse its key."""

    def __init__(self, intent: Intent, params_hash: str) -> None:
        super().__init__(
            f"intent {intent.idempotency_key} was written for parameters {intent.params_hash}, "
            f"not {params_hash}: another request needs another step or version"
        )


def new(
    *,
    organization_id: str,
    operation_id: str,
    step: str,
    version: int,
    effect: str,
    target: str,
    params: Mapping[str, Any],
    at: datetime,
) -> Intent:
    """An intent as it will be written."""
    return Intent(
        idempotency_key=effect_key(organization_id, operation_id, step, version),
        organization_id=organization_id,
        operation_id=operation_id,
        step=step,
        version=version,
        effect=effect,
        target=target,
        params=dict(params),
        params_hash=params_hash(target, dict(params)),
        state=OPEN,
        attempts=1,
        created_at=at,
    )


async def begin(session: AsyncSession, intent: Intent) -> None:
    """Write the intent, of which there was none: nothing can have been sent for it yet. The transaction fails
    where somebody writes it at the same moment."""
    await store_later(session, intent)
    wrote(session, intent.operation_id, intent)


async def take_up(session: AsyncSession, intent: Intent) -> Intent:
    """The same intent as it was written before, and perhaps closed: an attempt more, while it is open.

    Raises IntentChanged when it was written for other parameters.
    """
    written = await session.exec(
        update(Intent)
        .where(col(Intent.idempotency_key) == intent.idempotency_key)
        .values(attempts=col(Intent.attempts) + case((col(Intent.state) == OPEN, 1), else_=0))
        .returning(Intent)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    found: Intent = written.scalars().one()
    if found.params_hash != intent.params_hash:
        raise IntentChanged(found, intent.params_hash)
    return found


async def newest(
    session: AsyncSession, organization_id: str, effect: str, *, limit: int, key: str
) -> tuple[list[datetime], bool]:
    """When the organization's last effects of this kind were begun, the newest first; and whether there is
    the intent with this key. One statement."""
    last = (
        select(Intent.idempotency_key, Intent.created_at)
        .where(Intent.organization_id == organization_id, Intent.effect == effect)
        .order_by(col(Intent.created_at).desc())
        .limit(limit)
        .subquery()
    )
    asked = select(Intent.idempotency_key, null()).where(col(Intent.idempotency_key) == key)
    both = union_all(select(last.c.idempotency_key, last.c.created_at), asked)
    found = (await (await session.connection()).execute(both)).all()
    begun = any(one == key for one, _ in found)
    return sorted((at for _, at in found if at is not None), reverse=True), begun


async def close_done(
    session: AsyncSession,
    key: str,
    *,
    at: datetime,
    stripe_id: str | None,
    stripe_request_id: str | None = None,
    result: Mapping[str, Any] | None = None,
    read_back: bool = False,
) -> Intent:
    """Close an intent whose effect is there. `read_back`: learnt by reading Stripe, not from the answer."""
    return await _close(
        session,
        key,
        state=DONE,
        closed_at=at,
        stripe_id=stripe_id,
        stripe_request_id=stripe_request_id,
        result=result,
        read_back=read_back,
    )


async def close_refused(
    session: AsyncSession,
    key: str,
    *,
    at: datetime,
    error: Mapping[str, Any],
    stripe_request_id: str | None = None,
    read_back: bool = False,
) -> Intent:
    """Close an intent that Stripe definitely refused: there is no effect."""
    return await _close(
        session,
        key,
        state=REFUSED,
        closed_at=at,
        error=error,
        stripe_request_id=stripe_request_id,
        read_back=read_back,
    )


async def _close(session: AsyncSession, key: str, **values: Any) -> Intent:
    """Close it if it is open, and return it as it then is: the first to close it wins."""
    changed = await session.exec(
        update(Intent)
        .where(col(Intent.idempotency_key) == key, col(Intent.state) == OPEN)
        .values(**values)
        .returning(Intent, *timeline.head_of(col(Intent.operation_id)))
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    closed, *head = changed.first() or (None,)
    if closed is not None:
        timeline.learn_head(session, closed.operation_id, *head)
        wrote(session, closed.operation_id, closed)
        if closed.stripe_id is not None:
            await objects.note(session, closed.operation_id, closed.organization_id, [closed.stripe_id])
    intent: Intent | None = closed or await session.get(Intent, key)
    if intent is None:
        raise LookupError(f"no intent {key}")
    return intent


async def with_operation(
    session: AsyncSession, operation_id: str
) -> tuple[Operation, list[Intent], list[str]]:
    """The operation as its row is now, with its intents as `of_operation` gives them and the keys of its
    timeline, in one statement. Raises LookupError."""
    wanted: Any = (
        select(Operation, Intent, heads.keys_of(session, operation_id))
        .outerjoin(Intent, col(Intent.operation_id) == col(Operation.id))
        .where(col(Operation.id) == operation_id)
        .order_by(col(Intent.created_at), col(Intent.idempotency_key))
        .execution_options(populate_existing=True)
    )
    rows = (await session.exec(wanted)).all()
    if not rows:
        raise LookupError(f"no operation {operation_id}")
    operation, _, keys = rows[0]
    return operation, [intent for _, intent, _ in rows if intent is not None], list(keys or ())


async def of_operation(session: AsyncSession, operation_id: str) -> list[Intent]:
    """The intents of an operation in the order in which they were written."""
    found = await session.exec(
        select(Intent)
        .where(Intent.operation_id == operation_id)
        .order_by(col(Intent.created_at), col(Intent.idempotency_key))
    )
    return list(found)

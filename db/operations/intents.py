"""Intents: "we are about to do this to Stripe", written before the call and closed after it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import case, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.effects import effect_key, params_hash

from ..core.record_hashes import wrote
from ..core.statements import insert_into
from ..tables import Intent
from . import objects

OPEN, DONE, REFUSED = "open", "done", "refused"


class IntentChanged(Exception):
    """The same step and version was to be sent with other parameters: Stripe would refuse its key."""

    def __init__(self, intent: Intent, params_hash: str) -> None:
        super().__init__(
            f"intent {intent.idempotency_key} was written for parameters {intent.params_hash}, "
            f"not {params_hash}: another request needs another step or version"
        )


async def open_intent(
    session: AsyncSession,
    *,
    organization_id: str,
    operation_id: str,
    step: str,
    version: int,
    effect: str,
    target: str,
    params: Mapping[str, Any],
    at: datetime,
) -> tuple[Intent, bool]:
    """Write the intent, or find it; and whether it is fresh, that is: nothing can have been sent for it yet.

    Counts the attempt as long as the intent is open. One that was closed is returned as it was closed.
    Raises IntentChanged when it was written for other parameters.
    """
    fresh = Intent(
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
    counted = col(Intent.attempts) + case((col(Intent.state) == OPEN, 1), else_=0)
    written = await session.exec(
        insert_into(session, Intent)
        .values(**fresh.model_dump())
        .on_conflict_do_update(index_elements=["idempotency_key"], set_={"attempts": counted})
        .returning(Intent),
        execution_options={"populate_existing": True},
    )
    intent: Intent = written.scalars().one()
    if intent.params_hash != fresh.params_hash:
        raise IntentChanged(intent, fresh.params_hash)
    first = intent.state == OPEN and intent.attempts == 1
    if first:
        wrote(session, operation_id, intent)
    return intent, first


async def newest(session: AsyncSession, organization_id: str, effect: str, *, limit: int) -> list[datetime]:
    """When the organization's last effects of this kind were begun, the newest first."""
    found = await session.exec(
        select(Intent.created_at)
        .where(Intent.organization_id == organization_id, Intent.effect == effect)
        .order_by(col(Intent.created_at).desc())
        .limit(limit)
    )
    return list(found)


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
    closed = await session.scalar(
        update(Intent)
        .where(col(Intent.idempotency_key) == key, col(Intent.state) == OPEN)
        .values(**values)
        .returning(Intent)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if closed is not None:
        wrote(session, closed.operation_id, closed)
        if closed.stripe_id is not None:
            await objects.note(session, closed.operation_id, closed.organization_id, [closed.stripe_id])
    intent = closed or await session.get(Intent, key)
    if intent is None:
        raise LookupError(f"no intent {key}")
    return intent


async def of_operation(session: AsyncSession, operation_id: str) -> list[Intent]:
    """The intents of an operation in the order in which they were written."""
    found = await session.exec(
        select(Intent)
        .where(Intent.operation_id == operation_id)
        .order_by(col(Intent.created_at), col(Intent.idempotency_key))
    )
    return list(found)

"""The records of an operation: what it is at, what it uses."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.events import result_hash
from billing.limits import Usage
from billing.messages import Progress, UsageQuery
from billing.operations import State
from db import mirror, operations, timeline
from db.operations import UNCHANGED
from db.session import Database
from db.tables import Operation


class Records:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def tell(self, progress: Progress) -> None:
        """Appends the event to the operation's timeline and moves the operation on, together."""
        async with self._database.transaction() as session:
            await write(session, progress)

    @activity.defn
    async def usage(self, query: UsageQuery) -> Usage:
        """What the organization uses of its plan, by our mirror and our people."""
        async with self._database.reading() as session:
            return await mirror.usage(session, query.organization, query.currency)


async def write(session: AsyncSession, progress: Progress) -> None:
    """Within a transaction of the caller's: operation row and timeline event.

    An event that moves the operation says where to, so that the chain vouches for how it ended.
    """
    detail = progress.detail
    if progress.state is not None:
        moved = await _move(session, progress, progress.state)
        detail = detail | {"became": {"state": moved.state, "result": result_hash(moved.result)}}
    await timeline.append(
        session,
        progress.operation,
        key=progress.key,
        event=progress.event,
        actor=progress.actor,
        at=progress.at,
        detail=detail,
    )


async def _move(session: AsyncSession, progress: Progress, state: State) -> Operation:
    changes: dict[str, Any] = {
        "subject": progress.subject,
        "approval_id": progress.approval,
        "result": progress.result,
        "error": progress.error.model_dump() if progress.error else None,
        "allowed_actions": list(progress.allowed_actions) if progress.allowed_actions is not None else None,
    }
    return await operations.update_state(
        session,
        progress.operation,
        state=state,
        stage=progress.stage,
        at=progress.at,
        stays_open=progress.stays_open,
        **{name: UNCHANGED if value is None else value for name, value in changes.items()},
    )

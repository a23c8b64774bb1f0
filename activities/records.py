"""The records of an operation: what it is at, what it uses."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.limits import Usage
from billing.messages import Progress, UsageQuery
from db import mirror, operations, timeline
from db.operations import UNCHANGED
from db.session import Database


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
    """Within a transaction of the caller's: timeline event and operation row."""
    await timeline.append(
        session,
        progress.operation,
        key=progress.key,
        event=progress.event,
        actor=progress.actor,
        at=progress.at,
        detail=progress.detail,
    )
    if progress.state is not None:
        changes: dict[str, Any] = {
            "subject": progress.subject,
            "approval_id": progress.approval,
            "result": progress.result,
            "error": progress.error.model_dump() if progress.error else None,
            "allowed_actions": list(progress.allowed_actions)
            if progress.allowed_actions is not None
            else None,
        }
        await operations.update_state(
            session,
            progress.operation,
            state=progress.state,
            stage=progress.stage,
            at=progress.at,
            stays_open=progress.stays_open,
            **{name: UNCHANGED if value is None else value for name, value in changes.items()},
        )

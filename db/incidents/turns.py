"""Whose turn it is to do what one of all workers does now and then."""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import update
from sqlmodel import col

from ..core.clock import Clock, utc_now
from ..core.session import Database
from ..core.statements import insert_if_new
from ..tables import WorkerTurn

TurnName = Literal["key_permissions", "retention", "seals"]


async def take(database: Database, name: TurnName, every: timedelta, clock: Clock = utc_now) -> bool:
    """Whether nobody has taken it for so long: then it is the caller's. Raises what the records raise."""
    at: datetime = clock()
    async with database.transaction() as session:
        if await insert_if_new(session, WorkerTurn(name=name, taken_at=at)) is not None:
            return True
        taken = await session.scalar(
            update(WorkerTurn)
            .where(col(WorkerTurn.name) == name, col(WorkerTurn.taken_at) <= at - every)
            .values(taken_at=at)
            .returning(col(WorkerTurn.name))
            .execution_options(synchronize_session=False)
        )
    return taken is not None

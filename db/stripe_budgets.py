"""The account's one pace at Stripe, as far as incidents change it: whether anything may be sent at all."""

from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from .statements import insert_if_new, is_sqlite
from .tables import StripeBudget

ACCOUNT = "account"


async def close_gate(session: AsyncSession, at: datetime) -> None:
    """Nothing is sent to Stripe any more but probes; also what was let try is held again."""
    row = await _locked(session)
    row.held_since = row.held_since or at
    row.trial = None


async def try_with(session: AsyncSession, workflow_id: str) -> None:
    """This one workflow may send to Stripe while the gate is closed."""
    (await _locked(session)).trial = workflow_id


async def open_gate(session: AsyncSession) -> None:
    """Everything may be sent again."""
    row = await _locked(session)
    row.held_since = row.trial = None


async def is_closed(session: AsyncSession) -> bool:
    """Whether the gate is closed, for all but the one that may try."""
    found = await session.exec(select(StripeBudget.held_since).where(StripeBudget.id == ACCOUNT))
    return found.first() is not None


async def _locked(session: AsyncSession) -> StripeBudget:
    """The row, made if it is missing; nobody else changes it before this transaction ends."""
    made = await insert_if_new(session, StripeBudget(id=ACCOUNT))
    if made is not None:
        return made
    wanted = select(StripeBudget).where(StripeBudget.id == ACCOUNT)
    if not is_sqlite(session):
        wanted = wanted.with_for_update()
    return (await session.exec(wanted, execution_options={"populate_existing": True})).one()

"""Invoices about which their customer is not reminded for now; who calls has seen whose the invoice is."""

from sqlalchemy import delete, or_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import insert_into
from ..tables import ReminderPause


async def get(session: AsyncSession, invoice_id: str) -> ReminderPause | None:
    """The invoice's pause, over or not."""
    return await session.get(ReminderPause, invoice_id, populate_existing=True)


async def put(session: AsyncSession, pause: ReminderPause) -> ReminderPause:
    """Pause the invoice, instead of an earlier pause; one that says the same stays, with whose it is."""
    insert = insert_into(session, ReminderPause).values(pause.model_dump())
    said = {name: insert.excluded[name] for name in ("until", "reason", "paused_by", "paused_at")}
    await session.exec(
        insert.on_conflict_do_update(
            index_elements=[col(ReminderPause.invoice_id)],
            set_=said,
            where=or_(
                col(ReminderPause.until).is_distinct_from(said["until"]),
                col(ReminderPause.reason) != said["reason"],
            ),
        )
    )
    kept = await get(session, pause.invoice_id)
    assert kept is not None, "it was stored just now"
    return kept


async def take_away(session: AsyncSession, invoice_id: str) -> None:
    """The customer is reminded again; without a pause nothing changes."""
    await session.exec(
        delete(ReminderPause)
        .where(col(ReminderPause.invoice_id) == invoice_id)
        .execution_options(synchronize_session=False)
    )

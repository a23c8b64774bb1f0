"""Promises to pay: made by customers on their pages, settled by the reminders' sweep."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import CUSTOMER
from billing.portal.promises import resumes_on

from ..reminders import pauses
from ..tables import Invoice, PaymentPromise, ReminderPause

STANDS = col(PaymentPromise.replaced_at).is_(None)
OPEN = (STANDS, col(PaymentPromise.outcome).is_(None))
"""The conditions of a promise that is neither kept nor broken."""


async def of_invoice(session: AsyncSession, invoice_id: str) -> Sequence[PaymentPromise]:
    """Every promise there was, the newest first."""
    found = await session.exec(
        select(PaymentPromise)
        .where(PaymentPromise.invoice_id == invoice_id)
        .order_by(col(PaymentPromise.promised_at).desc(), col(PaymentPromise.id).desc())
    )
    return found.all()


async def of_invoices(
    session: AsyncSession, invoice_ids: Collection[str]
) -> dict[str, Sequence[PaymentPromise]]:
    """As `of_invoice`, of many."""
    found = await session.exec(
        select(PaymentPromise)
        .where(col(PaymentPromise.invoice_id).in_(invoice_ids))
        .order_by(col(PaymentPromise.promised_at).desc(), col(PaymentPromise.id).desc())
    )
    made: dict[str, list[PaymentPromise]] = {}
    for row in found:
        made.setdefault(row.invoice_id, []).append(row)
    return dict(made)


async def make(session: AsyncSession, promise: PaymentPromise) -> None:
    """Takes the place of the invoice's earlier promise, and pauses its reminders; who calls holds the
    invoice's lock (`db.portal.links.lock`).

    A pause of a person's that lasts longer stays.
    """
    await session.exec(
        update(PaymentPromise)
        .where(col(PaymentPromise.invoice_id) == promise.invoice_id, STANDS)
        .values(replaced_at=promise.promised_at)
        .execution_options(synchronize_session=False)
    )
    session.add(promise)
    await session.flush()
    until = resumes_on(promise.day)
    earlier = await pauses.get(session, promise.invoice_id)
    by_person = earlier is not None and earlier.paused_by != CUSTOMER
    if earlier is not None and by_person and (earlier.until is None or earlier.until >= until):
        return
    pause = ReminderPause(
        invoice_id=promise.invoice_id,
        organization_id=promise.organization_id,
        until=until,
        reason="They promised to pay before then.",
        paused_by=CUSTOMER,
        paused_at=promise.promised_at,
    )
    await pauses.put(session, pause)


async def to_settle(session: AsyncSession, at: datetime, most: int) -> Sequence[str]:
    """Ids of promises whose day is over, or whose invoice is no longer open; the oldest first."""
    found = await session.exec(
        select(PaymentPromise.id)
        .join(Invoice, col(Invoice.id) == PaymentPromise.invoice_id)
        .where(*OPEN, or_(col(PaymentPromise.ends_at) <= at, col(Invoice.status) != "open"))
        .order_by(col(PaymentPromise.ends_at), col(PaymentPromise.id))
        .limit(most)
    )
    return found.all()


async def settle(
    session: AsyncSession, promise_id: str, *, at: datetime
) -> tuple[PaymentPromise, Invoice] | None:
    """Says what became of the promise, and ends the pause that it made; None if somebody else did."""
    found = await session.exec(
        select(PaymentPromise, Invoice)
        .join(Invoice, col(Invoice.id) == PaymentPromise.invoice_id)
        .where(PaymentPromise.id == promise_id, *OPEN)
        .with_for_update(of=PaymentPromise)
    )
    row = found.one_or_none()
    if row is None:
        return None
    promise, invoice = row
    promise.outcome = {"open": "broken", "paid": "kept"}.get(invoice.status, "over")
    promise.settled_at = at
    session.add(promise)
    await session.exec(
        delete(ReminderPause)
        .where(col(ReminderPause.invoice_id) == promise.invoice_id, col(ReminderPause.paused_by) == CUSTOMER)
        .execution_options(synchronize_session=False)
    )
    await session.flush()
    return promise, invoice

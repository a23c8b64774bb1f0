"""Writes what was seen of Stripe's objects into our mirror.

Every row is as of the time just before Stripe was asked, so that what is read later is never overwritten.
"""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases import Made
from db import case_notice, mirror
from db.tables import Customer

from . import case_finds
from .case_finds import ADJUSTMENT
from .mirror_pages import OWNER, customer_row, invoice_row, lines_row
from .money_rows import balance_transaction_row, credit_note_row, operation_of, payment_row, refund_row
from .stripe_objects import Document, Seen


async def store(
    session: AsyncSession, seen: Seen, owner: str, read_at: datetime, *, invoice: str | None = None
) -> None:
    """Mirror what was seen, all of it the organization `owner`'s; `invoice` is what the payment was for.

    Always in this order, so that two who write never wait for each other's rows. Money that nobody of us gave
    opens a case.
    """
    made: list[Made] = []
    if seen.customer:
        await _store_customer(session, seen.customer, owner, read_at)
    if seen.invoice:
        await mirror.store_invoice(session, invoice_row(seen.invoice, owner, read_at))
        await mirror.store_invoice_lines(session, [lines_row(seen.invoice, owner, read_at)])
    if seen.payment and seen.payment["status"] == "succeeded":  # an attempt that failed has moved nothing
        row = payment_row(seen.payment, seen.charge, organization=owner, invoice=invoice, synced_at=read_at)
        await mirror.store_payment(session, row)
    for refund in sorted(seen.refunds, key=lambda refund: str(refund["id"])):
        whose = seen.customer["id"] if seen.customer else None
        returned = refund_row(refund, organization=owner, customer=whose, synced_at=read_at)
        made.append(case_finds.of_refund(returned, await mirror.store_refund(session, returned)))
    if seen.credit_note:
        note = credit_note_row(seen.credit_note, organization=owner, synced_at=read_at)
        new = await mirror.store_credit_note(session, note)
        made.append(case_finds.of_credit_note(note, seen.credit_note, new))
    if seen.transaction:
        transaction = balance_transaction_row(
            seen.transaction,
            organization=owner,
            operation=operation_of(seen.main),
            synced_at=read_at,
        )
        new = await mirror.store_balance_transaction(session, transaction)
        made += case_finds.of_transaction(transaction, new)
    for change in sorted(seen.adjustments, key=lambda change: str(change["id"])):
        if change["type"] == ADJUSTMENT:  # the others are told by what made them
            adjustment = balance_transaction_row(
                change, organization=owner, operation=operation_of(change), synced_at=read_at
            )
            new = await mirror.store_balance_transaction(session, adjustment)
            made += case_finds.of_transaction(adjustment, new)
    await case_notice.notice(session, made, read_at)


async def _store_customer(session: AsyncSession, customer: Document, owner: str, read_at: datetime) -> None:
    """As Stripe has it; of one that was deleted Stripe tells no more than that."""
    if customer.get("deleted"):
        known = await session.get(Customer, customer["id"])
        if known:
            gone = known.model_dump() | {"deleted": True, "synced_at": read_at}
            await mirror.store_customer(session, Customer(**gone))
    elif (customer.get("metadata") or {}).get(OWNER) == owner:
        await mirror.store_customer(session, customer_row(customer, read_at))

"""Writes what was seen of Stripe's objects into our mirror.

Every row is as of the time just before Stripe was asked, so that what is read later is never overwritten.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from db.cases import money_cases
from db.cases.cases import CaseRules
from db.cases.money_cases import ADJUSTMENT
from db.mirror import mirror
from db.stripe import ours
from db.tables import Customer, MoneyRow

from ..stripe.objects import Document, Seen
from .pages import OWNER, customer_row, invoice_row, lines_row
from .rows import balance_transaction_row, credit_note_row, payment_row, refund_row


async def store(
    session: AsyncSession,
    rules: CaseRules,
    seen: Seen,
    owner: str,
    read_at: datetime,
    *,
    invoice: str | None = None,
) -> None:
    """Mirror what was seen, all of it the organization `owner`'s; `invoice` is what the payment was for.

    Always in this order, so that two who write never wait for each other's rows. Money that nobody of us gave
    opens a case.
    """
    if seen.customer:
        await _store_customer(session, seen.customer, owner, read_at)
    if seen.invoice:
        await mirror.store_invoice(session, invoice_row(seen.invoice, owner, read_at))
        await mirror.store_invoice_lines(session, [lines_row(seen.invoice, owner, read_at)])
    if seen.payment and seen.payment["status"] == "succeeded":  # an attempt that failed has moved nothing
        row = payment_row(seen.payment, seen.charge, organization=owner, invoice=invoice, synced_at=read_at)
        await mirror.store_payment(session, row)
    rows = await _money(session, seen, owner, read_at)
    for money in rows:
        await mirror.store_money(session, money)
    await money_cases.notice(session, rules, rows, read_at)


async def _money(session: AsyncSession, seen: Seen, owner: str, read_at: datetime) -> list[MoneyRow]:
    """The rows of what gave money, each with the operation that made it."""
    note, given = seen.credit_note, seen.transaction
    # Of the others, what made them tells.
    changes = [change for change in seen.adjustments if change["type"] == ADJUSTMENT]
    objects = [*seen.refunds, *([note] if note else []), *([given] if given else []), *changes]
    made_by = await ours.makers(session, {one["id"] for one in objects})

    def by(object_: str | None) -> str | None:
        return made_by.get((owner, object_ or ""))

    whose = seen.customer["id"] if seen.customer else None
    known: dict[str, Any] = {"organization": owner, "synced_at": read_at}
    rows: list[MoneyRow] = [
        refund_row(refund, customer=whose, operation=by(refund["id"]), **known)
        for refund in _in_order(seen.refunds)
    ]
    if note:
        rows.append(credit_note_row(note, operation=by(note["id"]), **known))
    if given:
        maker = by(given["id"]) or by(given.get("credit_note"))
        rows.append(balance_transaction_row(given, operation=maker, **known))
    rows += [
        balance_transaction_row(change, operation=by(change["id"]), **known) for change in _in_order(changes)
    ]
    return rows


def _in_order(objects: Iterable[Document]) -> list[Document]:
    return sorted(objects, key=lambda one: str(one["id"]))


async def _store_customer(session: AsyncSession, customer: Document, owner: str, read_at: datetime) -> None:
    """As Stripe has it; of one that was deleted Stripe tells no more than that."""
    if customer.get("deleted"):
        known = await session.get(Customer, customer["id"])
        if known:
            gone = known.model_dump() | {"deleted": True, "synced_at": read_at}
            await mirror.store_customer(session, Customer(**gone))
    elif (customer.get("metadata") or {}).get(OWNER) == owner:
        await mirror.store_customer(session, customer_row(customer, read_at))

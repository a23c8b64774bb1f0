"""The mirror of payments, refunds, credit notes and balances: as last read, however the readings come in."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import SQLModel

from db.core.session import Database
from db.mirror import lists, mirror
from db.tables import BalanceTransactionRow, CreditNoteRow, PaymentRow, RefundRow

from ...support.builders import NOW, store, tenant
from ...support.money_rows import (
    a_balance_transaction,
    a_credit_note,
    a_payment,
    a_refund,
)

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("after", "replaced"), [(-SECOND, False), (0 * SECOND, True), (SECOND, True)])
async def test_only_a_reading_that_is_not_older_replaces_another(
    database: Database, after: timedelta, replaced: bool
) -> None:
    acme = await tenant(database)
    newer: dict[str, Any] = {"synced_at": NOW + after}
    payment, refund = a_payment(acme.id), a_refund(acme.id, "pi_1")
    credit_note, transaction = a_credit_note(acme.id), a_balance_transaction(acme.id)
    async with database.transaction() as session:
        for reading in (
            payment,
            a_payment(acme.id, id=payment.id, amount_refunded=500, disputed=True, **newer),
        ):
            await mirror.store_payment(session, reading)
        for status in (refund, a_refund(acme.id, "pi_1", id=refund.id, status="failed", **newer)):
            await mirror.store_money(session, status)
        for note in (credit_note, a_credit_note(acme.id, id=credit_note.id, status="void", **newer)):
            await mirror.store_money(session, note)
        for entry in (
            transaction,
            a_balance_transaction(acme.id, id=transaction.id, operation_id="op_1", **newer),
        ):
            await mirror.store_money(session, entry)

    kept: dict[type[SQLModel], Any] = {}
    async with database.reading() as session:
        for row in (payment, refund, credit_note, transaction):
            kept[type(row)] = await session.get(type(row), row.id)
    assert kept[PaymentRow].amount_refunded == (500 if replaced else 0)
    assert kept[PaymentRow].disputed is replaced
    assert kept[RefundRow].status == ("failed" if replaced else "pending")
    assert kept[CreditNoteRow].status == ("void" if replaced else "issued")
    # Which operation made it is of our own records, whenever Stripe was read.
    assert kept[BalanceTransactionRow].operation_id == "op_1"
    assert {row.synced_at for row in kept.values()} == {NOW + after if replaced else NOW}


async def test_payments_are_the_organizations_and_filtered_the_newest_first(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    old = a_payment(acme.id, created_at=NOW - timedelta(days=40), invoice_id="in_1")
    new, second = a_payment(acme.id), a_payment(acme.id, customer_id="cus_2", created_at=NOW + SECOND)
    theirs = a_payment(other.id)
    await store(database, old, new, second, theirs)

    async with database.reading() as session:
        first = await lists.payments(acme.id).page(session, limit=2)
        rest = await lists.payments(acme.id).page(session, limit=2, cursor=first.next_cursor)
        of_customer = await lists.payments(acme.id, customer_id="cus_1").page(session)
        of_invoice = await lists.payments(acme.id, invoice_id="in_1").page(session)
        assert await mirror.payment(session, acme.id, theirs.id) is None
        assert await mirror.payment(session, acme.id, new.id) is not None

    assert [row.id for row in first.rows] == [second.id, new.id]
    assert ([row.id for row in rest.rows], rest.next_cursor) == ([old.id], None)
    assert [row.id for row in of_customer.rows] == [new.id, old.id]
    assert [row.id for row in of_invoice.rows] == [old.id]


async def test_the_refunds_of_payments_come_the_oldest_first(database: Database) -> None:
    acme = await tenant(database)
    late = a_refund(acme.id, "pi_1", created_at=NOW + SECOND)
    early, second = a_refund(acme.id, "pi_1"), a_refund(acme.id, "pi_2", created_at=NOW - SECOND)
    await store(database, late, early, second, a_refund(acme.id, "pi_3"))

    async with database.reading() as session:
        found = await mirror.refunds_of(session, ["pi_1", "pi_2"])

    assert [row.id for row in found] == [second.id, early.id, late.id]


async def test_whose_balance_a_transaction_changed_is_known_once_it_was_read(database: Database) -> None:
    acme = await tenant(database)
    entry = a_balance_transaction(acme.id, customer_id="cus_7")
    await store(database, entry)

    async with database.reading() as session:
        assert await mirror.balance_customer(session, entry.id) == "cus_7"
        with pytest.raises(LookupError, match="cbtxn_unknown"):
            await mirror.balance_customer(session, "cbtxn_unknown")

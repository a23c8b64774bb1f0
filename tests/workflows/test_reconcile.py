"""Reconciliation: what happened in Stripe alone comes into the mirror, and a second run changes nothing."""

from typing import Any

import pytest
from sqlmodel import select

from db.tables import CreditNoteRow, Customer, Invoice, PaymentRow, RefundRow
from workflows import ids

from .. import money
from ..house import House

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


async def reconcile(home: House, number: int) -> int:
    stored: int = await home.temporal.execute_workflow(
        ids.RECONCILE, id=f"reconcile-{number}", task_queue=ids.MAIN_QUEUE, result_type=int
    )
    return stored


async def rows(home: House, table: type[Any]) -> list[Any]:
    async with home.database.reading() as session:
        return list(await session.exec(select(table).order_by(table.id)))


async def test_money_that_moved_in_stripe_alone_is_mirrored(home: House) -> None:
    tenant = await home.shop.tenant(home.database)
    customer = await money.customer(home.shop, tenant)
    invoice = await money.invoice(home.shop, customer, 5000, paid=True)
    payment = await money.payment_of(home.shop, invoice)
    v1 = home.shop.client.v1
    refund = await v1.refunds.create_async({"payment_intent": payment, "amount": 700})
    note = await v1.credit_notes.create_async({"invoice": invoice, "amount": 300, "credit_amount": 300})

    # three plans, the subscription, the customer, the invoice, the payment and which invoice it paid, refund,
    # credit note and what that did to the balance
    assert await reconcile(home, 1) == 3 + 1 + 6 + 1

    [known] = await rows(home, Customer)
    [billed] = await rows(home, Invoice)
    [paid] = await rows(home, PaymentRow)
    [returned] = await rows(home, RefundRow)
    [credited] = await rows(home, CreditNoteRow)
    assert (known.id, known.balance, billed.id) == (customer, -300, invoice)
    assert (paid.id, paid.invoice_id, paid.amount, paid.amount_refunded) == (payment, invoice, 5000, 700)
    assert (returned.id, returned.status, credited.id, credited.status) == (
        refund.id,
        "succeeded",
        note.id,
        "issued",
    )
    assert await reconcile(home, 2) == 3 + 1 + 6
    assert len(await rows(home, PaymentRow)) == 1

"""The examples of customers and invoices, as the API answers."""

from datetime import timedelta

from db.tables import CustomerMail

from ...support.builders import NOW
from ...support.money_rows import (
    a_balance_transaction,
    a_commitment,
    a_credit_note,
    a_payment,
    a_refund,
    a_refund_operation,
)
from ..conftest import ON_ONE_DATABASE
from ..recording import CUSTOMER, INVOICE, PAYMENT, ExampleHouse, first
from .rows import SEATS, a_link, some_lines

pytestmark = ON_ONE_DATABASE


async def test_what_the_mirror_has(house: ExampleHouse) -> None:
    refund = a_refund_operation(
        house.acme,
        id="op_01JD1B2K9F4S7N6V5C3X8Z0RQM",
        customer_id=CUSTOMER,
        amount_minor=5_000,
        currency="usd",
        request={"payment_intent": PAYMENT, "reason": "duplicate", "note": "The customer was billed twice."},
        state="completed",
        stage="done",
        policy={},
        allowed_actions=[],
    )
    given = a_commitment(refund, customer_id=CUSTOMER, authority_of=house.acme.admin.id, decided_at=NOW)
    payment = a_payment(house.acme.id, id=PAYMENT, charge="ch_3SVxkP2eZvKYlo2C1aBcDeFg", customer_id=CUSTOMER)
    payment.invoice_id, payment.amount, payment.amount_refunded = INVOICE, 20_000, 5_000
    refunded = a_refund(
        house.acme.id,
        PAYMENT,
        id="re_3SVxkP2eZvKYlo2C1mWb4uJd",
        customer_id=CUSTOMER,
        operation_id=refund.id,
        amount=5_000,
        status="succeeded",
        reason="duplicate",
    )
    noted = a_credit_note(
        house.acme.id,
        id="cn_1R3t4Y5u6I7o8P9c",
        number="BLUE-0042-CN-01",
        customer_id=CUSTOMER,
        invoice_id=INVOICE,
        lines=[{"line": SEATS, "amount": 1_000}],
    )
    link = a_link(house.acme, house.invoice, id="plk_01JD1B2K9F4S7N6V5C3X8Z0RQN", opens=1)
    link.first_opened_at = link.last_opened_at = NOW + timedelta(hours=2)
    changed = a_balance_transaction(
        house.acme.id,
        id="cbtxn_1R3t4Y5u6I7o8P9d",
        customer_id=CUSTOMER,
        amount=-2_500,
        ending_balance=-2_500,
    )
    mail = CustomerMail(
        id="cml_01JD1B2K9F4S7N6V5C3X8Z0RQP",
        organization_id=house.acme.id,
        customer_id=CUSTOMER,
        invoice_id=INVOICE,
        step="due-7d",
        template="reminder",
        state="sent",
        reason="sent",
        amount_minor=100_000,
        currency="usd",
        decided_at=NOW,
        due_at=NOW,
        settled_at=NOW + timedelta(seconds=1),
        address="ap@bluebottle.example",
    )
    await house.store(refund, given, payment, refunded, noted, some_lines(house.invoice), link)
    await house.store(changed, mail)

    await house.get("customer", "/v1/customers", part=first)
    await house.get("invoice", "/v1/invoices", part=first)
    await house.get("customer_detail", f"/v1/customers/{CUSTOMER}")
    await house.get("invoice_detail", f"/v1/invoices/{INVOICE}")
    await house.get("search", "/v1/search?q=blue%20bottle")
    theirs = f"/v1/customers/{CUSTOMER}"
    await house.get("refund", f"{theirs}/refunds", part=first)
    await house.get("credit_note", f"{theirs}/credit-notes", part=first)
    await house.get("balance_transaction", f"{theirs}/balance-transactions", part=first)
    await house.get("mail", f"{theirs}/mails", part=first)


async def test_a_customer_is_erased(house: ExampleHouse) -> None:
    noted = a_refund_operation(
        house.acme,
        id="op_01JD1B2K9F4S7N6V5C3X8Z0RQM",
        customer_id=CUSTOMER,
        request={"payment_intent": PAYMENT, "note": "Blue Bottle GmbH was billed twice."},
        state="completed",
        closed_at=NOW,
    )
    await house.store(noted)
    body = house.body("erasure_body")
    await house.request("erasure", "POST", f"/v1/customers/{CUSTOMER}/erasure", body=body)


async def test_the_same_is_done_to_several_invoices(house: ExampleHouse) -> None:
    body = house.body("bulk_body")
    await house.request("bulk", "POST", "/v1/invoices/bulk", body=body, **{"Idempotency-Key": "bulk"})

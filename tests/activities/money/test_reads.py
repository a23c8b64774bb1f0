"""What can be credited, what became of refunds and credits, and what our mirror then shows."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from billing.money.credit import CreditableFacts, CreditableInvoice, CreditFound
from db.tables import BalanceTransactionRow, CreditNoteRow, Customer, Invoice, PaymentRow, RefundRow

from ...support import money
from ..counter import Counter

only_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


# --- Creditable -------------------------------------------------------------------------------------------


async def test_a_customer_tells_balance_and_currency(counter: Counter) -> None:
    assert await counter.creditable() == CreditableFacts(customer=counter.customer)
    await counter.shop.client.v1.customers.balance_transactions.create_async(
        counter.customer, {"amount": -700, "currency": "usd"}
    )

    facts = await counter.creditable()

    assert facts == CreditableFacts(customer=counter.customer, currency="usd", balance=-700)
    [row] = await counter.rows(Customer)
    assert (row.balance, row.currency, row.organization_id) == (-700, "usd", counter.tenant.id)


async def test_an_invoice_tells_what_credit_notes_have_taken_of_it(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    await counter.pay_part(invoice, 1000)
    await v1.credit_notes.create_async({"invoice": invoice, "amount": 500})
    voided = await v1.credit_notes.create_async({"invoice": invoice, "amount": 800})
    await v1.credit_notes.void_credit_note_async(voided.id)
    await v1.credit_notes.create_async({"invoice": invoice, "amount": 4000, "credit_amount": 500})
    number = (await v1.invoices.retrieve_async(invoice)).number

    facts = await counter.creditable(invoice=invoice)

    assert facts.invoice == CreditableInvoice(
        invoice=invoice,
        number=number,
        status="paid",
        currency="usd",
        total=5000,
        remaining=0,
        credited=4500,
    )
    assert facts.invoice.left == 500
    assert (facts.balance, facts.problem) == (-500, None)
    [row] = await counter.rows(Invoice)
    assert (row.id, row.status, row.amount_remaining) == (invoice, "paid", 0)


@only_sqlite
@pytest.mark.parametrize("finalized", [False, True], ids=["draft", "open"])
async def test_an_invoice_that_is_not_paid_tells_what_remains(counter: Counter, finalized: bool) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000, finalized=finalized)
    found = (await counter.creditable(invoice=invoice)).invoice
    assert found is not None
    assert (found.status, found.total, found.remaining, found.credited) == (
        "open" if finalized else "draft",
        5000,
        5000,
        0,
    )


@only_sqlite
async def test_customers_that_are_unknown_deleted_or_anothers_are_told_alike(counter: Counter) -> None:
    other = await counter.shop.tenant(counter.database)
    gone = await money.customer(counter.shop, counter.tenant)
    await counter.shop.client.v1.customers.delete_async(gone)

    for customer in ("cus_none", await money.customer(counter.shop, other), gone):
        facts = await counter.creditable(customer)
        assert facts.problem is not None
        assert (facts.problem.code, customer in facts.problem.message) == ("customer_unknown", True)
        assert facts == CreditableFacts(problem=facts.problem)
    assert await counter.rows(Customer) == []


@only_sqlite
async def test_money_of_an_organization_is_nobodys_to_give_whatever_its_metadata_says(
    counter: Counter,
) -> None:
    marked = await counter.an_organization_marked_as_ours()
    invoice = await money.invoice(counter.shop, marked, 5000, paid=True)
    payment = await money.payment_of(counter.shop, invoice)

    problems = [
        (await counter.creditable(marked, invoice)).problem,
        (await counter.refundable(invoice=invoice)).problem,
        (await counter.refundable(payment_intent=payment)).problem,
    ]

    assert [one and one.code for one in problems] == [
        "customer_unknown",
        "payment_unknown",
        "payment_unknown",
    ]
    for table in (Customer, Invoice, PaymentRow):
        assert await counter.rows(table) == []


@only_sqlite
async def test_an_invoice_of_another_customer_is_as_good_as_unknown(counter: Counter) -> None:
    sibling = await money.customer(counter.shop, counter.tenant)
    other = await counter.shop.tenant(counter.database)
    stranger = await money.customer(counter.shop, other)
    for invoice in (
        "in_none",
        await money.invoice(counter.shop, sibling, 5000),
        await money.invoice(counter.shop, stranger, 5000),
    ):
        facts = await counter.creditable(invoice=invoice)
        assert (facts.customer, facts.invoice) == (counter.customer, None)
        assert facts.problem is not None
        assert (facts.problem.code, invoice in facts.problem.message) == ("invoice_unknown", True)
    assert await counter.rows(Invoice) == []


# --- What became of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "first", "then", "left"),
    [
        ("pm_card_visa", "succeeded", "succeeded", 4000),
        ("pm_card_pendingRefund", "pending", "succeeded", 4000),
        ("pm_card_pendingRefundFail", "pending", "failed", 5000),
        ("pm_card_refundFail", "succeeded", "failed", 5000),
        ("pm_card_refundFailAtOnce", "failed", "failed", 5000),
        ("pm_card_refundActionTaken", "requires_action", "succeeded", 4000),
    ],
)
async def test_a_refund_is_followed_and_the_mirror_with_it(
    counter: Counter, card: str, first: str, then: str, left: int
) -> None:
    payment = await counter.pay(5000, card)
    refund = await counter.give_back(payment, 1000, operation="op_1")
    assert (await counter.refund(refund)).status == first

    counter.shop.stand_in.advance(61)
    found = await counter.refund(refund)

    assert (found.refund, found.status, found.amount, found.currency) == (refund, then, 1000, "usd")
    assert (found.payment_intent, found.metadata) == (payment, {"plixo_operation": "op_1"})
    assert (found.failure_reason is not None) == (then == "failed")
    [row] = await counter.rows(RefundRow)
    assert (row.id, row.status, row.failure_reason, row.operation_id) == (
        refund,
        then,
        found.failure_reason,
        "op_1",
    )
    [paid] = await counter.rows(PaymentRow)
    assert paid.amount - paid.amount_refunded == left


@only_sqlite
async def test_looking_at_a_refund_forgets_nothing_of_its_payment(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000, paid=True)
    payment = await money.payment_of(counter.shop, invoice)
    await counter.refundable(payment_intent=payment)
    await counter.refund(await counter.give_back(payment, 1000))

    [row] = await counter.rows(PaymentRow)

    assert (row.invoice_id, row.amount_refunded) == (invoice, 1000)


@only_sqlite
async def test_a_pending_refund_says_what_it_waits_for(counter: Counter) -> None:
    payment = await counter.pay(5000, "pm_card_pendingRefund")
    found = await counter.refund(await counter.give_back(payment, 1000))
    assert (found.pending_reason, found.failure_reason) == ("processing", None)


async def test_a_balance_credit_is_found_with_the_balance_now(counter: Counter) -> None:
    service = counter.shop.client.v1.customers.balance_transactions
    made = await service.create_async(
        counter.customer,
        {"amount": -1200, "currency": "usd", "metadata": {"plixo_operation": "op_1"}},
    )
    await service.create_async(counter.customer, {"amount": 200, "currency": "usd"})
    await counter.made_by("op_1", "balance.create", made.id)

    assert await counter.credit("balance", made.id) == CreditFound(
        object=made.id,
        amount=1200,
        currency="usd",
        reduces_due=0,
        to_balance=1200,
        balance_after=-1000,
        metadata={"plixo_operation": "op_1"},
    )
    [row] = await counter.rows(BalanceTransactionRow)
    assert (row.id, row.amount, row.ending_balance, row.operation_id) == (made.id, -1200, -1200, "op_1")
    [customer] = await counter.rows(Customer)
    assert customer.balance == -1000


@pytest.mark.parametrize(
    ("paid", "reduces_due", "to_balance", "remaining"), [(0, 1200, 0, 3800), (4500, 500, 700, 0)]
)
async def test_a_credit_note_is_found_with_where_it_went(
    counter: Counter, paid: int, reduces_due: int, to_balance: int, remaining: int
) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    if paid:
        await counter.pay_part(invoice, paid)
    params: Any = {"invoice": invoice, "amount": 1200, "metadata": {"plixo_operation": "op_1"}}
    if to_balance:
        params["credit_amount"] = to_balance
    made = await counter.shop.client.v1.credit_notes.create_async(params)
    await counter.made_by("op_1", "credit_note.create", made.id)

    assert await counter.credit("credit_note", made.id, invoice) == CreditFound(
        object=made.id,
        amount=1200,
        currency="usd",
        reduces_due=reduces_due,
        to_balance=to_balance,
        balance_after=-to_balance,
        invoice_remaining=remaining,
        metadata={"plixo_operation": "op_1"},
    )
    [row] = await counter.rows(CreditNoteRow)
    assert (row.id, row.invoice_id, row.amount, row.status, row.operation_id) == (
        made.id,
        invoice,
        1200,
        "issued",
        "op_1",
    )
    [billed] = await counter.rows(Invoice)
    assert billed.amount_remaining == remaining
    given = [(row.amount, row.type, row.operation_id) for row in await counter.rows(BalanceTransactionRow)]
    assert given == ([(-to_balance, "credit_note", "op_1")] if to_balance else [])


@only_sqlite
async def test_a_voided_credit_note_says_so(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    made = await v1.credit_notes.create_async({"invoice": invoice, "amount": 1200})
    await v1.credit_notes.void_credit_note_async(made.id)

    found = await counter.credit("credit_note", made.id, invoice)

    assert (found.voided, found.invoice_remaining) == (True, 5000)
    assert (await counter.rows(CreditNoteRow))[0].status == "void"


@only_sqlite
async def test_money_that_was_refunded_by_a_credit_note_is_no_credit_to_the_balance(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000, paid=True)
    made = await counter.shop.client.v1.credit_notes.create_async(
        {"invoice": invoice, "amount": 1200, "refund_amount": 1000, "credit_amount": 200}
    )
    assert (await counter.credit("credit_note", made.id, invoice)).to_balance == 200


# --- What goes wrong --------------------------------------------------------------------------------------


@only_sqlite
@pytest.mark.parametrize("fault", ["drop_after", "error_before", "rate_limit", "bad_gateway"])
async def test_a_reading_that_went_wrong_is_tried_again(counter: Counter, fault: str) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000, paid=True)
    payment = await money.payment_of(counter.shop, invoice)
    reads = {
        f"payment_intents/{payment}$": lambda: counter.refundable(payment_intent=payment),
        "invoice_payments$": lambda: counter.refundable(invoice=invoice),
        f"customers/{counter.customer}$": lambda: counter.creditable(),
        f"invoices/{invoice}$": lambda: counter.creditable(invoice=invoice),
    }
    for path, read in reads.items():
        counter.shop.stand_in.fault(fault, method="GET", path=path)
        with pytest.raises(ApplicationError) as failed:
            await read()
        assert not failed.value.non_retryable
        assert (await read()).problem is None


@only_sqlite
async def test_a_refund_or_credit_that_is_not_there_is_an_error_for_good(counter: Counter) -> None:
    """It was there when it was made: nothing that a requester could fix."""
    for look in (
        counter.refund("re_none"),
        counter.credit("credit_note", "cn_none", "in_none"),
        counter.credit("balance", "cbtxn_none"),
    ):
        with pytest.raises(ApplicationError) as failed:
            await look
        assert (failed.value.type, failed.value.non_retryable) == ("resource_missing", True)

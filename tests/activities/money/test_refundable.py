"""What Stripe says can be refunded of a payment or an invoice, and what our mirror then shows."""

from typing import Any

import pytest

from activities.money import payments
from billing.money.refund import Payment, RefundableFacts, RefundInStripe
from db.tables import Customer, Invoice, PaymentRow, RefundRow

from ...support import money
from ..counter import Counter

only_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


async def test_a_payment_tells_what_is_left_and_who_has_refunded_it(counter: Counter) -> None:
    payment = await counter.pay(5000)
    charge = await counter.charge_of(payment)
    elsewhere = await counter.give_back(payment, 700)
    ours = await counter.give_back(payment, 300, operation="op_earlier")

    facts = await counter.refundable(payment_intent=payment)

    assert facts == RefundableFacts(
        customer=counter.customer,
        invoice=None,
        currency="usd",
        payments=(
            Payment(
                payment_intent=payment,
                charge=charge,
                paid=5000,
                refunded=1000,
                disputed=False,
                refunds=(
                    RefundInStripe(refund=ours, amount=300, status="succeeded", operation="op_earlier"),
                    RefundInStripe(refund=elsewhere, amount=700, status="succeeded"),
                ),
            ),
        ),
    )
    assert facts.payments[0].left == 4000
    [row] = await counter.rows(PaymentRow)
    assert (row.id, row.organization_id, row.customer_id) == (payment, counter.tenant.id, counter.customer)
    assert (row.charge, row.amount, row.amount_refunded, row.disputed, row.status) == (
        charge,
        5000,
        1000,
        False,
        "succeeded",
    )
    assert {(row.id, row.amount, row.operation_id) for row in await counter.rows(RefundRow)} == {
        (elsewhere, 700, None),
        (ours, 300, "op_earlier"),
    }
    [known] = await counter.rows(Customer)
    assert (known.id, known.organization_id) == (counter.customer, counter.tenant.id)


@only_sqlite
async def test_every_refund_of_a_payment_is_told_however_many_there_are(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payments, "PAGE", 5)
    payment = await counter.pay(5000)
    made = [await counter.give_back(payment, 10 + number) for number in range(23)]

    [found] = (await counter.refundable(payment_intent=payment)).payments

    assert [refund.refund for refund in found.refunds] == made[::-1]
    assert sum(refund.amount for refund in found.refunds) == found.refunded
    assert len(await counter.rows(RefundRow)) == 23


@only_sqlite
async def test_a_refund_that_failed_is_told_and_takes_nothing(counter: Counter) -> None:
    payment = await counter.pay(5000, "pm_card_refundFailAtOnce")
    failed = await counter.give_back(payment, 5000)

    [found] = (await counter.refundable(payment_intent=payment)).payments

    assert (found.left, found.refunds) == (
        5000,
        (RefundInStripe(refund=failed, amount=5000, status="failed"),),
    )


async def test_a_payment_names_the_invoice_that_it_paid(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000, paid=True)
    payment = await money.payment_of(counter.shop, invoice)

    facts = await counter.refundable(payment_intent=payment)

    assert (facts.invoice, [p.payment_intent for p in facts.payments]) == (invoice, [payment])
    [row] = await counter.rows(PaymentRow)
    assert row.invoice_id == invoice


async def test_an_invoice_tells_all_its_payments_the_oldest_first(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    parts = [await counter.pay_part(invoice, amount) for amount in (1000, 1500)]
    method = await counter.shop.client.v1.payment_methods.attach_async(
        "pm_card_visa", {"customer": counter.customer}
    )
    await counter.shop.client.v1.invoices.pay_async(invoice, {"payment_method": method.id})
    await counter.give_back(parts[1], 400)

    facts = await counter.refundable(invoice=invoice)

    assert (facts.customer, facts.invoice, facts.currency) == (counter.customer, invoice, "usd")
    assert [(p.paid, p.refunded) for p in facts.payments] == [(1000, 0), (1500, 400), (2500, 0)]
    assert [p.payment_intent for p in facts.payments][:2] == parts
    assert {(row.amount, row.invoice_id) for row in await counter.rows(PaymentRow)} == {
        (1000, invoice),
        (1500, invoice),
        (2500, invoice),
    }
    [billed] = await counter.rows(Invoice)
    assert (billed.id, billed.status, billed.amount_paid) == (invoice, "paid", 5000)


@only_sqlite
async def test_a_payment_in_another_currency_says_so(counter: Counter) -> None:
    payment = await counter.pay(9000, currency="eur")
    assert (await counter.refundable(payment_intent=payment)).currency == "eur"


@only_sqlite
async def test_a_disputed_payment_says_so(counter: Counter) -> None:
    payment = await counter.pay(5000, "pm_card_createDispute")
    [found] = (await counter.refundable(payment_intent=payment)).payments
    assert found.disputed
    [row] = await counter.rows(PaymentRow)
    assert (row.disputed, row.held_by_dispute, row.refundable) == (True, True, 0)


@only_sqlite
async def test_what_a_bank_only_asks_about_and_what_was_won_can_be_refunded(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    asked = await counter.pay(5000, "pm_card_createDisputeInquiry")
    won = await counter.pay(6000, "pm_card_createDispute")
    [dispute] = (await v1.disputes.list_async({"payment_intent": won})).data
    await v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    [before] = (await counter.refundable(payment_intent=won)).payments
    counter.shop.stand_in.advance(61)
    for payment, amount in ((asked, 5000), (won, 6000)):
        [found] = (await counter.refundable(payment_intent=payment)).payments
        assert (before.disputed, found.disputed, found.left) == (True, False, amount)
    assert {(row.disputed, row.refundable) for row in await counter.rows(PaymentRow)} == {
        (True, 5000),
        (True, 6000),
    }


def _check_refusal(facts: RefundableFacts, code: str, named: str) -> None:
    assert facts.problem is not None
    assert (facts.problem.code, named in facts.problem.message) == (code, True)
    assert facts == RefundableFacts(problem=facts.problem)


@only_sqlite
async def test_what_is_unknown_and_what_is_another_organizations_are_told_alike(counter: Counter) -> None:
    other = await counter.shop.tenant(counter.database)
    theirs = await money.customer(counter.shop, other)
    nobodys = (await counter.shop.client.v1.customers.create_async({"name": "Nobody's"})).id
    gone = await money.customer(counter.shop, counter.tenant)
    payments = {
        "unknown": "pi_none",
        "another's": await money.pay(counter.shop, theirs, 5000),
        "nobody's": await money.pay(counter.shop, nobodys, 5000),
        "a deleted customer's": await money.pay(counter.shop, gone, 5000),
    }
    await counter.shop.client.v1.customers.delete_async(gone)
    guest = await counter.shop.client.v1.payment_intents.create_async(
        {"amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )

    for payment in (*payments.values(), guest.id):
        _check_refusal(await counter.refundable(payment_intent=payment), "payment_unknown", payment)
    for invoice in ("in_none", await money.invoice(counter.shop, theirs, 5000, paid=True)):
        _check_refusal(await counter.refundable(invoice=invoice), "payment_unknown", invoice)
    assert (await counter.rows(PaymentRow), await counter.rows(Invoice)) == ([], [])


@only_sqlite
@pytest.mark.parametrize("cancelled", [False, True])
async def test_of_a_payment_that_never_came_in_nothing_can_be_refunded(
    counter: Counter, cancelled: bool
) -> None:
    v1 = counter.shop.client.v1
    intent = await v1.payment_intents.create_async(
        {"amount": 5000, "currency": "usd", "customer": counter.customer}
    )
    if cancelled:
        await v1.payment_intents.cancel_async(intent.id)

    problem = (await counter.refundable(payment_intent=intent.id)).problem

    assert problem is not None
    assert (problem.code, intent.id in problem.message) == ("nothing_paid", True)


@only_sqlite
async def test_of_a_declined_payment_nothing_can_be_refunded(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    intent = await v1.payment_intents.create_async(
        {"amount": 5000, "currency": "usd", "customer": counter.customer}
    )
    declined: Any = {"payment_method": "pm_card_chargeDeclined"}
    with pytest.raises(Exception, match="declined"):
        await v1.payment_intents.confirm_async(intent.id, declined)

    problem = (await counter.refundable(payment_intent=intent.id)).problem

    assert problem is not None
    assert problem.code == "nothing_paid"


@only_sqlite
async def test_of_an_unpaid_invoice_or_one_paid_elsewhere_nothing_can_be_refunded(counter: Counter) -> None:
    unpaid = await money.invoice(counter.shop, counter.customer, 5000)
    elsewhere = await money.invoice(counter.shop, counter.customer, 5000)
    await counter.shop.client.v1.invoices.pay_async(elsewhere, {"paid_out_of_band": True})

    for invoice in (unpaid, elsewhere):
        number = (await counter.shop.client.v1.invoices.retrieve_async(invoice)).number
        problem = (await counter.refundable(invoice=invoice)).problem
        assert problem is not None
        assert (problem.code, str(number) in problem.message) == ("nothing_paid", True)

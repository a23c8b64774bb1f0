"""Invoices that are paid by several payments, and what credit notes and refunds make of those."""

from typing import Any

import pytest
import stripe

from .billing import Business


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def owed(business: Business, amount: int = 1000, **more: Any) -> Any:
    """An open invoice of this amount."""
    customer = business.customer().id
    invoice = business.v1.invoices.create({"customer": customer, **more})
    business.v1.invoice_items.create(
        {"customer": customer, "invoice": invoice.id, "amount": amount, "currency": "usd"}
    )
    return business.v1.invoices.finalize_invoice(invoice.id)


def intent(business: Business, customer: str, amount: int, *, confirm: bool = True, **more: Any) -> Any:
    """A payment intent of the customer's, charged unless told otherwise."""
    given = {"amount": amount, "currency": "usd", "customer": customer, "payment_method": "pm_card_visa"}
    return business.v1.payment_intents.create(given | {"confirm": confirm} | more)


def pay(business: Business, invoice: Any, amount: int) -> str:
    """Pays a part of the invoice; the payment intent's id."""
    made = intent(business, invoice.customer, amount)
    business.v1.invoices.attach_payment(invoice.id, {"payment_intent": made.id})
    return str(made.id)


def figures(business: Business, invoice: Any) -> tuple[Any, ...]:
    now = business.invoice(invoice.id)
    return now.status, now.amount_paid, now.amount_remaining, now.amount_overpaid


def payments(business: Business, invoice: Any) -> list[tuple[int | None, str, bool]]:
    """Amount paid, status and whether it is the default, the oldest first."""
    found = business.v1.invoice_payments.list({"invoice": invoice.id}).data
    return [(one.amount_paid, one.status, one.is_default) for one in reversed(found)]


def test_parts_are_credited_and_the_default_payment_asks_for_the_rest(business: Business) -> None:
    invoice = owed(business)
    pay(business, invoice, 300)
    assert figures(business, invoice) == ("open", 300, 700, 0)
    assert payments(business, invoice) == [(None, "open", True), (300, "paid", False)]

    business.v1.invoices.pay(invoice.id)

    assert figures(business, invoice) == ("paid", 1000, 0, 0)
    assert payments(business, invoice) == [(700, "paid", True), (300, "paid", False)]
    assert business.events("invoice_payment.paid", "invoice.paid") == [
        "invoice_payment.paid",
        "invoice_payment.paid",
        "invoice.paid",
    ]


def test_the_last_part_pays_the_invoice_and_the_default_payment_is_given_up(business: Business) -> None:
    invoice = owed(business)
    pay(business, invoice, 300)
    pay(business, invoice, 700)

    assert figures(business, invoice) == ("paid", 1000, 0, 0)
    assert payments(business, invoice) == [
        (None, "canceled", True),
        (300, "paid", False),
        (700, "paid", False),
    ]


def test_an_attached_payment_counts_when_it_succeeds(business: Business) -> None:
    invoice = owed(business)
    made = intent(business, invoice.customer, 400, confirm=False)
    business.v1.invoices.attach_payment(invoice.id, {"payment_intent": made.id})
    assert figures(business, invoice) == ("open", 0, 1000, 0)

    business.v1.payment_intents.confirm(made.id)

    assert figures(business, invoice) == ("open", 400, 600, 0)


def test_an_attached_payment_follows_its_intent_until_that_is_cancelled(business: Business) -> None:
    invoice = owed(business)
    made = intent(business, invoice.customer, 400, confirm=False)
    business.v1.invoices.attach_payment(invoice.id, {"payment_intent": made.id})
    business.v1.payment_intents.update(made.id, {"amount": 500})
    attached = business.v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    assert (attached.amount_requested, attached.status) == (500, "open")
    assert refused(business.v1.invoices.mark_uncollectible, invoice.id).http_status == 400

    business.v1.payment_intents.cancel(made.id)

    assert payments(business, invoice) == [(None, "open", True), (None, "canceled", False)]
    business.v1.invoices.void_invoice(invoice.id)
    assert business.invoice(invoice.id).status == "void"


def test_what_is_paid_too_much_is_credited_to_the_customer(business: Business) -> None:
    invoice = owed(business)
    made = intent(business, invoice.customer, 400, confirm=False)
    business.v1.invoices.attach_payment(invoice.id, {"payment_intent": made.id})
    business.v1.invoices.pay(invoice.id)

    business.v1.payment_intents.confirm(made.id)

    assert figures(business, invoice) == ("paid", 1400, 0, 400)
    assert business.balance(invoice.customer) == -400
    [transaction] = business.v1.customers.balance_transactions.list(invoice.customer).data
    assert (transaction.type, transaction.amount, transaction.invoice) == (
        "invoice_overpaid",
        -400,
        invoice.id,
    )


def test_an_invoice_with_a_part_paid_cannot_be_voided(business: Business) -> None:
    invoice = owed(business)
    pay(business, invoice, 300)
    assert refused(business.v1.invoices.void_invoice, invoice.id).http_status == 400


@pytest.mark.parametrize(
    "wrong",
    [{"amount": 1001}, {"currency": "eur"}, {"customer": None}],
    ids=["too much", "other currency", "no customer"],
)
def test_an_intent_that_does_not_fit_is_refused(business: Business, wrong: dict[str, Any]) -> None:
    invoice = owed(business)
    given = {
        "amount": 400,
        "currency": "usd",
        "customer": invoice.customer,
        "payment_method": "pm_card_visa",
        "confirm": True,
    } | wrong
    made = business.v1.payment_intents.create({k: v for k, v in given.items() if v is not None})
    error = refused(business.v1.invoices.attach_payment, invoice.id, {"payment_intent": made.id})
    assert (error.http_status, error.param) == (400, "payment_intent")
    assert figures(business, invoice) == ("open", 0, 1000, 0)


def test_an_intent_pays_one_invoice_once(business: Business) -> None:
    invoice = owed(business)
    made = pay(business, invoice, 300)
    assert refused(business.v1.invoices.attach_payment, invoice.id, {"payment_intent": made}).http_status == (
        400
    )
    assert (
        refused(business.v1.invoices.attach_payment, invoice.id, {"payment_intent": "pi_none"}).code
        == "resource_missing"
    )


def test_an_automatically_charged_subscriptions_invoice_takes_no_parts(business: Business) -> None:
    subscription = business.subscribe(
        1000, customer=business.declining_customer().id, payment_behavior="allow_incomplete"
    )
    invoice = business.invoice(subscription.latest_invoice)
    made = intent(business, invoice.customer, 300)
    error = refused(business.v1.invoices.attach_payment, invoice.id, {"payment_intent": made.id})
    assert (invoice.status, error.http_status) == ("open", 400)


# --- Money back -------------------------------------------------------------------------------------------


def test_each_payment_of_an_invoice_is_refunded_up_to_its_own_amount(business: Business) -> None:
    invoice = owed(business)
    first, second = pay(business, invoice, 300), pay(business, invoice, 700)
    error = refused(business.v1.refunds.create, {"payment_intent": first, "amount": 301})
    assert error.param == "amount"

    business.v1.refunds.create({"payment_intent": first, "amount": 300})
    business.v1.refunds.create({"payment_intent": second, "amount": 100})

    paid = business.v1.invoice_payments.list({"invoice": invoice.id, "status": "paid"}).data
    intents = [one.payment.payment_intent for one in paid]
    refunded = [
        business.v1.payment_intents.retrieve(id, {"expand": ["latest_charge"]}).latest_charge.amount_refunded
        for id in intents
    ]
    assert (intents, refunded) == ([second, first], [100, 300])
    assert figures(business, invoice) == ("paid", 1000, 0, 0)


def test_a_note_on_a_partly_paid_invoice_is_mixed(business: Business) -> None:
    invoice = owed(business)
    pay(business, invoice, 300)
    seen = business.v1.credit_notes.preview({"invoice": invoice.id, "amount": 900, "credit_amount": 200})
    assert (seen.type, seen.pre_payment_amount, seen.post_payment_amount) == ("mixed", 700, 200)
    error = refused(business.v1.credit_notes.create, {"invoice": invoice.id, "amount": 900})
    assert "must equal the post payment credit note amount ($2.00)" in str(error)

    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 900, "credit_amount": 200})

    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("mixed", 700, 200)
    after = business.invoice(invoice.id)
    assert (after.status, after.amount_paid, after.amount_remaining) == ("paid", 300, 0)
    assert (after.pre_payment_credit_notes_amount, after.post_payment_credit_notes_amount) == (700, 200)
    assert business.balance(invoice.customer) == -200
    assert refused(business.v1.credit_notes.void_credit_note, note.id).http_status == 400


def test_a_notes_refund_is_taken_from_the_payments_one_after_the_other(business: Business) -> None:
    invoice = owed(business)
    first, second = pay(business, invoice, 300), pay(business, invoice, 700)

    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 500, "refund_amount": 500})

    made = [business.v1.refunds.retrieve(one.refund) for one in note.refunds]
    assert [(one.payment_intent, one.amount) for one in made] == [(first, 300), (second, 200)]

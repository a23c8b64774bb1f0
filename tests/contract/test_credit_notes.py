"""Credit notes: before the payment, after it, and both."""

from typing import Any

import pytest
import stripe

from .billing import Business


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def final(business: Business, *figures: int, pay: bool = False) -> Any:
    """An invoice of these amounts, open or paid."""
    customer = business.customer().id
    invoice = business.v1.invoices.create({"customer": customer})
    for figure in figures:
        business.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": figure, "currency": "usd"}
        )
    business.v1.invoices.finalize_invoice(invoice.id)
    return business.v1.invoices.pay(invoice.id) if pay else business.invoice(invoice.id)


def test_a_note_on_an_open_invoice_reduces_what_remains(business: Business) -> None:
    invoice = final(business, 1000)
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 400, "reason": "order_change"})
    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("pre_payment", 400, 0)
    assert note.number == f"{invoice.number}-CN-01"
    after = business.invoice(invoice.id)
    assert (after.amount_remaining, after.pre_payment_credit_notes_amount, after.status) == (600, 400, "open")
    paid = business.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 600, 0)
    assert refused(business.v1.credit_notes.void_credit_note, note.id).http_status == 400


def test_an_open_invoice_credited_in_full_is_paid(business: Business) -> None:
    invoice = final(business, 1000)
    business.v1.credit_notes.create({"invoice": invoice.id, "amount": 1000})
    after = business.invoice(invoice.id)
    assert (after.status, after.amount_paid, after.amount_remaining) == ("paid", 0, 0)


def test_a_voided_note_restores_the_invoice(business: Business) -> None:
    invoice = final(business, 1000)
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 400})
    voided = business.v1.credit_notes.void_credit_note(note.id)
    assert voided.status == "void"
    assert business.invoice(invoice.id).amount_remaining == 1000
    assert refused(business.v1.credit_notes.void_credit_note, note.id).http_status == 400
    assert business.events("credit_note.created", "credit_note.voided") == [
        "credit_note.created",
        "credit_note.voided",
    ]


def test_a_note_on_a_paid_invoice_refunds(business: Business) -> None:
    invoice = final(business, 1000, pay=True)
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 300, "refund_amount": 300})
    assert (note.type, note.post_payment_amount) == ("post_payment", 300)
    [entry] = note.refunds
    refund = business.v1.refunds.retrieve(entry.refund)
    assert (entry.amount_refunded, refund.amount, refund.status) == (300, 300, "succeeded")
    after = business.invoice(invoice.id)
    assert (after.status, after.post_payment_credit_notes_amount) == ("paid", 300)


def test_a_note_on_a_paid_invoice_credits_the_balance(business: Business) -> None:
    invoice = final(business, 1000, pay=True)
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 300, "credit_amount": 300})
    assert business.balance(invoice.customer) == -300
    [transaction] = business.v1.customers.balance_transactions.list(invoice.customer).data
    assert (transaction.type, transaction.amount, transaction.credit_note) == ("credit_note", -300, note.id)
    assert note.customer_balance_transaction == transaction.id


def test_what_is_given_back_must_equal_what_was_paid_too_much(business: Business) -> None:
    invoice = final(business, 1000, pay=True)
    for given in ({}, {"refund_amount": 200}, {"refund_amount": 200, "credit_amount": 200}):
        error = refused(business.v1.credit_notes.create, {"invoice": invoice.id, "amount": 300, **given})
        assert error.http_status == 400
        assert "must equal the post payment credit note amount ($3.00)" in str(error)
    both = {"refund_amount": 100, "credit_amount": 150, "out_of_band_amount": 50}
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 300, **both})
    assert (note.out_of_band_amount, business.balance(invoice.customer)) == (50, -150)


def test_a_note_may_link_a_refund_that_was_made(business: Business) -> None:
    invoice = final(business, 1000, pay=True)
    [payment] = business.v1.invoice_payments.list({"invoice": invoice.id}).data
    refund = business.v1.refunds.create({"payment_intent": payment.payment.payment_intent, "amount": 250})
    refunds = [{"refund": refund.id, "amount_refunded": 250}]
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 250, "refunds": refunds})
    assert [(one.refund, one.amount_refunded) for one in note.refunds] == [(refund.id, 250)]


def test_lines_are_credited_up_to_what_they_billed(business: Business) -> None:
    invoice = final(business, 600, 400)
    first = invoice.lines.data[0]
    lines = [
        {"type": "invoice_line_item", "invoice_line_item": first.id, "amount": 200},
        {"type": "custom_line_item", "description": "Goodwill", "unit_amount": 50, "quantity": 2},
    ]
    seen = business.v1.credit_notes.preview({"invoice": invoice.id, "lines": lines})
    assert (seen.total, list(business.v1.credit_notes.list({"invoice": invoice.id}))) == (300, [])
    note = business.v1.credit_notes.create({"invoice": invoice.id, "lines": lines})
    assert [
        (line.type, line.amount, line.invoice_line_item if hasattr(line, "invoice_line_item") else None)
        for line in note.lines.data
    ] == [
        ("invoice_line_item", 200, first.id),
        ("custom_line_item", 100, None),
    ]
    assert [line.amount for line in business.v1.credit_notes.line_items.list(note.id).data] == [200, 100]
    too_much = [{"type": "invoice_line_item", "invoice_line_item": first.id, "amount": 601}]
    assert (
        refused(business.v1.credit_notes.create, {"invoice": invoice.id, "lines": too_much}).http_status
        == 400
    )


def test_a_line_is_credited_by_amounts_or_by_quantities_over_all_notes(business: Business) -> None:
    """https://docs.stripe.com/invoicing/integration/programmatic-credit-notes"""
    invoice = final(business, 600, 400)
    first, second = invoice.lines.data

    def credit(line: Any, **how: int) -> dict[str, Any]:
        return {
            "invoice": invoice.id,
            "lines": [{"type": "invoice_line_item", "invoice_line_item": line.id, **how}],
        }

    business.v1.credit_notes.create(credit(first, amount=100))
    whole = business.v1.credit_notes.create(credit(second, quantity=1))
    assert refused(business.v1.credit_notes.preview, credit(first, quantity=1)).http_status == 400
    assert refused(business.v1.credit_notes.create, credit(second, amount=1)).http_status == 400
    assert business.v1.credit_notes.create(credit(first, amount=100)).total == 100
    business.v1.credit_notes.void_credit_note(whole.id)
    assert business.v1.credit_notes.create(credit(second, amount=1)).total == 1


def test_a_note_embeds_its_first_ten_lines(business: Business) -> None:
    invoice = final(business, *[100] * 12)
    lines = [
        {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": number}
        for number, line in enumerate(
            business.v1.invoices.line_items.list(invoice.id, {"limit": 12}), start=1
        )
    ]
    note = business.v1.credit_notes.create({"invoice": invoice.id, "lines": lines})
    assert (len(note.lines.data), note.lines.has_more, note.total) == (10, True, 78)
    listed = business.v1.credit_notes.line_items.list(note.id, {"limit": 100})
    assert [line.amount for line in listed.data] == list(range(1, 13))


def test_notes_never_exceed_the_invoice(business: Business) -> None:
    invoice = final(business, 1000, pay=True)
    business.v1.credit_notes.create({"invoice": invoice.id, "amount": 800, "credit_amount": 800})
    error = refused(
        business.v1.credit_notes.create, {"invoice": invoice.id, "amount": 300, "credit_amount": 300}
    )
    assert (error.http_status, error.param) == (400, "amount")


@pytest.mark.parametrize("amount", [0, -5])
def test_a_note_needs_an_amount(business: Business, amount: int) -> None:
    invoice = final(business, 1000)
    error = refused(business.v1.credit_notes.create, {"invoice": invoice.id, "amount": amount})
    assert (error.http_status, error.param, error.code) == (400, "amount", "parameter_invalid_integer")


def test_a_draft_takes_no_note(business: Business) -> None:
    invoice = business.v1.invoices.create({"customer": business.customer().id})
    error = refused(business.v1.credit_notes.create, {"invoice": invoice.id, "amount": 100})
    assert (error.http_status, error.param) == (400, "invoice")


def test_memo_and_metadata_may_change(business: Business) -> None:
    invoice = final(business, 1000)
    note = business.v1.credit_notes.create({"invoice": invoice.id, "amount": 100})
    changed = business.v1.credit_notes.update(note.id, {"memo": "why", "metadata": {"k": "v"}})
    assert (changed.memo, changed.metadata.to_dict()) == ("why", {"k": "v"})
    assert [one.id for one in business.v1.credit_notes.list({"customer": invoice.customer}).data] == [note.id]

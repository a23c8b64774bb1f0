"""Invoices, what waits for them, and the customer's balance."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts

HOUR = 3600


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def manual(business: Business, customer: str, *figures: int, **more: Any) -> Any:
    """A draft with these amounts."""
    invoice = business.v1.invoices.create({"customer": customer, **more})
    for figure in figures:
        business.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": figure, "currency": "usd"}
        )
    return business.invoice(invoice.id)


def test_a_draft_has_no_number_and_no_address_until_it_is_final(business: Business) -> None:
    customer = business.customer()
    draft = manual(business, customer.id, 700, 300, metadata={"a": "1"})
    assert (draft.status, draft.total, draft.amount_due) == ("draft", 1000, 1000)
    assert (draft.number, draft.hosted_invoice_url, draft.invoice_pdf) == (None, None, None)
    final = business.v1.invoices.finalize_invoice(draft.id)
    assert (final.status, final.number) == ("open", f"{customer.invoice_prefix}-0001")
    assert final.hosted_invoice_url.startswith(business.stand_in.url)
    assert final.invoice_pdf.startswith(business.stand_in.url)
    assert final.status_transitions.finalized_at == APRIL
    paid = business.v1.invoices.pay(final.id)
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert paid.attempt_count == 1


@pytest.mark.parametrize(
    ("status", "move"),
    [
        ("draft", "void_invoice"),
        ("draft", "mark_uncollectible"),
        ("open", "finalize_invoice"),
        ("open", "delete"),
        ("paid", "pay"),
        ("paid", "void_invoice"),
        ("paid", "finalize_invoice"),
        ("paid", "mark_uncollectible"),
        ("paid", "delete"),
        ("void", "pay"),
        ("void", "void_invoice"),
        ("void", "send_invoice"),
        ("uncollectible", "finalize_invoice"),
    ],
)
def test_a_wrong_move_is_refused(business: Business, status: str, move: str) -> None:
    invoice = manual(business, business.customer().id, 1000)
    steps = {
        "draft": [],
        "open": ["finalize_invoice"],
        "paid": ["pay"],
        "void": ["finalize_invoice", "void_invoice"],
        "uncollectible": ["finalize_invoice", "mark_uncollectible"],
    }
    for step in steps[status]:
        getattr(business.v1.invoices, step)(invoice.id)
    assert business.invoice(invoice.id).status == status
    error = refused(getattr(business.v1.invoices, move), invoice.id)
    assert (error.http_status, error.error.type) == (400, "invalid_request_error")
    assert business.invoice(invoice.id).status == status


def test_an_uncollectible_invoice_can_still_be_paid(business: Business) -> None:
    invoice = manual(business, business.customer().id, 1000)
    business.v1.invoices.finalize_invoice(invoice.id)
    business.v1.invoices.mark_uncollectible(invoice.id)
    assert business.v1.invoices.pay(invoice.id).status == "paid"


def test_a_declined_payment_is_refused_and_counted(business: Business) -> None:
    invoice = manual(business, business.declining_customer().id, 1000)
    business.v1.invoices.finalize_invoice(invoice.id)
    error = refused(business.v1.invoices.pay, invoice.id)
    assert (error.http_status, error.code, error.error.decline_code) == (
        402,
        "card_declined",
        "generic_decline",
    )
    after = business.invoice(invoice.id, "payments.data.payment.payment_intent")
    assert (after.status, after.attempt_count, after.attempted) == ("open", 1, True)
    intent = after.payments.data[0].payment.payment_intent
    assert (intent.status, intent.last_payment_error.decline_code) == (
        "requires_payment_method",
        "generic_decline",
    )
    assert business.v1.charges.retrieve(error.error.charge).status == "failed"
    assert "invoice.payment_failed" in business.events()


def test_paying_out_of_band_takes_no_money_through_stripe(business: Business) -> None:
    invoice = manual(business, business.customer().id, 1000)
    business.v1.invoices.finalize_invoice(invoice.id)
    paid = business.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 1000)
    assert [p.status for p in business.v1.invoice_payments.list({"invoice": invoice.id}).data] == ["canceled"]
    assert list(business.v1.charges.list({"customer": invoice.customer})) == []


def test_a_sent_invoice_is_due_by_its_days(business: Business) -> None:
    customer = business.customer(card=None)
    invoice = manual(business, customer.id, 1000, collection_method="send_invoice", days_until_due=30)
    sent = business.v1.invoices.send_invoice(invoice.id)
    assert (sent.status, sent.due_date) == ("open", APRIL + 30 * DAY)
    assert business.events("invoice.sent") == ["invoice.sent"]
    business.at(APRIL + 30 * DAY)
    assert business.events("invoice.overdue") == ["invoice.overdue"]


@pytest.mark.parametrize("status", ["draft", "open"])
def test_what_is_charged_automatically_cannot_be_sent(business: Business, status: str) -> None:
    invoice = manual(business, business.customer().id, 1000)
    if status == "open":
        business.v1.invoices.finalize_invoice(invoice.id)
    error = refused(business.v1.invoices.send_invoice, invoice.id)
    assert (error.http_status, error.error.type) == (400, "invalid_request_error")
    assert business.invoice(invoice.id).status == status
    assert business.events("invoice.sent") == []


def test_a_void_invoice_cannot_be_sent_and_a_paid_one_can(business: Business) -> None:
    terms = {"collection_method": "send_invoice", "days_until_due": 30}
    void, paid = (manual(business, business.customer().id, 1000, **terms) for _ in range(2))
    for invoice in (void, paid):
        business.v1.invoices.finalize_invoice(invoice.id)
    business.v1.invoices.void_invoice(void.id)
    business.v1.invoices.pay(paid.id)
    assert refused(business.v1.invoices.send_invoice, void.id).http_status == 400
    assert business.v1.invoices.send_invoice(paid.id).status == "paid"
    assert business.events("invoice.sent") == ["invoice.sent"]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"collection_method": "send_invoice"}, "days_until_due"),
        ({"days_until_due": 3}, "days_until_due"),
        ({"collection_method": "send_invoice", "days_until_due": 3, "due_date": MAY}, "due_date"),
        ({"subscription": "sub_none"}, "subscription"),
        ({"customer": "cus_none"}, "customer"),
    ],
)
def test_wrong_terms_are_refused(business: Business, given: dict[str, Any], param: str) -> None:
    error = refused(business.v1.invoices.create, {"customer": business.customer().id, **given})
    assert (error.http_status, error.param) == (400, param)


def test_a_final_invoice_changes_in_its_notes_only(business: Business) -> None:
    invoice = manual(business, business.customer().id, 1000)
    changed = business.v1.invoices.update(invoice.id, {"description": "ours", "auto_advance": True})
    assert (changed.description, changed.auto_advance) == ("ours", True)
    business.v1.invoices.finalize_invoice(invoice.id)
    assert business.v1.invoices.update(invoice.id, {"metadata": {"k": "v"}}).metadata.to_dict() == {"k": "v"}
    error = refused(business.v1.invoices.update, invoice.id, {"description": "theirs"})
    assert (error.http_status, error.code) == (400, "invoice_not_editable")


def test_a_deleted_draft_lets_its_items_wait_again(business: Business) -> None:
    customer = business.customer().id
    business.v1.invoice_items.create({"customer": customer, "amount": 500, "currency": "usd"})
    draft = business.v1.invoices.create({"customer": customer, "pending_invoice_items_behavior": "include"})
    assert amounts(draft) == [500]
    assert business.v1.invoices.delete(draft.id).deleted
    waiting = business.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [item.amount for item in waiting] == [500]


def test_invoices_are_listed_by_every_filter(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APRIL + DAY)
    draft = manual(business, subscription.customer, 200)
    due = manual(business, subscription.customer, 300, collection_method="send_invoice", days_until_due=5)
    due = business.v1.invoices.finalize_invoice(due.id)

    def ids(**params: Any) -> list[str]:
        return [one.id for one in business.v1.invoices.list(params).data]

    customer = subscription.customer
    first = subscription.latest_invoice
    assert ids(customer=customer) == [due.id, draft.id, first]
    assert ids(subscription=subscription.id) == [first]
    assert ids(customer=customer, status="draft") == [draft.id]
    assert ids(collection_method="send_invoice") == [due.id]
    assert ids(created={"lte": APRIL}) == [first]
    assert ids(due_date={"gte": due.due_date}) == [due.id]
    assert ids(due_date={"gt": due.due_date}) == []
    assert ids(customer=customer, limit=1, starting_after=due.id) == [draft.id]
    assert ids(customer=customer, limit=1, ending_before=first) == [draft.id]


def test_lines_beyond_ten_are_paged(business: Business) -> None:
    invoice = manual(business, business.customer().id, *range(100, 112))
    assert (len(invoice.lines.data), invoice.lines.has_more, invoice.total) == (
        10,
        True,
        sum(range(100, 112)),
    )
    lines = list(business.v1.invoices.line_items.list(invoice.id, {"limit": 5}).auto_paging_iter())
    assert [line.amount for line in lines] == list(range(100, 112))


def test_items_on_a_draft_change_with_it(business: Business) -> None:
    draft = manual(business, business.customer().id, 500, 700)
    item = business.v1.invoice_items.list({"invoice": draft.id}).data[0]
    business.v1.invoice_items.update(item.id, {"amount": 800, "description": "More"})
    assert business.invoice(draft.id).total == 1300
    business.v1.invoice_items.delete(item.id)
    assert amounts(business.invoice(draft.id)) == [500]
    business.v1.invoices.finalize_invoice(draft.id)
    left = business.v1.invoice_items.list({"invoice": draft.id}).data[0]
    assert refused(business.v1.invoice_items.update, left.id, {"amount": 1}).http_status == 400


# -- balance ---------------------------------------------------------------------------------------------


def test_a_credit_is_applied_when_an_invoice_becomes_final(business: Business) -> None:
    customer = business.customer().id
    transaction = business.v1.customers.balance_transactions.create(
        customer, {"amount": -300, "currency": "usd", "description": "goodwill"}
    )
    assert (transaction.type, transaction.ending_balance) == ("adjustment", -300)
    invoice = business.v1.invoices.finalize_invoice(manual(business, customer, 1000).id)
    assert (invoice.starting_balance, invoice.ending_balance, invoice.amount_due) == (-300, 0, 700)
    moves = business.v1.customers.balance_transactions.list(customer).data
    assert [(m.type, m.amount, m.invoice, m.ending_balance) for m in moves] == [
        ("applied_to_invoice", 300, invoice.id, 0),
        ("adjustment", -300, None, -300),
    ]
    business.v1.invoices.void_invoice(invoice.id)
    assert business.balance(customer) == -300
    assert business.v1.customers.balance_transactions.list(customer).data[0].type == "unapplied_from_invoice"


def test_a_negative_invoice_is_paid_and_becomes_credit(business: Business) -> None:
    customer = business.customer().id
    invoice = business.v1.invoices.finalize_invoice(manual(business, customer, -450).id)
    assert (invoice.status, invoice.amount_due, invoice.total) == ("paid", 0, -450)
    assert list(business.v1.invoice_payments.list({"invoice": invoice.id})) == []
    assert business.balance(customer) == -450


def test_a_sum_below_the_smallest_charge_is_carried(business: Business) -> None:
    customer = business.customer().id
    invoice = business.v1.invoices.finalize_invoice(manual(business, customer, 30).id)
    assert (invoice.status, invoice.amount_due, business.balance(customer)) == ("paid", 0, 30)
    assert business.v1.customers.balance_transactions.list(customer).data[0].type == "invoice_too_small"
    later = business.v1.invoices.finalize_invoice(manual(business, customer, 40).id)
    assert (later.amount_due, business.balance(customer)) == (70, 0)


def test_balance_transactions_change_in_their_notes_only(business: Business) -> None:
    customer = business.customer().id
    service = business.v1.customers.balance_transactions
    transaction = service.create(customer, {"amount": -100, "currency": "usd"})
    changed = service.update(customer, transaction.id, {"description": "why", "metadata": {"k": "v"}})
    assert (changed.description, changed.metadata.to_dict(), changed.amount) == ("why", {"k": "v"}, -100)
    assert service.retrieve(customer, transaction.id).description == "why"
    error = refused(service.create, customer, {"amount": -100, "currency": "eur"})
    assert (error.http_status, error.param) == (400, "currency")
    assert refused(service.retrieve, business.customer().id, transaction.id).http_status == 404


# -- collection over time ----------------------------------------------------------------------------------


def test_a_renewal_waits_an_hour_as_a_draft_and_is_then_charged(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(MAY)
    renewal = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (renewal.status, renewal.created, renewal.automatically_finalizes_at) == ("draft", MAY, MAY + HOUR)
    assert (renewal.period_start, renewal.period_end) == (APRIL, MAY)
    business.at(MAY + HOUR)
    assert business.invoice(renewal.id).status == "paid"


def test_a_failing_renewal_is_tried_again_and_puts_the_subscription_in_arrears(business: Business) -> None:
    subscription = business.subscribe(1000)
    method = business.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    business.at(MAY + HOUR)
    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt) == (
        "open",
        1,
        MAY + HOUR + 3 * DAY,
    )
    assert business.subscription(subscription.id).status == "past_due"
    business.at(MAY + HOUR + 3 * DAY)
    assert business.invoice(invoice.id).attempt_count == 2
    card = business.v1.payment_methods.attach("pm_card_visa", {"customer": subscription.customer})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    business.at(MAY + HOUR + 8 * DAY)
    assert business.invoice(invoice.id).status == "paid"
    assert business.subscription(subscription.id).status == "active"

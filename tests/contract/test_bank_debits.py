"""Bank debits: payments that take days, and then settle or come back."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, items_of

US = "pm_usBankAccount_success"
SETTLED = 4 * DAY


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def debited(business: Business, account: str = US, **more: Any) -> Any:
    given = {"amount": 2900, "currency": "usd", "payment_method": account, "confirm": True}
    return business.v1.payment_intents.create({**given, "expand": ["latest_charge"], **more})


def now(business: Business, intent: Any) -> Any:
    return business.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})


def intent_of(business: Business, invoice: str) -> Any:
    expand = ["payments.data.payment.payment_intent"]
    return business.invoice(invoice, *expand).payments.data[0].payment.payment_intent


def told_since(business: Business, known: int) -> list[str]:
    quiet = ("invoice.updated", "customer.updated")
    return [type for type in business.events()[known:] if type not in quiet]


def switch_to(business: Business, subscription: Any, account: str) -> None:
    """Charge a subscription to a bank account from now on."""
    method = business.v1.payment_methods.attach(account, {"customer": subscription.customer})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})


# -- payment methods ---------------------------------------------------------------------------------------


def test_a_us_bank_account_is_made_of_its_numbers(business: Business) -> None:
    details = {
        "account_holder_type": "company",
        "account_number": "000222222227",
        "routing_number": "110000000",
    }
    given = {"type": "us_bank_account", "us_bank_account": details}
    assert refused(business.v1.payment_methods.create, given).param == "billing_details[name]"
    made = business.v1.payment_methods.create({**given, "billing_details": {"name": "Acme"}})
    account = made.us_bank_account
    assert (account.last4, account.account_holder_type, account.bank_name) == (
        "2227",
        "company",
        "STRIPE TEST BANK",
    )
    assert not hasattr(made, "card")
    assert (made.type, made.billing_details.name) == ("us_bank_account", "Acme")
    wrong = {**details, "routing_number": "1"}
    error = refused(
        business.v1.payment_methods.create,
        {**given, "us_bank_account": wrong, "billing_details": {"name": "Acme"}},
    )
    assert error.param == "us_bank_account[routing_number]"


def test_a_sepa_account_is_made_of_its_iban(business: Business) -> None:
    holder = {"email": "person@example.com", "name": "Test User"}
    made = business.v1.payment_methods.create(
        {"type": "sepa_debit", "sepa_debit": {"iban": "DK5000400440116243"}, "billing_details": holder}
    )
    account = made.sepa_debit
    assert (account.country, account.last4, account.branch_code) == ("DK", "6243", "")
    error = refused(
        business.v1.payment_methods.create,
        {"type": "sepa_debit", "sepa_debit": {"iban": "nonsense"}, "billing_details": holder},
    )
    assert (error.code, error.param) == ("invalid_iban", "sepa_debit[iban]")


# -- a payment ---------------------------------------------------------------------------------------------


def test_a_debit_is_processing_until_it_settles(business: Business) -> None:
    made = debited(business)
    assert (made.status, made.amount_received, made.payment_method_types) == (
        "processing",
        0,
        ["us_bank_account"],
    )
    charge = made.latest_charge
    assert (charge.status, charge.paid, charge.payment_method_details.us_bank_account.last4) == (
        "pending",
        False,
        "6789",
    )
    error = refused(business.v1.refunds.create, {"charge": charge.id})
    assert (error.http_status, error.code) == (400, "charge_not_refundable")
    assert refused(business.v1.refunds.create, {"payment_intent": made.id}).http_status == 400

    business.at(APRIL + SETTLED - 1)
    assert now(business, made).status == "processing"
    business.at(APRIL + SETTLED)

    paid = now(business, made)
    assert (paid.status, paid.amount_received, paid.latest_charge.paid) == ("succeeded", 2900, True)
    assert business.events() == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_a_debit_may_come_with_its_mandate(business: Business) -> None:
    given = {"customer_acceptance": {"type": "offline", "offline": {}}}
    made = debited(business, mandate_data=given)
    id = made.latest_charge.payment_method_details.us_bank_account.mandate
    mandate = business.v1.mandates.retrieve(id)
    assert (mandate.customer_acceptance.type, mandate.payment_method) == ("offline", made.payment_method)
    error = refused(debited, business, mandate_data=given, confirm=False)
    assert (error.http_status, error.param) == (400, "mandate_data")


@pytest.mark.parametrize(
    ("account", "code"),
    [
        ("accountClosed", "account_closed"),
        ("noAccount", "no_account"),
        ("insufficientFunds", "insufficient_funds"),
        ("debitNotAuthorized", "debit_not_authorized"),
    ],
)
def test_a_debit_may_come_back(business: Business, account: str, code: str) -> None:
    made = debited(business, f"pm_usBankAccount_{account}")
    assert made.status == "processing"
    business.at(APRIL + SETTLED)
    failed = now(business, made)
    assert (failed.status, failed.last_payment_error.code) == ("requires_payment_method", code)
    charge = failed.latest_charge
    assert (charge.status, charge.failure_code, charge.amount_captured) == ("failed", code, 0)
    assert business.events()[-2:] == ["charge.failed", "payment_intent.payment_failed"]


@pytest.mark.parametrize(
    ("iban", "status"),
    [
        ("AT611904300234573201", "succeeded"),
        ("AT861904300235473202", "requires_payment_method"),
        ("DE62370400440532013001", "requires_payment_method"),
    ],
)
def test_a_sepa_debit_takes_its_days_too(business: Business, iban: str, status: str) -> None:
    business.stand_in.control("payments", {"debit_days": 14})
    account = business.v1.payment_methods.create(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": iban},
            "billing_details": {"email": "person@example.com", "name": "Test User"},
        }
    )
    made = debited(business, account.id, currency="eur")
    assert (made.status, made.latest_charge.payment_method_details.type) == ("processing", "sepa_debit")
    business.at(APRIL + 14 * DAY - 1)
    assert now(business, made).status == "processing"
    business.at(APRIL + 14 * DAY)
    assert now(business, made).status == status


def test_one_account_never_settles(business: Business) -> None:
    made = debited(business, "pm_usBankAccount_processing")
    business.at(APRIL + 60 * DAY)
    assert now(business, made).status == "processing"
    assert business.v1.payment_intents.cancel(made.id).status == "canceled"


def test_a_settled_debit_is_refunded_by_a_transfer(business: Business) -> None:
    made = debited(business)
    business.at(APRIL + SETTLED)
    refund = business.v1.refunds.create({"payment_intent": made.id, "amount": 400})
    assert (refund.status, refund.destination_details.type) == ("pending", "us_bank_transfer")
    assert refund.id.startswith("pyr_")
    assert now(business, made).latest_charge.id.startswith("py_")
    business.at(APRIL + SETTLED + 60)
    assert business.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_a_settled_debit_may_be_disputed(business: Business) -> None:
    made = debited(business, "pm_usBankAccount_dispute")
    assert business.v1.disputes.list().data == []
    business.at(APRIL + SETTLED)
    [dispute] = business.v1.disputes.list({"payment_intent": made.id}).data
    assert (dispute.reason, dispute.status) == ("debit_not_authorized", "needs_response")
    assert dispute.payment_method_details is None


# -- invoices and subscriptions ----------------------------------------------------------------------------


def test_a_subscription_whose_first_invoice_is_being_debited_is_active(business: Business) -> None:
    subscription = business.subscribe(1000, customer=business.customer(US).id)
    invoice = business.invoice(subscription.latest_invoice, "payments")
    assert (subscription.status, invoice.status, invoice.amount_remaining) == ("active", "open", 1000)
    assert (invoice.attempted, invoice.attempt_count, invoice.next_payment_attempt) == (True, 1, None)
    assert [payment.status for payment in invoice.payments.data] == ["open"]
    error = refused(business.v1.invoices.pay, invoice.id)
    assert error.code == "payment_intent_unexpected_state"
    known = len(business.events())

    business.at(APRIL + SETTLED)

    paid = business.invoice(invoice.id)
    assert (paid.status, paid.status_transitions.paid_at) == ("paid", APRIL + SETTLED)
    assert told_since(business, known) == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_a_first_debit_that_comes_back_voids_the_invoice_only(business: Business) -> None:
    customer = business.customer("pm_usBankAccount_insufficientFunds").id
    subscription = business.subscribe(1000, customer=customer)
    known = len(business.events())
    business.at(APRIL + SETTLED)
    assert business.subscription(subscription.id).status == "active"
    assert business.invoice(subscription.latest_invoice).status == "void"
    assert told_since(business, known) == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
        "payment_intent.canceled",
        "invoice.voided",
    ]


def test_a_waiting_first_invoice_that_is_debited_starts_its_subscription(business: Business) -> None:
    subscription = business.subscribe(
        1000, customer=business.customer(US).id, payment_behavior="default_incomplete"
    )
    assert subscription.status == "incomplete"
    intent = intent_of(business, subscription.latest_invoice)
    assert business.v1.payment_intents.confirm(intent.id).status == "processing"
    assert business.subscription(subscription.id).status == "active"
    business.at(APRIL + 24 * 3600)
    assert business.subscription(subscription.id).status == "active"


def test_a_renewal_whose_debit_comes_back_is_past_due_and_not_tried_again(business: Business) -> None:
    subscription = business.subscribe(1000)
    switch_to(business, subscription, "pm_usBankAccount_accountClosed")
    business.at(MAY + 3600)
    running = business.subscription(subscription.id)
    invoice = running.latest_invoice
    assert (running.status, intent_of(business, invoice).status) == ("active", "processing")

    business.at(MAY + 3600 + SETTLED)

    assert business.subscription(subscription.id).status == "past_due"
    failed = business.invoice(invoice)
    assert (failed.status, failed.attempt_count, failed.next_payment_attempt) == ("open", 1, None)
    business.v1.invoices.pay(invoice, {"payment_method": "pm_card_visa"})
    assert business.subscription(subscription.id).status == "active"


def test_an_upgrade_that_is_being_debited_holds(business: Business) -> None:
    subscription = business.subscribe(1000)
    switch_to(business, subscription, US)
    business.at(APRIL + 15 * DAY)
    changed = business.change(subscription, business.price(3000, "Gold"), proration_behavior="always_invoice")
    assert (changed.status, items_of(changed)[0].price.unit_amount) == ("active", 3000)
    assert business.invoice(changed.latest_invoice).status == "open"
    business.at(APRIL + 15 * DAY + SETTLED)
    assert business.invoice(changed.latest_invoice).status == "paid"


def test_a_part_of_an_invoice_may_be_debited(business: Business) -> None:
    customer = business.customer().id
    draft = business.v1.invoices.create({"customer": customer})
    item = {"customer": customer, "invoice": draft.id, "amount": 5000, "currency": "usd"}
    business.v1.invoice_items.create(item)
    invoice = business.v1.invoices.finalize_invoice(draft.id)
    made = debited(business, customer=customer)
    business.v1.invoices.attach_payment(invoice.id, {"payment_intent": made.id})
    assert business.invoice(invoice.id).amount_remaining == 5000
    business.at(APRIL + SETTLED)
    now_ = business.invoice(invoice.id)
    assert (now_.status, now_.amount_paid, now_.amount_remaining) == ("open", 2900, 2100)


def test_a_debit_settles_in_its_customers_time(business: Business) -> None:
    clock = business.v1.test_helpers.test_clocks.create({"frozen_time": APRIL})
    subscription = business.subscribe(1000, customer=business.customer(US, test_clock=clock.id).id)
    business.at(APRIL + 30 * DAY)
    assert business.invoice(subscription.latest_invoice).status == "open"
    business.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": APRIL + SETTLED})
    paid = business.invoice(subscription.latest_invoice)
    assert (paid.status, paid.status_transitions.paid_at) == ("paid", APRIL + SETTLED)

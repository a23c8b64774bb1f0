"""3-D Secure: payments whose customer has to authenticate, the page where that is done, and what follows."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of
from .hosted import browsing

APR_16 = APRIL + 15 * DAY
HOUR = 3600
CARD = "pm_card_authenticationRequired"


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with browsing() as one:
        yield one


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def intent_of(business: Business, invoice: str) -> Any:
    """The payment intent by which an invoice is to be paid."""
    expand = ["payments.data.payment.payment_intent"]
    return business.invoice(invoice, *expand).payments.data[0].payment.payment_intent


def asking(business: Business, card: str = CARD) -> Any:
    """A paid subscription in the middle of its period, charged from now on to a card that asks."""
    subscription = business.subscribe(1000)
    business.price(3000, "Gold")
    method = business.v1.payment_methods.attach(card, {"customer": subscription.customer})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    business.at(APR_16)
    return business.subscription(subscription.id)


def upgrade(business: Business, subscription: Any, behavior: str) -> Any:
    return business.change(
        subscription,
        business.price(3000, "Gold"),
        proration_behavior="always_invoice",
        payment_behavior=behavior,
    )


def paying(business: Business, card: str, **more: Any) -> Any:
    given = {"amount": 2900, "currency": "usd", "payment_method": card, "confirm": True}
    return business.v1.payment_intents.create({**given, **more})


# -- payment intents ---------------------------------------------------------------------------------------


def test_with_a_return_url_the_customer_is_sent_to_the_page_and_back(
    business: Business, browser: httpx.Client
) -> None:
    made = paying(business, CARD, return_url="https://shop.example/back?order=7")
    assert made.next_action.type == "redirect_to_url"
    assert made.next_action.redirect_to_url.return_url == "https://shop.example/back?order=7"
    page = made.next_action.redirect_to_url.url
    assert "Complete authentication" in browser.get(page).text

    assert browser.post(page, data={"answer": "passes"}).status_code == 303

    paid = business.v1.payment_intents.retrieve(made.id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.amount_received, paid.next_action) == ("succeeded", 2900, None)
    over = browser.get(page)
    assert "The authentication is complete." in over.text
    assert "<form" not in over.text
    back = f"payment_intent={made.id}&amp;payment_intent_client_secret={made.client_secret}"
    assert f"https://shop.example/back?order=7&amp;{back}&amp;redirect_status=succeeded" in over.text
    assert browser.post(page, data={"answer": "passes"}).status_code == 303
    assert len(business.v1.charges.list({"payment_intent": made.id}).data) == 1


def test_who_refuses_has_not_paid_and_may_pay_in_another_way(
    business: Business, browser: httpx.Client
) -> None:
    made = paying(business, CARD)
    page = made.next_action.use_stripe_sdk.stripe_js

    browser.post(page, data={"answer": "fails"})

    failed = business.v1.payment_intents.retrieve(made.id)
    assert (failed.status, failed.next_action, failed.latest_charge) == (
        "requires_payment_method",
        None,
        None,
    )
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert "The authentication failed." in browser.get(page).text
    again = business.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"


@pytest.mark.parametrize("path", ["/authenticate/", "/authenticate/pi_none_secret_x", "/authenticate/x"])
def test_no_page_is_at_an_address_that_was_not_given_out(
    business: Business, browser: httpx.Client, path: str
) -> None:
    made = paying(business, CARD)
    cut = made.next_action.use_stripe_sdk.stripe_js[:-1]
    for url in (business.stand_in.url + path, cut):
        assert browser.get(url).status_code == 404
        assert browser.post(url, data={"answer": "passes"}).status_code == 404


@pytest.mark.parametrize("body", [b"", b"answer=", b"answer=yes", b"\xff"])
def test_a_form_without_an_answer_decides_nothing(
    business: Business, browser: httpx.Client, body: bytes
) -> None:
    made = paying(business, CARD)
    page = made.next_action.use_stripe_sdk.stripe_js
    assert browser.post(page, content=body).status_code == 400
    assert business.v1.payment_intents.retrieve(made.id).status == "requires_action"


@pytest.mark.parametrize("given", [{"off_session": True}, {"error_on_requires_action": True}])
def test_where_nobody_can_be_asked_it_is_a_decline(business: Business, given: dict[str, Any]) -> None:
    error: Any = refused(paying, business, CARD, **given)
    assert (error.http_status, error.code) == (402, "authentication_required")
    assert error.error.decline_code == "authentication_required"
    intent = error.error.payment_intent
    assert (intent.status, intent.last_payment_error.code) == (
        "requires_payment_method",
        "authentication_required",
    )


def test_a_card_may_be_declined_once_it_is_authenticated(business: Business) -> None:
    made = paying(business, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    assert made.status == "requires_action"
    business.authenticate(made.id)
    failed = business.v1.payment_intents.retrieve(made.id)
    assert (failed.status, failed.last_payment_error.decline_code) == (
        "requires_payment_method",
        "insufficient_funds",
    )


@pytest.mark.parametrize(
    ("token", "on_session", "off_session"),
    [
        ("pm_card_threeDSecure2Required", "requires_action", "authentication_required"),
        ("pm_card_threeDSecureRequired", "requires_action", "authentication_required"),
        ("pm_card_threeDSecureOptional", "succeeded", "succeeded"),
        ("pm_card_authenticationRequiredSetupForOffSession", "requires_action", "succeeded"),
        ("pm_card_authenticationRequiredOnSetup", "requires_action", "authentication_required"),
    ],
)
def test_the_card_says_when_its_bank_asks(
    business: Business, token: str, on_session: str, off_session: str
) -> None:
    assert paying(business, token).status == on_session
    try:
        found = paying(business, token, off_session=True).status
    except stripe.CardError as error:
        found = error.code
    assert found == off_session


def test_a_card_that_was_set_up_pays_off_session(business: Business) -> None:
    customer = business.customer(card=None).id
    method = business.v1.payment_methods.attach(
        "pm_card_authenticationRequiredOnSetup", {"customer": customer}
    )
    first = paying(business, method.id, customer=customer, setup_future_usage="off_session")
    business.authenticate(first.id)
    assert paying(business, method.id, customer=customer, off_session=True).status == "succeeded"
    assert paying(business, method.id, customer=customer).status == "requires_action"


def test_tokens_name_the_same_cards(business: Business) -> None:
    method = business.v1.payment_methods.create(
        {"type": "card", "card": {"token": "tok_threeDSecure2Required"}}
    )
    assert (method.card.last4, paying(business, method.id).status) == ("3220", "requires_action")


# -- a first invoice ---------------------------------------------------------------------------------------


def test_a_first_payment_that_asks_leaves_the_subscription_incomplete(business: Business) -> None:
    subscription = business.subscribe(2500, customer=business.customer(CARD).id)
    invoice = business.invoice(subscription.latest_invoice, "payments", "confirmation_secret")
    intent = intent_of(business, invoice.id)

    assert subscription.status == "incomplete"
    assert (invoice.status, invoice.attempted, invoice.attempt_count) == ("open", True, 0)
    assert (invoice.auto_advance, invoice.amount_remaining) == (True, 2500)
    [payment] = invoice.payments.data
    assert (payment.status, payment.amount_paid) == ("open", None)
    assert (intent.status, intent.description) == ("requires_action", "Subscription creation")
    assert (intent.setup_future_usage, intent.next_action.type) == ("off_session", "use_stripe_sdk")
    assert invoice.id.startswith(intent.payment_details.order_reference)
    assert invoice.confirmation_secret.client_secret == intent.client_secret

    business.authenticate(intent.id)

    paid = business.invoice(invoice.id)
    assert (paid.status, paid.attempt_count, paid.amount_paid) == ("paid", 1, 2500)
    assert business.subscription(subscription.id).status == "active"
    told = business.v1.events.list({"type": "customer.subscription.updated"}).data[0]
    assert told.data.previous_attributes.to_dict() == {"status": "incomplete"}


def test_an_incomplete_subscription_expires_after_23_hours(business: Business) -> None:
    subscription = business.subscribe(2500, customer=business.customer(CARD).id)
    business.at(APRIL + 23 * HOUR - 1)
    assert business.subscription(subscription.id).status == "incomplete"
    business.at(APRIL + 23 * HOUR)
    assert business.subscription(subscription.id).status == "incomplete_expired"
    assert business.invoice(subscription.latest_invoice).status == "void"
    assert intent_of(business, subscription.latest_invoice).status == "canceled"


def test_who_refuses_the_first_payment_can_still_pay_it_with_another_card(business: Business) -> None:
    subscription = business.subscribe(2500, customer=business.customer(CARD).id)
    business.authenticate(intent_of(business, subscription.latest_invoice).id, passes=False)
    assert business.subscription(subscription.id).status == "incomplete"
    assert business.invoice(subscription.latest_invoice).attempt_count == 1

    business.v1.invoices.pay(subscription.latest_invoice, {"payment_method": "pm_card_visa"})

    assert business.subscription(subscription.id).status == "active"


def test_a_subscription_that_must_not_be_incomplete_is_not_made(business: Business) -> None:
    customer = business.customer(CARD).id
    error = refused(business.subscribe, 2500, customer=customer, payment_behavior="error_if_incomplete")
    assert (error.http_status, error.code) == (402, "subscription_payment_intent_requires_action")
    assert isinstance(error, stripe.CardError)
    assert business.v1.subscriptions.list({"customer": customer, "status": "all"}).data == []


def test_a_renewal_off_session_is_paid_by_the_card_that_was_set_up(business: Business) -> None:
    subscription = business.subscribe(
        1000, customer=business.customer("pm_card_authenticationRequiredOnSetup").id
    )
    assert subscription.status == "incomplete"
    business.authenticate(intent_of(business, subscription.latest_invoice).id)
    business.at(MAY + 2 * HOUR)
    renewed = business.subscription(subscription.id)
    assert (renewed.status, business.invoice(renewed.latest_invoice).status) == ("active", "paid")


def test_a_renewal_that_asks_is_past_due_until_it_is_authenticated(business: Business) -> None:
    subscription = asking(business)
    business.at(MAY + HOUR)
    late = business.subscription(subscription.id)
    assert late.status == "past_due"
    intent = intent_of(business, late.latest_invoice)
    assert intent.status == "requires_action"
    assert business.invoice(late.latest_invoice).attempt_count == 1
    business.authenticate(intent.id)
    assert business.subscription(subscription.id).status == "active"
    assert business.invoice(late.latest_invoice).status == "paid"


def test_paying_an_invoice_with_a_card_that_asks_is_refused_and_waits(business: Business) -> None:
    subscription = business.subscribe(2500, customer=business.customer(CARD).id)
    error: Any = refused(business.v1.invoices.pay, subscription.latest_invoice)
    assert isinstance(error, stripe.CardError)
    assert (error.http_status, error.code) == (402, "invoice_payment_intent_requires_action")
    business.authenticate(error.error.payment_intent.id)
    assert business.invoice(subscription.latest_invoice).status == "paid"


# -- an update ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "behavior", "status", "price", "intent", "attempts"),
    [
        (CARD, "allow_incomplete", "past_due", 3000, "requires_action", 0),
        (CARD, "default_incomplete", "past_due", 3000, "requires_confirmation", 0),
        (CARD, "pending_if_incomplete", "active", 1000, "requires_action", 0),
        ("pm_card_chargeCustomerFail", "allow_incomplete", "past_due", 3000, "requires_payment_method", 1),
        ("pm_card_chargeCustomerFail", "default_incomplete", "past_due", 3000, "requires_confirmation", 0),
        ("pm_card_chargeCustomerFail", "pending_if_incomplete", "active", 1000, "requires_payment_method", 1),
    ],
)
def test_what_an_update_becomes_that_is_not_paid_at_once(
    business: Business, card: str, behavior: str, status: str, price: int, intent: str, attempts: int
) -> None:
    changed = upgrade(business, asking(business, card), behavior)
    assert (changed.status, items_of(changed)[0].price.unit_amount) == (status, price)
    invoice = business.invoice(changed.latest_invoice)
    assert (invoice.status, amounts(invoice), invoice.attempt_count) == ("open", [-500, 1500], attempts)
    assert intent_of(business, invoice.id).status == intent
    assert (changed.pending_update is not None) == (behavior == "pending_if_incomplete")


def test_a_first_invoice_that_waits_is_paid_by_confirming_its_intent(business: Business) -> None:
    subscription = business.subscribe(2500, payment_behavior="default_incomplete")
    intent = intent_of(business, subscription.latest_invoice)
    assert (subscription.status, intent.status) == ("incomplete", "requires_confirmation")
    assert business.v1.payment_intents.confirm(intent.id).status == "succeeded"
    assert business.subscription(subscription.id).status == "active"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (CARD, "subscription_payment_intent_requires_action"),
        ("pm_card_chargeCustomerFail", "card_declined"),
    ],
)
def test_an_update_that_must_be_paid_at_once_changes_nothing(
    business: Business, card: str, code: str
) -> None:
    subscription = asking(business, card)
    known = len(business.events())
    error = refused(upgrade, business, subscription, "error_if_incomplete")
    assert (error.http_status, error.code) == (402, code)
    assert business.subscription(subscription.id).to_dict() == subscription.to_dict()
    assert len(business.events()) == known


BILLED = [
    "invoiceitem.created",
    "invoiceitem.created",
    "invoice.created",
    "invoice.finalized",
    "payment_intent.created",
    "payment_intent.requires_action",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "customer.subscription.updated",
]


def told_since(business: Business, known: int, *without: str) -> list[str]:
    return [type for type in business.events()[known:] if type not in without]


def test_a_pending_update_is_told_in_order_and_applied_when_authenticated(business: Business) -> None:
    subscription = asking(business)
    known = len(business.events())
    held = upgrade(business, subscription, "pending_if_incomplete")
    quiet = ("invoice.updated", "invoiceitem.updated", "customer.updated")
    assert told_since(business, known, *quiet) == BILLED
    assert held.pending_update.expires_at == APR_16 + 23 * HOUR
    known = len(business.events())

    business.authenticate(intent_of(business, held.latest_invoice).id)

    assert told_since(business, known, *quiet) == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.pending_update_applied",
        "customer.subscription.updated",
    ]
    applied, updated = (
        business.v1.events.list({"type": f"customer.subscription.{type}"}).data[0].data
        for type in ("pending_update_applied", "updated")
    )
    assert applied.object.pending_update is None
    assert items_of(applied.object)[0].price.unit_amount == 3000
    assert updated.previous_attributes.pending_update.expires_at == APR_16 + 23 * HOUR
    assert items_of(updated.previous_attributes)[0].price.unit_amount == 1000


def test_a_pending_update_that_nobody_authenticates_expires(business: Business) -> None:
    held = upgrade(business, asking(business), "pending_if_incomplete")
    known = len(business.events())
    business.at(APR_16 + 23 * HOUR)
    assert told_since(business, known, "customer.updated", "payment_intent.canceled") == [
        "invoice.voided",
        "customer.subscription.pending_update_expired",
        "customer.subscription.updated",
    ]
    after = business.subscription(held.id)
    assert (after.pending_update, items_of(after)[0].price.unit_amount, after.status) == (
        None,
        1000,
        "active",
    )


def test_a_refused_pending_update_keeps_its_expiry_and_can_still_be_paid(business: Business) -> None:
    held = upgrade(business, asking(business), "pending_if_incomplete")
    business.at(APR_16 + HOUR)
    business.authenticate(intent_of(business, held.latest_invoice).id, passes=False)
    after = business.subscription(held.id)
    assert (after.status, after.pending_update.expires_at) == ("active", APR_16 + 23 * HOUR)
    business.v1.invoices.pay(held.latest_invoice, {"payment_method": "pm_card_visa"})
    assert items_of(business.subscription(held.id))[0].price.unit_amount == 3000


def test_whether_an_asked_payment_counts_as_failed_is_a_setting(business: Business) -> None:
    business.stand_in.control("switches", {"action_required": "waits"})
    business.subscribe(2500, customer=business.customer(CARD).id)
    told = business.events("invoice.payment_action_required", "invoice.payment_failed")
    assert told == ["invoice.payment_action_required"]


# -- on the invoice's page, and in a test clock's time -----------------------------------------------------


def test_a_customer_may_refuse_on_the_invoices_page(business: Business, browser: httpx.Client) -> None:
    subscription = business.subscribe(2500, customer=business.customer(CARD).id)
    page = business.invoice(subscription.latest_invoice).hosted_invoice_url
    assert browser.post(page, data={"confirmed": "false"}).status_code == 303
    intent = intent_of(business, subscription.latest_invoice)
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert "Confirm the payment" not in browser.get(page).text


def test_what_lives_by_a_test_clock_is_authenticated_in_its_time(
    business: Business, browser: httpx.Client
) -> None:
    clock = business.v1.test_helpers.test_clocks.create({"frozen_time": APRIL - 400 * DAY})
    customer = business.customer(CARD, test_clock=clock.id)
    subscription = business.subscribe(2500, customer=customer.id)
    intent = intent_of(business, subscription.latest_invoice)
    page = business.invoice(subscription.latest_invoice).hosted_invoice_url
    assert browser.get(page).status_code == 200

    browser.post(intent.next_action.use_stripe_sdk.stripe_js, data={"answer": "passes"})

    paid = business.invoice(subscription.latest_invoice)
    assert (paid.status, paid.status_transitions.paid_at) == ("paid", APRIL - 400 * DAY)

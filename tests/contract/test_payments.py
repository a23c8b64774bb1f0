"""Payment intents, charges and invoice payments."""

from typing import Any

import pytest
import stripe

from .billing import Business


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_a_confirmed_intent_is_charged(business: Business) -> None:
    customer = business.customer().id
    intent = business.v1.payment_intents.create(
        {
            "amount": 2500,
            "currency": "usd",
            "customer": customer,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"order": "7"},
            "expand": ["latest_charge"],
        }
    )
    assert (intent.status, intent.amount_received) == ("succeeded", 2500)
    charge = intent.latest_charge
    assert (charge.amount, charge.amount_refunded, charge.refunded, charge.paid) == (2500, 0, False, True)
    assert (charge.payment_intent, charge.metadata.to_dict()) == (intent.id, {"order": "7"})
    assert not hasattr(charge, "invoice")
    assert [one.id for one in business.v1.charges.list({"payment_intent": intent.id}).data] == [charge.id]
    assert [one.id for one in business.v1.payment_intents.list({"customer": customer}).data] == [intent.id]
    assert business.events("payment_intent.created", "charge.succeeded", "payment_intent.succeeded") == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_a_declined_intent_stays_and_can_be_paid_with_another_card(business: Business) -> None:
    intent = business.v1.payment_intents.create({"amount": 2500, "currency": "usd"})
    assert intent.status == "requires_payment_method"
    error = refused(
        business.v1.payment_intents.confirm,
        intent.id,
        {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"},
    )
    assert isinstance(error, stripe.CardError)
    assert (error.code, error.error.decline_code) == ("card_declined", "insufficient_funds")
    after = business.v1.payment_intents.retrieve(intent.id)
    assert (after.status, after.last_payment_error.code) == ("requires_payment_method", "card_declined")
    assert (
        business.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status
        == "succeeded"
    )
    assert [charge.status for charge in business.v1.charges.list({"payment_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_three_d_secure_waits_for_the_customer(business: Business) -> None:
    intent = business.v1.payment_intents.create(
        {
            "amount": 2500,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
        }
    )
    assert (intent.status, intent.next_action.type) == ("requires_action", "use_stripe_sdk")
    assert business.v1.payment_intents.confirm(intent.id).status == "requires_action"
    business.authenticate(intent.id)
    assert business.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_an_intent_is_cancelled_once(business: Business) -> None:
    intent = business.v1.payment_intents.create({"amount": 2500, "currency": "usd"})
    gone = business.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "duplicate"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "duplicate")
    for call in (business.v1.payment_intents.cancel, business.v1.payment_intents.confirm):
        assert refused(call, intent.id).code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"amount": 10}, "amount", "amount_too_small"),
        ({"customer": "cus_none"}, "customer", "resource_missing"),
        ({"payment_method": "pm_none"}, "payment_method", "resource_missing"),
        ({"payment_method_types": ["card"]}, "payment_method_types", "parameter_unknown"),
    ],
)
def test_a_wrong_intent_is_refused(business: Business, given: dict[str, Any], param: str, code: str) -> None:
    error = refused(business.v1.payment_intents.create, {"amount": 2500, "currency": "usd", **given})
    assert (error.http_status, error.param, error.code) == (400, param, code)


def test_a_payment_is_found_from_its_invoice_and_back(business: Business) -> None:
    subscription = business.subscribe(1000)
    [payment] = business.v1.invoice_payments.list(
        {"invoice": subscription.latest_invoice, "status": "paid"}
    ).data
    assert (payment.amount_paid, payment.amount_requested, payment.is_default) == (1000, 1000, True)
    intent = payment.payment.payment_intent
    back = business.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}}
    ).data
    assert [one.id for one in back] == [payment.id]
    assert business.v1.invoice_payments.retrieve(payment.id).invoice == subscription.latest_invoice
    assert list(business.v1.invoice_payments.list({"status": "open"})) == []
    error = refused(business.v1.payment_intents.cancel, intent)
    assert error.code == "payment_intent_unexpected_state"


def test_the_sdk_says_where_the_old_fields_went(business: Business) -> None:
    invoice = business.invoice(business.subscribe(1000).latest_invoice)
    for field in ("payment_intent", "charge", "subscription"):
        with pytest.raises(AttributeError):
            getattr(invoice, field)

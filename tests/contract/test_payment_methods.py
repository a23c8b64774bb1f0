"""Payment methods made of Stripe's test cards."""

import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn


def test_a_token_makes_a_card(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"token": "tok_mastercard"},
            "billing_details": {"name": "Jo", "address": {"country": "DE"}},
            "metadata": {"a": "b"},
        }
    )

    assert made.id.startswith("pm_")
    assert made.customer is None
    assert made.card is not None
    assert (made.card.brand, made.card.last4) == ("mastercard", "4444")
    assert made.billing_details.name == "Jo"
    assert made.billing_details.address is not None
    assert made.billing_details.address.country == "DE"


def test_a_test_id_makes_a_new_payment_method_each_time(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    attach = stripe_client.v1.payment_methods.attach
    first = attach("pm_card_visa", {"customer": customer.id})
    second = attach("pm_card_visa", {"customer": customer.id})

    assert first.id != second.id
    assert first.customer == second.customer == customer.id
    listed = stripe_client.v1.customers.payment_methods.list(customer.id, {"type": "card"}).data
    assert {method.id for method in listed} == {first.id, second.id}


def test_the_card_that_fails_when_charged_can_be_attached(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    made = stripe_client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})

    assert made.card is not None
    assert made.card.last4 == "0341"


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_cards_that_decline_are_refused_when_attached(
    stripe_client: StripeClient, customer: stripe.Customer, card: str, code: str, decline_code: str
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        stripe_client.v1.payment_methods.attach(card, {"customer": customer.id})

    assert refused.value.code == code
    if code == "card_declined":
        assert refused.value.error is not None
        assert refused.value.error.decline_code == decline_code
    assert stripe_client.v1.payment_methods.list({"customer": customer.id}).data == []


def test_a_detached_payment_method_cannot_be_used_again(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    method = stripe_client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    settings: stripe.params.CustomerUpdateParams = {"invoice_settings": {"default_payment_method": method.id}}
    stripe_client.v1.customers.update(customer.id, settings)
    detached = stripe_client.v1.payment_methods.detach(method.id)
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.payment_methods.attach(method.id, {"customer": customer.id})
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.payment_methods.detach(method.id)

    assert detached.customer is None
    left = stripe_client.v1.customers.retrieve(customer.id).invoice_settings
    assert left is not None
    assert left.default_payment_method is None


def test_a_payment_method_of_another_customer_is_refused(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    method = stripe_client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    other = stripe_client.v1.customers.create({"name": "Other"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.payment_methods.attach(method.id, {"customer": other.id})

    assert refused.value.http_status == 400


def test_unknown_tokens_are_resource_missing(stripe_client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_platinum"}})

    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
    assert refused.value.error is not None
    assert refused.value.error.message == "No such token: 'tok_platinum'"


def test_bookkeeping_is_not_answered(stand_in: StandIn, stripe_client: StripeClient) -> None:
    made = stripe_client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})

    assert [name for name in made.to_dict() if name.startswith("_")] == []

"""Payments that are set aside on a card first, and captured or let go later."""

from typing import Any

import pytest
import stripe

from .billing import Business


def held(business: Business) -> Any:
    customer = business.customer()
    return business.v1.payment_intents.create(
        {
            "amount": 2900,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": customer.invoice_settings.default_payment_method,
            "capture_method": "manual",
            "confirm": True,
        }
    )


def test_a_part_is_captured_and_the_rest_is_free_again(business: Business) -> None:
    intent = held(business)
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 2900, 0)
    taken = business.v1.payment_intents.capture(intent.id, {"amount_to_capture": 2000})
    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 2000)
    charge = business.v1.charges.retrieve(taken.latest_charge, {"expand": ["balance_transaction"]})
    assert (charge.captured, charge.amount_captured, charge.amount_refunded) == (True, 2000, 900)
    moved = charge.balance_transaction
    assert (moved.amount, moved.fee, moved.net) == (2000, 88, 1912)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.v1.payment_intents.capture(intent.id)
    assert caught.value.code == "payment_intent_unexpected_state"


def test_no_more_is_captured_than_was_set_aside(business: Business) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.v1.payment_intents.capture(held(business).id, {"amount_to_capture": 2901})
    assert (caught.value.code, caught.value.param) == ("amount_too_large", "amount_to_capture")


def test_what_is_cancelled_is_let_go(business: Business) -> None:
    intent = held(business)
    business.v1.payment_intents.cancel(intent.id)
    charge = business.v1.charges.retrieve(intent.latest_charge)
    assert (charge.captured, charge.refunded, charge.amount_refunded) == (False, True, 2900)

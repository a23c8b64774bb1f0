"""Bank transfers to a customer's cash balance: what comes in pays what waits, in part if it is too little.

https://docs.stripe.com/payments/customer-balance
"""

from typing import Any

import pytest
import stripe

from .billing import Business


def transfer(business: Business, customer: str, amount: int, **more: Any) -> Any:
    """An intent that a bank transfer is to pay."""
    return business.v1.payment_intents.create(
        {
            "amount": amount,
            "currency": "jpy",
            "customer": customer,
            "payment_method_data": {"type": "customer_balance"},
            "payment_method_options": {
                "customer_balance": {
                    "funding_type": "bank_transfer",
                    "bank_transfer": {"type": "jp_bank_transfer"},
                }
            },
            "confirm": True,
            **more,
        }
    )


def fund(business: Business, customer: str, amount: int) -> Any:
    """A transfer that comes in."""
    return business.v1.test_helpers.customers.fund_cash_balance(
        customer, {"amount": amount, "currency": "jpy"}
    )


def held(business: Business, customer: str) -> dict[str, int]:
    """What no payment has taken yet."""
    available = business.v1.customers.cash_balance.retrieve(customer).available
    return available.to_dict() if available else {}


def remaining(business: Business, intent: Any) -> int:
    """What an intent still waits for."""
    action = business.v1.payment_intents.retrieve(intent.id).next_action
    return int(action.display_bank_transfer_instructions.amount_remaining)


def types(business: Business) -> list[str]:
    """The kinds of events about payments and the cash balance, oldest first."""
    told = [event.type for event in business.v1.events.list({"limit": 100}).data]
    return [type for type in reversed(told) if "cash_balance" in type or type.startswith("payment_intent")]


def test_a_transfer_that_is_too_little_pays_in_part_and_the_next_the_rest(business: Business) -> None:
    customer = business.customer().id
    intent = transfer(business, customer, 20_000)
    assert (intent.status, intent.next_action.type) == (
        "requires_action",
        "display_bank_transfer_instructions",
    )
    fund(business, customer, 10_000)
    assert (remaining(business, intent), held(business, customer)) == (10_000, {"jpy": 0})
    assert types(business)[-3:] == [
        "customer_cash_balance_transaction.created",
        "customer_cash_balance_transaction.created",
        "payment_intent.partially_funded",
    ]
    fund(business, customer, 12_000)
    paid = business.v1.payment_intents.retrieve(intent.id)
    assert (paid.status, paid.amount_received, held(business, customer)) == (
        "succeeded",
        20_000,
        {"jpy": 2_000},
    )
    assert types(business)[-1] == "cash_balance.funds_available"
    moved = business.v1.customers.cash_balance_transactions.list(customer).data
    assert [(one.type, one.net_amount, one.ending_balance) for one in moved] == [
        ("applied_to_payment", -10_000, 2_000),
        ("funded", 12_000, 12_000),
        ("applied_to_payment", -10_000, 0),
        ("funded", 10_000, 10_000),
    ]


def test_the_oldest_payment_is_paid_first_and_what_is_there_pays_at_once(business: Business) -> None:
    customer = business.customer().id
    first, second = transfer(business, customer, 5_000), transfer(business, customer, 4_000)
    fund(business, customer, 6_000)
    assert business.v1.payment_intents.retrieve(first.id).status == "succeeded"
    assert remaining(business, second) == 3_000
    business.v1.payment_intents.cancel(second.id)
    assert held(business, customer) == {"jpy": 1_000}
    assert transfer(business, customer, 1_000).status == "succeeded"
    assert held(business, customer) == {"jpy": 0}


def test_what_the_cash_balance_cannot_do_is_refused(business: Business) -> None:
    customer = business.customer().id
    waiting = transfer(business, customer, 5_000)
    paid = transfer(business, business.customer().id, 5_000)
    fund(business, paid.customer, 5_000)
    for call, args, param in (
        (business.v1.payment_intents.confirm, (waiting.id, {}), None),
        (business.v1.payment_intents.update, (waiting.id, {"amount": 1_000}), None),
        (business.v1.refunds.create, ({"payment_intent": paid.id},), "charge"),
        (
            business.v1.test_helpers.customers.fund_cash_balance,
            (customer, {"amount": 0, "currency": "jpy"}),
            "amount",
        ),
        (
            business.v1.test_helpers.customers.fund_cash_balance,
            (customer, {"amount": 5, "currency": "sek"}),
            "currency",
        ),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(*args)
        assert caught.value.param == param
    with pytest.raises(stripe.InvalidRequestError) as caught:
        transfer(business, customer, 5_000, payment_method_data={"type": "paypal"})
    assert caught.value.param == "payment_method_data[type]"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.v1.payment_intents.create(
            {"amount": 5_000, "currency": "jpy", "payment_method_data": {"type": "customer_balance"}}
        )
    assert caught.value.param == "customer"

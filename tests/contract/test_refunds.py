"""Refunds in every course they take."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, Business


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def paid(business: Business, card: str = "pm_card_visa", amount: int = 1000) -> Any:
    """A payment intent that was charged."""
    return business.v1.payment_intents.create(
        {
            "amount": amount,
            "currency": "usd",
            "customer": business.customer(card=None).id,
            "payment_method": card,
            "confirm": True,
        }
    )


def charge_of(business: Business, intent: Any) -> Any:
    return business.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})


def test_partial_refunds_add_up_and_never_exceed_the_charge(business: Business) -> None:
    intent = paid(business)
    first = business.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 300, "reason": "duplicate", "metadata": {"note": "n-1"}}
    )
    assert (first.status, first.amount, first.charge, first.reason) == (
        "succeeded",
        300,
        intent.latest_charge,
        "duplicate",
    )
    charge = charge_of(business, intent)
    assert (charge.amount_refunded, charge.refunded, len(charge.refunds.data)) == (300, False, 1)
    error = refused(business.v1.refunds.create, {"payment_intent": intent.id, "amount": 1000})
    assert (error.http_status, error.param, error.code) == (400, "amount", None)
    assert str(error).endswith("Refund amount ($10.00) is greater than unrefunded amount on charge ($7.00)")
    rest = business.v1.refunds.create({"charge": intent.latest_charge})
    assert rest.amount == 700
    assert charge_of(business, intent).refunded
    error = refused(business.v1.refunds.create, {"payment_intent": intent.id})
    assert (error.http_status, error.code) == (400, "charge_already_refunded")
    listed = business.v1.refunds.list({"payment_intent": intent.id}).data
    assert [one.id for one in listed] == [rest.id, first.id]
    assert business.events("refund.created", "charge.refunded") == ["refund.created", "charge.refunded"] * 2


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"amount": 0}, "amount", "parameter_invalid_integer"),
        ({"amount": -5}, "amount", "parameter_invalid_integer"),
        ({"currency": "eur"}, "currency", None),
        ({"reason": "other"}, "reason", None),
        ({"note": "x"}, "note", "parameter_unknown"),
        ({"charge": "ch_none"}, "payment_intent", "parameter_missing"),
    ],
)
def test_a_wrong_refund_is_refused(
    business: Business, given: dict[str, Any], param: str, code: str | None
) -> None:
    intent = paid(business)
    error = refused(business.v1.refunds.create, {"payment_intent": intent.id, **given})
    assert (error.http_status, error.param, error.code) == (400, param, code)
    assert charge_of(business, intent).amount_refunded == 0


def test_an_unknown_or_unpaid_payment_cannot_be_refunded(business: Business) -> None:
    assert refused(business.v1.refunds.create, {"payment_intent": "pi_none"}).code == "resource_missing"
    intent = business.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    assert refused(business.v1.refunds.create, {"payment_intent": intent.id}).http_status == 400


def test_a_disputed_charge_cannot_be_refunded(business: Business) -> None:
    intent = paid(business, "pm_card_createDispute")
    assert refused(business.v1.refunds.create, {"payment_intent": intent.id}).code == "charge_disputed"


def test_a_pending_refund_succeeds_later(business: Business) -> None:
    refund = business.v1.refunds.create({"payment_intent": paid(business, "pm_card_pendingRefund").id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    business.at(APRIL + 60)
    assert business.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert business.events("refund.updated", "charge.refund.updated") == [
        "refund.updated",
        "charge.refund.updated",
    ]


def test_a_refund_that_succeeded_may_still_fail(business: Business) -> None:
    intent = paid(business, "pm_card_refundFail")
    refund = business.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, charge_of(business, intent).amount_refunded) == ("succeeded", 1000)
    business.at(APRIL + 60)
    failed = business.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert (charge_of(business, intent).amount_refunded, charge_of(business, intent).refunded) == (0, False)
    assert "refund.failed" in business.events()


def test_a_refund_may_fail_at_once(business: Business) -> None:
    intent = paid(business, "pm_card_refundFailAtOnce")
    refund = business.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.failure_reason) == ("failed", "declined")
    assert charge_of(business, intent).amount_refunded == 0
    assert business.events("refund.created", "refund.failed", "charge.refunded") == [
        "refund.created",
        "refund.failed",
    ]


def test_a_pending_refund_may_fail(business: Business) -> None:
    intent = paid(business, "pm_card_pendingRefundFail")
    refund = business.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, charge_of(business, intent).amount_refunded) == ("pending", 1000)
    business.at(APRIL + 60)
    assert business.v1.refunds.retrieve(refund.id).status == "failed"
    assert charge_of(business, intent).amount_refunded == 0
    assert business.events("refund.created", "refund.updated", "refund.failed") == [
        "refund.created",
        "refund.updated",
        "refund.failed",
    ]


def test_a_refund_that_failed_can_be_made_again(business: Business) -> None:
    intent = paid(business, "pm_card_pendingRefundFail")
    business.v1.refunds.create({"payment_intent": intent.id})
    assert refused(business.v1.refunds.create, {"payment_intent": intent.id}).code == (
        "charge_already_refunded"
    )
    business.at(APRIL + 60)
    assert business.v1.refunds.create({"payment_intent": intent.id}).status == "pending"


def test_a_customer_may_say_where_the_money_should_go(business: Business) -> None:
    intent = paid(business, "pm_card_refundActionTaken")
    refund = business.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.next_action.type) == ("requires_action", "display_details")
    business.at(APRIL + 60)
    after = business.v1.refunds.retrieve(refund.id)
    assert (after.status, charge_of(business, intent).refunded) == ("succeeded", True)


def test_a_customer_who_never_says_where_the_money_should_go_gets_none(business: Business) -> None:
    intent = paid(business, "pm_card_refundRequiresAction")
    refund = business.v1.refunds.create({"payment_intent": intent.id})
    business.at(APRIL + 45 * DAY)
    assert business.v1.refunds.retrieve(refund.id).status == "failed"
    assert charge_of(business, intent).amount_refunded == 0


def test_a_refund_that_waits_for_the_customer_can_be_cancelled_or_expires(business: Business) -> None:
    intent = paid(business, "pm_card_refundRequiresAction")
    refund = business.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    assert (refund.status, refund.next_action.type) == ("requires_action", "display_details")
    assert business.v1.refunds.cancel(refund.id).status == "canceled"
    assert charge_of(business, intent).amount_refunded == 0
    again = business.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    expired = business.v1.test_helpers.refunds.expire(again.id)
    assert (expired.status, charge_of(business, intent).amount_refunded) == ("failed", 0)
    for call in (business.v1.refunds.cancel, business.v1.test_helpers.refunds.expire):
        assert refused(call, again.id).http_status == 400


def test_a_refunds_metadata_alone_may_change(business: Business) -> None:
    refund = business.v1.refunds.create({"payment_intent": paid(business).id})
    changed = business.v1.refunds.update(refund.id, {"metadata": {"note": "because"}})
    assert changed.metadata.to_dict() == {"note": "because"}
    assert refused(business.v1.refunds.update, refund.id, {"amount": 1}).code == "parameter_unknown"


@pytest.mark.parametrize(
    "metadata",
    [{"k": "x" * 501}, {"k" * 41: "x"}, {f"k{number}": "x" for number in range(51)}],
    ids=["value", "key", "keys"],
)
def test_metadata_beyond_stripes_limits_is_refused(business: Business, metadata: dict[str, str]) -> None:
    intent = paid(business)
    error = refused(business.v1.refunds.create, {"payment_intent": intent.id, "metadata": metadata})
    assert (error.http_status, error.param.partition("[")[0]) == (400, "metadata")
    assert charge_of(business, intent).amount_refunded == 0
    most = {f"k{number}": "x" * 500 for number in range(49)} | {"k" * 40: "x"}
    refund = business.v1.refunds.create({"payment_intent": intent.id, "metadata": most})
    assert refund.metadata.to_dict() == most
    error = refused(business.v1.refunds.update, refund.id, {"metadata": {"one more": "x"}})
    assert (error.http_status, error.param) == (400, "metadata")


def test_refunding_an_invoices_payment_leaves_the_invoice_paid(business: Business) -> None:
    subscription = business.subscribe(1000)
    [payment] = business.v1.invoice_payments.list({"invoice": subscription.latest_invoice}).data
    business.v1.refunds.create({"payment_intent": payment.payment.payment_intent})
    assert business.invoice(subscription.latest_invoice).status == "paid"

"""Subscriptions that go on while nothing is collected: https://docs.stripe.com/billing/subscriptions/pause-payment."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of

APR_16 = APRIL + 15 * DAY


def paused(business: Business, behavior: str, **more: Any) -> Any:
    subscription = business.subscribe(1000)
    return business.v1.subscriptions.update(
        subscription.id, {"pause_collection": {"behavior": behavior, **more}}
    )


def latest(business: Business, subscription: Any) -> Any:
    return business.invoice(business.subscription(subscription.id).latest_invoice)


def test_it_is_shown_and_ended(business: Business) -> None:
    subscription = paused(business, "void", resumes_at=MAY - 1)
    assert subscription.status == "active"
    assert subscription.pause_collection.to_dict() == {"behavior": "void", "resumes_at": MAY - 1}
    ended = business.v1.subscriptions.update(subscription.id, {"pause_collection": ""})
    assert (ended.status, ended.pause_collection) == ("active", None)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        paused(business, "void", resumes_at=APRIL)
    assert caught.value.param == "pause_collection[resumes_at]"


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")],
)
def test_a_renewal_is_not_collected(business: Business, behavior: str, status: str) -> None:
    subscription = paused(business, behavior)
    business.at(MAY + DAY)
    renewal = latest(business, subscription)
    assert (renewal.status, renewal.auto_advance, renewal.attempted) == (status, False, False)
    assert (renewal.total, renewal.amount_paid) == (1000, 0)
    after = business.subscription(subscription.id)
    assert (after.status, items_of(after)[0].current_period_start) == ("active", MAY)


@pytest.mark.parametrize("behavior", ["void", "keep_as_draft", "mark_uncollectible"])
def test_a_change_billed_at_once_collects_nothing(business: Business, behavior: str) -> None:
    subscription = paused(business, behavior)
    business.at(APR_16)
    changed = business.change(subscription, business.price(3000, "Gold"), proration_behavior="always_invoice")
    invoice = business.invoice(changed.latest_invoice)
    assert (amounts(invoice), invoice.amount_paid, changed.status) == ([-500, 1500], 0, "active")
    assert items_of(changed)[0].price.unit_amount == 3000


def test_an_invoice_that_the_balance_covers_is_paid(business: Business) -> None:
    subscription = paused(business, "mark_uncollectible")
    credit = {"amount": -1500, "currency": "usd"}
    business.v1.customers.balance_transactions.create(subscription.customer, credit)
    business.at(MAY)
    assert latest(business, subscription).status == "paid"
    assert business.balance(subscription.customer) == -500


def test_a_void_invoice_leaves_the_balance(business: Business) -> None:
    subscription = paused(business, "void")
    credit = {"amount": -300, "currency": "usd"}
    business.v1.customers.balance_transactions.create(subscription.customer, credit)
    business.at(MAY)
    assert latest(business, subscription).status == "void"
    assert business.balance(subscription.customer) == -300


def test_a_kept_draft_is_collected_when_somebody_lets_it(business: Business) -> None:
    subscription = paused(business, "keep_as_draft")
    business.at(MAY)
    draft = latest(business, subscription)
    business.v1.subscriptions.update(subscription.id, {"pause_collection": ""})
    business.v1.invoices.update(draft.id, {"auto_advance": True})
    business.at(MAY + 3600)
    assert business.invoice(draft.id).status == "paid"


def test_collection_goes_on_at_its_date(business: Business) -> None:
    subscription = paused(business, "void", resumes_at=MAY + DAY)
    business.at(MAY + DAY)
    assert business.subscription(subscription.id).pause_collection is None
    june = 1780272000
    business.at(june + 3600)
    assert latest(business, subscription).status == "paid"
    statuses = [one.status for one in business.v1.invoices.list({"subscription": subscription.id})]
    assert statuses == ["paid", "void", "paid"]


def test_an_older_invoice_goes_on_being_collected(business: Business) -> None:
    subscription = business.subscribe(1000)
    bad = business.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
    business.at(MAY + 3600)
    owed = latest(business, subscription)
    card = business.v1.payment_methods.attach("pm_card_visa", {"customer": subscription.customer})
    business.v1.subscriptions.update(
        subscription.id,
        {"default_payment_method": card.id, "pause_collection": {"behavior": "keep_as_draft"}},
    )
    assert (owed.status, business.subscription(subscription.id).status) == ("open", "past_due")
    business.at(MAY + 3600 + 3 * DAY)
    assert business.invoice(owed.id).status == "paid"
    assert business.subscription(subscription.id).status == "active"

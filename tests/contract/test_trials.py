"""Trials: how they begin, what they show, and what becomes of a subscription at their end."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of

RECORDED = 1774905677
"""When the recorded trial of 15 days began."""


def with_own_trial(business: Business, days: int) -> str:
    product = business.v1.products.create({"name": "Silver"}).id
    recurring = {"interval": "month", "trial_period_days": days}
    given = {"product": product, "currency": "usd", "unit_amount": 1000, "recurring": recurring}
    return str(business.v1.prices.create(given).id)


def refused(business: Business, **given: Any) -> str | None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.subscribe(1000, **given)
    return caught.value.param


def test_a_trial_begins_with_an_invoice_of_nothing(business: Business) -> None:
    business.stand_in.reset()
    business.at(RECORDED)
    product = business.v1.products.create({"name": "Test Subscription", "unit_label": "user"}).id
    price = business.v1.prices.create(
        {"product": product, "currency": "usd", "unit_amount": 2500, "recurring": {"interval": "month"}}
    )
    subscription = business.subscribe(items=[{"price": price.id}], trial_period_days=15)
    invoice = business.invoice(subscription.latest_invoice, "payments")
    line = invoice.lines.data[0]
    assert (subscription.status, subscription.billing_cycle_anchor) == ("trialing", 1776201677)
    assert (subscription.trial_start, subscription.trial_end) == (RECORDED, 1776201677)
    assert (line.period.start, line.period.end) == (RECORDED, 1776201677)
    assert (line.amount, line.description) == (0, "Free trial for 1 user × Test Subscription")
    assert line.pricing.unit_amount_decimal == 0
    assert (invoice.status, invoice.attempted, invoice.attempt_count, invoice.auto_advance) == (
        "paid",
        True,
        0,
        False,
    )
    assert list(invoice.payments.data) == []


def test_a_trial_in_classic_mode_is_named_as_before(business: Business) -> None:
    subscription = business.subscribe(1000, trial_period_days=7, billing_mode={"type": "classic"})
    invoice = business.invoice(subscription.latest_invoice)
    assert invoice.lines.data[0].description == "Trial period for Silver"


def test_a_trial_may_be_the_prices_own(business: Business) -> None:
    price = with_own_trial(business, 10)
    plain = business.subscribe(items=[{"price": price}])
    tried = business.subscribe(items=[{"price": price}], trial_from_plan=True)
    assert (plain.status, plain.trial_end) == ("active", None)
    assert (tried.status, tried.trial_end) == ("trialing", APRIL + 10 * DAY)
    later = business.v1.subscriptions.update(plain.id, {"trial_from_plan": True})
    assert (later.status, later.trial_end) == ("trialing", APRIL + 10 * DAY)


def test_only_one_way_to_say_how_long_is_accepted(business: Business) -> None:
    assert refused(business, trial_end=APRIL + DAY, trial_period_days=7) == "trial_end"
    assert refused(business, trial_end=APRIL + DAY, trial_from_plan=True) == "trial_end"
    assert refused(business, trial_period_days=732) == "trial_period_days"


def test_three_days_before_its_end_a_trial_is_told_of(business: Business) -> None:
    subscription = business.subscribe(1000, trial_period_days=7)
    business.at(APRIL + 4 * DAY - 1)
    assert business.events("customer.subscription.trial_will_end") == []
    business.at(APRIL + 4 * DAY)
    assert business.events("customer.subscription.trial_will_end") == ["customer.subscription.trial_will_end"]
    business.at(APRIL + 7 * DAY)
    assert business.subscription(subscription.id).status == "active"
    assert len(business.events("customer.subscription.trial_will_end")) == 1


@pytest.mark.parametrize(
    ("behavior", "status"), [("create_invoice", "active"), ("pause", "paused"), ("cancel", "canceled")]
)
def test_a_trial_that_ends_without_a_card_does_as_it_is_told(
    business: Business, behavior: str, status: str
) -> None:
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    customer = business.customer(card=None)
    subscription = business.subscribe(
        1000, customer=customer.id, trial_period_days=7, trial_settings=settings
    )
    business.at(APRIL + 7 * DAY)
    ended = business.subscription(subscription.id)
    billed = ended.latest_invoice != subscription.latest_invoice
    assert (ended.status, billed) == (status, behavior == "create_invoice")
    if status == "paused":
        assert ended.status_details.paused.to_dict() == {
            "subscription": {"type": "trial_end_without_payment_method"},
            "transitioned_at": APRIL + 7 * DAY,
            "type": "subscription",
        }
        assert "customer.subscription.paused" in business.events()
    business.at(APRIL + 7 * DAY + 3600)
    late = business.subscription(subscription.id).status
    assert late == ("past_due" if behavior == "create_invoice" else status)


@pytest.mark.parametrize(("behavior", "status"), [("pause", "paused"), ("cancel", "canceled")])
def test_a_trial_that_is_ended_without_a_card_does_as_it_is_told(
    business: Business, behavior: str, status: str
) -> None:
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    customer = business.customer(card=None)
    subscription = business.subscribe(
        1000, customer=customer.id, trial_period_days=7, trial_settings=settings
    )
    business.at(APRIL + DAY)
    ended = business.v1.subscriptions.update(subscription.id, {"trial_end": "now"})
    assert (ended.status, ended.trial_end) == (status, APRIL + DAY)
    assert ended.latest_invoice == subscription.latest_invoice
    assert ("customer.subscription.paused" in business.events()) == (status == "paused")


@pytest.mark.parametrize("behavior", ["pause", "cancel"])
def test_a_trial_that_ends_with_a_card_is_billed(business: Business, behavior: str) -> None:
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    subscription = business.subscribe(1000, trial_period_days=7, trial_settings=settings)
    business.at(APRIL + 7 * DAY + 3600)
    ended = business.subscription(subscription.id)
    assert (ended.status, amounts(business.invoice(ended.latest_invoice))) == ("active", [1000])


@pytest.mark.parametrize(("behavior", "lines"), [("create_prorations", [-500, 0]), ("none", [0])])
def test_a_trial_of_a_paid_period_credits_the_rest_of_it(
    business: Business, behavior: str, lines: list[int]
) -> None:
    subscription = business.subscribe(1000)
    business.at(APRIL + 15 * DAY)
    change = {"trial_end": MAY + 5 * DAY, "proration_behavior": behavior}
    preview = business.preview(subscription, **change)
    tried = business.v1.subscriptions.update(subscription.id, change)
    invoice = business.invoice(tried.latest_invoice)
    assert amounts(preview) == amounts(invoice) == lines
    assert (tried.status, tried.billing_cycle_anchor) == ("trialing", MAY + 5 * DAY)
    assert items_of(tried)[0].current_period_end == MAY + 5 * DAY
    assert business.balance(subscription.customer) == sum(lines)

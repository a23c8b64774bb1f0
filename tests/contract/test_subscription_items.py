"""Subscription items by themselves: what is done to one is what an update of its subscription would do."""

import pytest
import stripe

from .billing import Business, amounts, items_of

HALF = 1776297600
"""The half of April."""


def test_an_added_item_is_debited_to_the_end_of_the_period(business: Business) -> None:
    subscription = business.subscribe(1000)
    extra = business.price(3000, "Extra")
    business.at(HALF)
    item = business.v1.subscription_items.create(
        {
            "subscription": subscription.id,
            "price": extra,
            "quantity": 2,
            "metadata": {"a": "1"},
            "proration_behavior": "always_invoice",
        }
    )
    after = business.subscription(subscription.id)
    assert (item.price.id, item.quantity, item.metadata.to_dict()) == (extra, 2, {"a": "1"})
    assert [one.id for one in items_of(after)][-1] == item.id
    assert amounts(business.invoice(after.latest_invoice)) == [3000]


def test_an_item_is_changed_as_its_subscription_would_be(business: Business) -> None:
    subscription = business.subscribe(1000)
    item, larger = items_of(subscription)[0], business.price(2000)
    business.at(HALF)
    changed = business.v1.subscription_items.update(
        item.id, {"price": larger, "proration_behavior": "always_invoice"}
    )
    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (changed.id, changed.price.id) == (item.id, larger)
    assert (amounts(invoice), invoice.total) == ([-500, 1000], 500)


def test_a_removed_item_is_credited_and_the_last_one_stays(business: Business) -> None:
    subscription = business.subscribe(1000, 3000)
    first, second = items_of(subscription)
    business.at(HALF)
    gone = business.v1.subscription_items.delete(second.id, {"proration_behavior": "always_invoice"})
    after = business.subscription(subscription.id)
    assert (gone.id, gone.deleted) == (second.id, True)
    assert [one.id for one in items_of(after)] == [first.id]
    assert amounts(business.invoice(after.latest_invoice)) == [-1500]
    with pytest.raises(stripe.InvalidRequestError, match="at least one active item"):
        business.v1.subscription_items.delete(first.id)


def test_an_item_that_there_is_not_is_missing(business: Business) -> None:
    for ask in (
        business.v1.subscription_items.retrieve,
        business.v1.subscription_items.update,
        business.v1.subscription_items.delete,
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            ask("si_none")
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_an_item_lives_by_its_subscriptions_clock(business: Business) -> None:
    clock = business.v1.test_helpers.test_clocks.create({"frozen_time": HALF - 86400})
    customer = business.customer(test_clock=clock.id)
    subscription = business.subscribe(1000, customer=customer.id)
    item = items_of(subscription)[0]
    business.v1.subscription_items.update(item.id, {"quantity": 3, "proration_behavior": "always_invoice"})
    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert invoice.created == HALF - 86400
    assert amounts(invoice) == [-1000, 3000]

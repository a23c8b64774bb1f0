"""The statuses of a subscription, and what leads from one to the other.

https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
"""

from typing import Any

import pytest

from .billing import APRIL, DAY, MAY, Business

JUNE = 1780272000
HOUR = 3600


def failing(business: Business) -> Any:
    """A subscription whose card has begun to decline."""
    subscription = business.subscribe(1000)
    method = business.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    return business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})


def given_up(business: Business, after: str) -> Any:
    """One whose renewal was tried three times in four days, all in vain."""
    business.stand_in.control("retries", {"days": [1, 2], "after": after})
    subscription = failing(business)
    business.at(MAY + HOUR + 3 * DAY)
    return business.subscription(subscription.id)


def latest(business: Business, subscription: Any) -> Any:
    return business.invoice(business.subscription(subscription.id).latest_invoice)


def status(business: Business, subscription: Any) -> str:
    return str(business.subscription(subscription.id).status)


def pay(business: Business, invoice: Any) -> None:
    method = business.v1.payment_methods.attach("pm_card_visa", {"customer": invoice.customer})
    business.v1.invoices.pay(invoice.id, {"payment_method": method.id})


def test_a_renewal_that_fails_is_tried_again_as_often_as_set(business: Business) -> None:
    business.stand_in.control("retries", {"days": [1, 2], "after": "past_due"})
    subscription = failing(business)
    seen = []
    for at in (MAY, MAY + HOUR, MAY + HOUR + DAY, MAY + HOUR + 3 * DAY):
        business.at(at)
        invoice = latest(business, subscription)
        seen.append((status(business, subscription), invoice.attempt_count, invoice.next_payment_attempt))
    assert seen == [
        ("active", 0, seen[0][2]),
        ("past_due", 1, MAY + HOUR + DAY),
        ("past_due", 2, MAY + HOUR + 3 * DAY),
        ("past_due", 3, None),
    ]


@pytest.mark.parametrize(
    ("after", "becomes"),
    [("past_due", "past_due"), ("unpaid", "unpaid"), ("cancel", "canceled"), ("pause", "paused")],
)
def test_after_the_last_attempt_the_settings_decide(business: Business, after: str, becomes: str) -> None:
    subscription = given_up(business, after)
    assert subscription.status == becomes
    assert latest(business, subscription).status == "open"
    if becomes == "canceled":
        assert subscription.cancellation_details.reason == "payment_failed"
        assert latest(business, subscription).auto_advance is False
    if becomes == "paused":
        assert subscription.status_details.paused.subscription.type == "final_payment_failure"


@pytest.mark.parametrize("after", ["past_due", "unpaid"])
def test_the_payment_of_the_latest_invoice_ends_the_arrears(business: Business, after: str) -> None:
    subscription = given_up(business, after)
    pay(business, latest(business, subscription))
    assert status(business, subscription) == "active"


def test_so_does_writing_it_off(business: Business) -> None:
    subscription = given_up(business, "past_due")
    business.v1.invoices.mark_uncollectible(subscription.latest_invoice)
    assert status(business, subscription) == "active"


def test_an_older_invoice_is_not_what_decides(business: Business) -> None:
    subscription = given_up(business, "past_due")
    first = latest(business, subscription)
    business.at(JUNE + HOUR)
    second = latest(business, subscription)
    pay(business, first)
    assert (second.status, status(business, subscription)) == ("open", "past_due")
    pay(business, second)
    assert status(business, subscription) == "active"


def test_a_void_invoice_does_not_count(business: Business) -> None:
    subscription = given_up(business, "past_due")
    first = latest(business, subscription)
    business.at(JUNE + HOUR)
    business.v1.invoices.void_invoice(latest(business, subscription).id)
    assert status(business, subscription) == "past_due"
    pay(business, first)
    assert status(business, subscription) == "active"


@pytest.mark.parametrize(("setting", "becomes"), [("draft", "draft"), ("void", "void")])
def test_new_invoices_of_an_unpaid_subscription_are_not_collected(
    business: Business, setting: str, becomes: str
) -> None:
    business.stand_in.control("switches", {"unpaid_invoices": setting})
    subscription = given_up(business, "unpaid")
    business.at(JUNE + DAY)
    renewal = latest(business, subscription)
    assert (renewal.status, renewal.attempted) == (becomes, False)
    assert status(business, subscription) == "unpaid"


def test_an_unpaid_subscription_recovers_by_its_newest_draft(business: Business) -> None:
    subscription = given_up(business, "unpaid")
    owed = latest(business, subscription)
    business.at(JUNE + DAY)
    pay(business, owed)
    assert status(business, subscription) == "unpaid"
    draft = latest(business, subscription)
    pay(business, business.v1.invoices.finalize_invoice(draft.id))
    assert status(business, subscription) == "active"


def test_a_first_invoice_that_is_voided_ends_it(business: Business) -> None:
    subscription = business.subscribe(1000, customer=business.declining_customer().id)
    business.v1.invoices.void_invoice(subscription.latest_invoice)
    assert status(business, subscription) == "incomplete_expired"


def test_a_first_payment_in_time_starts_it(business: Business) -> None:
    subscription = business.subscribe(1000, customer=business.declining_customer().id)
    business.at(APRIL + 22 * HOUR)
    pay(business, latest(business, subscription))
    business.at(APRIL + 24 * HOUR)
    assert status(business, subscription) == "active"

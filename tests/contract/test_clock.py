"""Months passing: renewals, clamped month ends, and everything that waits, in time order."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.stripe.server.inprocess import StandIn

from .billing import APRIL, DAY, MAY, Business, items_of
from .conftest import REAL_KEY, client_of

HOUR = 3600


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_months_that_pass_in_one_leap_are_billed_one_by_one(business: Business) -> None:
    business.stand_in.reset()
    business.at(at("2026-01-31T10:00"))
    subscription = business.subscribe(1000)
    business.at(at("2026-06-01T00:00"))
    invoices = list(business.v1.invoices.list({"subscription": subscription.id}))
    starts = [
        "2026-05-31T10:00",
        "2026-04-30T10:00",
        "2026-03-31T10:00",
        "2026-02-28T10:00",
        "2026-01-31T10:00",
    ]
    assert [invoice.created for invoice in invoices] == [at(start) for start in starts]
    assert {invoice.status for invoice in invoices} == {"paid"}
    paid = [invoice.status_transitions.paid_at for invoice in invoices]
    assert paid == [at(start) + HOUR for start in starts[:-1]] + [at(starts[-1])]
    item = items_of(business.subscription(subscription.id))[0]
    assert (item.current_period_start, item.current_period_end) == (
        at("2026-05-31T10:00"),
        at("2026-06-30T10:00"),
    )


def test_what_happens_is_told_in_time_order(business: Business) -> None:
    business.subscribe(1000)
    business.at(APRIL + 40 * DAY)
    events = list(business.v1.events.list({"limit": 100}).auto_paging_iter())
    created = [event.created for event in reversed(events)]
    assert created == sorted(created)
    types = [
        event.type
        for event in reversed(events)
        if event.type.startswith("invoice.") and event.created > APRIL
    ]
    assert types == ["invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded"]


def test_a_subscription_on_the_second_of_its_renewal_has_been_renewed(business: Business) -> None:
    subscription = business.subscribe(1000)
    end = items_of(subscription)[0].current_period_end
    business.at(end - 1)
    assert items_of(business.subscription(subscription.id))[0].current_period_end == end
    business.at(end)
    assert items_of(business.subscription(subscription.id))[0].current_period_start == end


def test_many_subscriptions_renew_in_one_advance(business: Business) -> None:
    customer = business.customer().id
    for _ in range(30):
        business.subscribe(1000, customer=customer)
    moved = business.stand_in.control("clock", {"now": APRIL + 31 * DAY, "frozen": True})
    assert moved["ran"] == 60
    assert len(list(business.v1.invoices.list({"status": "paid", "limit": 100}))) == 60


@pytest.mark.skipif(bool(REAL_KEY), reason="restarts the stand-in")
def test_billing_goes_on_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "stripe.jsonl"
    with StandIn(data=data) as before:
        business = Business(before, client_of(before.url))
        business.at(APRIL)
        subscription = business.subscribe(1000)
        business.at(APRIL + 10 * DAY)
        business.change(subscription, business.price(2000, "Gold"))
        business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    with StandIn(data=data) as after:
        business = Business(after, client_of(after.url))
        after.advance(MAY + 2 * HOUR - after.now())
        renewed = business.subscription(subscription.id)
        renewal = business.invoice(renewed.latest_invoice)
        assert ([line.amount for line in renewal.lines.data], renewal.status) == ([-667, 1333, 2000], "paid")
        assert renewed.schedule is None
        assert after.violations() == []

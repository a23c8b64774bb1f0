"""Subscription schedules: a change at the end of the period, and its cancellation."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of

JUNE = 1780272000
FEBRUARY_28 = 1803772800
"""28 February 2027."""


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def phase(price: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"items": [{"price": price, "quantity": quantity}], **more}


def downgrade(business: Business, subscription: Any, price: str, **more: Any) -> Any:
    """Put the subscription on another price at the end of its period."""
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    current = phase(items_of(subscription)[0].price.id, start_date=APRIL, end_date=MAY)
    later = phase(price, duration={"interval": "month"}, proration_behavior="none", **more)
    return business.v1.subscription_schedules.update(schedule.id, {"phases": [current, later]})


def test_a_schedule_of_a_subscription_holds_its_current_period(business: Business) -> None:
    subscription = business.subscribe(2000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    assert (schedule.status, schedule.end_behavior, schedule.subscription) == (
        "active",
        "release",
        subscription.id,
    )
    assert [(p.start_date, p.end_date) for p in schedule.phases] == [(APRIL, MAY)]
    assert schedule.pause_schedules == []
    assert business.subscription(subscription.id).schedule == schedule.id
    error = refused(business.v1.subscription_schedules.create, {"from_subscription": subscription.id})
    assert (error.http_status, error.param) == (400, "from_subscription")


def test_no_phases_may_come_with_a_subscription(business: Business) -> None:
    subscription = business.subscribe(2000)
    error = refused(
        business.v1.subscription_schedules.create,
        {"from_subscription": subscription.id, "phases": [phase(business.price(1000))]},
    )
    assert (error.http_status, error.param) == (400, "phases")


def test_a_downgrade_at_period_end_renews_at_the_new_price_without_prorations(business: Business) -> None:
    subscription = business.subscribe(2000)
    schedule = downgrade(business, subscription, business.price(1000, "Bronze"))
    assert [(p.start_date, p.end_date) for p in schedule.phases] == [(APRIL, MAY), (MAY, JUNE)]
    item = items_of(subscription)[0]
    business.at(MAY - 1)
    assert items_of(business.subscription(subscription.id))[0].price.unit_amount == 2000
    business.at(MAY + 3600)
    after = business.subscription(subscription.id)
    assert [(i.id, i.price.unit_amount, i.current_period_end) for i in items_of(after)] == [
        (item.id, 1000, JUNE)
    ]
    renewal = business.invoice(after.latest_invoice)
    assert (amounts(renewal), renewal.status, renewal.total) == ([1000], "paid", 1000)
    assert business.v1.subscription_schedules.retrieve(schedule.id).current_phase.start_date == MAY
    business.at(JUNE)
    ended = business.v1.subscription_schedules.retrieve(schedule.id)
    assert (ended.status, ended.subscription, ended.released_subscription) == (
        "released",
        None,
        subscription.id,
    )
    assert business.subscription(subscription.id).schedule is None
    assert business.events("subscription_schedule.released") == ["subscription_schedule.released"]


def test_a_yearly_price_at_period_end_starts_its_year_there(business: Business) -> None:
    subscription = business.subscribe(1000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    yearly = business.price(10000, "Yearly", "year")
    phases = [
        phase(business.price(1000), start_date=APRIL, end_date=MAY),
        phase(yearly, proration_behavior="none", billing_cycle_anchor="phase_start"),
    ]
    business.v1.subscription_schedules.update(schedule.id, {"phases": phases})
    assert amounts(business.preview(subscription)) == [10000]
    business.at(MAY + 3600)
    after = business.subscription(subscription.id)
    assert (after.billing_cycle_anchor, items_of(after)[0].current_period_end) == (MAY, MAY + 365 * DAY)
    assert amounts(business.invoice(after.latest_invoice)) == [10000]


def test_a_flexible_subscription_is_not_guessed_to_count_another_interval_from_the_phase(
    business: Business,
) -> None:
    subscription = business.subscribe(1000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    yearly = phase(business.price(10000, "Yearly", "year"), proration_behavior="none")
    phases = [phase(business.price(1000), start_date=APRIL, end_date=MAY), yearly]
    error = refused(business.v1.subscription_schedules.update, schedule.id, {"phases": phases})
    assert (error.http_status, error.param) == (400, "phases[1][billing_cycle_anchor]")


@pytest.mark.parametrize(
    ("mode", "next_renewal"), [("classic", FEBRUARY_28 + 28 * DAY), ("flexible", FEBRUARY_28 + 31 * DAY)]
)
def test_a_price_after_nothing_begins_a_cycle_at_the_phase_in_classic_billing_mode_alone(
    business: Business, mode: str, next_renewal: int
) -> None:
    """The day of the month on which it began, the 31st, is kept or is not."""
    business.at(FEBRUARY_28 - 28 * DAY)
    subscription = business.subscribe(0, billing_mode={"type": mode})
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    [now] = schedule.phases
    current = phase(now["items"][0].price, start_date=now.start_date, end_date=now.end_date)
    later = phase(business.price(2000), duration={"interval": "month"}, proration_behavior="none")
    business.v1.subscription_schedules.update(schedule.id, {"phases": [current, later]})
    business.at(FEBRUARY_28 + 3600)
    after = business.subscription(subscription.id)
    assert amounts(business.invoice(after.latest_invoice)) == [2000]
    assert items_of(after)[0].current_period_end == next_renewal


@pytest.mark.parametrize("keeps", [True, False])
def test_a_trial_goes_on_only_where_the_phase_says_so(business: Business, keeps: bool) -> None:
    end = APRIL + 10 * DAY
    subscription = business.subscribe(2000, trial_end=end)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    assert schedule.phases[0].trial_end == end
    current = phase(business.price(2000), start_date=APRIL, end_date=end)
    later = phase(business.price(1000), duration={"interval": "month"}, proration_behavior="none")
    phases = [current | ({"trial_end": end} if keeps else {}), later]
    business.v1.subscription_schedules.update(schedule.id, {"phases": phases})
    after = business.subscription(subscription.id)
    assert after.status == ("trialing" if keeps else "active")
    assert amounts(business.invoice(after.latest_invoice)) == ([0] if keeps else [2000])


def test_a_released_schedule_leaves_the_subscription_as_it_is(business: Business) -> None:
    subscription = business.subscribe(2000)
    schedule = downgrade(business, subscription, business.price(1000, "Bronze"))
    released = business.v1.subscription_schedules.release(schedule.id)
    assert (released.status, released.subscription, released.released_subscription) == (
        "released",
        None,
        subscription.id,
    )
    business.at(MAY + 3600)
    after = business.subscription(subscription.id)
    assert (items_of(after)[0].price.unit_amount, after.schedule) == (2000, None)
    for call in (business.v1.subscription_schedules.release, business.v1.subscription_schedules.cancel):
        assert refused(call, schedule.id).http_status == 400
    assert (
        refused(business.v1.subscription_schedules.update, schedule.id, {"metadata": {"a": "b"}}).http_status
        == 400
    )


def test_a_cancelled_schedule_takes_the_subscription_along(business: Business) -> None:
    subscription = business.subscribe(2000)
    schedule = downgrade(business, subscription, business.price(1000, "Bronze"))
    business.at(APRIL + 15 * DAY)
    cancelled = business.v1.subscription_schedules.cancel(schedule.id)
    assert cancelled.status == "canceled"
    assert business.subscription(subscription.id).status == "canceled"
    assert business.balance(subscription.customer) == -1000


@pytest.mark.parametrize(
    ("phases", "param"),
    [
        ([{"start_date": None}], "phases"),
        ([{"start_date": MAY, "end_date": JUNE}], "phases"),
        ([{"start_date": APRIL, "end_date": MAY}, {"start_date": MAY + 1}], "phases[1][start_date]"),
        ([{"start_date": APRIL, "end_date": APRIL}], "phases[0][end_date]"),
    ],
)
def test_phases_without_the_current_one_or_with_gaps_are_refused(
    business: Business, phases: list[dict[str, Any]], param: str
) -> None:
    subscription = business.subscribe(2000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    given = [phase(business.price(2000), **{k: v for k, v in one.items() if v is not None}) for one in phases]
    error = refused(business.v1.subscription_schedules.update, schedule.id, {"phases": given})
    assert (error.http_status, error.param) == (400, param)
    assert business.v1.subscription_schedules.retrieve(schedule.id).phases[0].end_date == MAY


def test_a_phase_that_starts_within_a_period_prorates_as_it_says(business: Business) -> None:
    subscription = business.subscribe(2000)
    middle = APRIL + 15 * DAY
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    business.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                phase(business.price(2000), start_date=APRIL, end_date=middle),
                phase(business.price(1000, "Bronze"), end_date=MAY, proration_behavior="always_invoice"),
            ]
        },
    )
    business.at(middle)
    assert amounts(business.invoice(business.subscription(subscription.id).latest_invoice)) == [-1000, 500]


def test_a_schedule_that_ends_in_a_cancellation_says_when(business: Business) -> None:
    subscription = business.subscribe(2000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    business.v1.subscription_schedules.update(schedule.id, {"end_behavior": "cancel"})
    assert business.subscription(subscription.id).cancel_at == MAY
    business.at(MAY)
    assert business.subscription(subscription.id).status == "canceled"


def test_a_direct_change_is_taken_into_the_current_phase(business: Business) -> None:
    subscription = business.subscribe(2000)
    downgrade(business, subscription, business.price(1000, "Bronze"))
    business.change(
        business.subscription(subscription.id), business.price(4000, "Gold"), proration_behavior="none"
    )
    schedule = business.v1.subscription_schedules.list({"customer": subscription.customer}).data[0]
    assert schedule.phases[0].items[0].price == business.price(4000, "Gold")
    error = refused(business.v1.subscriptions.update, subscription.id, {"cancel_at_period_end": True})
    assert (error.http_status, error.param) == (400, "cancel_at_period_end")
    business.at(MAY + 3600)
    assert items_of(business.subscription(subscription.id))[0].price.unit_amount == 1000

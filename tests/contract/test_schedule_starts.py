"""Subscription schedules that start a subscription of their own: now, later, or as if it had been earlier."""

from typing import Any

import pytest

from .billing import APRIL, DAY, MAY, Business, amounts, items_of, shape
from .test_schedules import JUNE, phase, refused

FEBRUARY, MARCH = 1769904000, 1772323200
MONTH = {"interval": "month"}


def schedule(business: Business, *phases: dict[str, Any], **more: Any) -> Any:
    """A schedule of a new customer."""
    given = {"customer": business.customer().id, "start_date": "now", "phases": list(phases), **more}
    return business.v1.subscription_schedules.create(given)


def subscription_of(business: Business, made: Any) -> Any:
    found = business.v1.subscription_schedules.retrieve(made.id)
    return business.subscription(found.subscription or found.released_subscription)


def test_one_that_starts_now_starts_a_subscription_whose_first_invoice_is_a_draft_for_an_hour(
    business: Business,
) -> None:
    made = schedule(business, phase(business.price(2000), duration=MONTH), metadata={"by": "sales"})
    assert (made.status, made.end_behavior) == ("active", "release")
    assert made.metadata.to_dict() == {"by": "sales"}
    assert [(p.start_date, p.end_date) for p in made.phases] == [(APRIL, MAY)]
    subscription = subscription_of(business, made)
    assert (subscription.status, subscription.schedule) == ("active", made.id)
    first = business.invoice(subscription.latest_invoice)
    assert (first.status, first.billing_reason, amounts(first)) == ("draft", "subscription_create", [2000])
    assert first.automatically_finalizes_at == APRIL + 3600
    business.at(APRIL + 3600)
    assert business.invoice(first.id).status == "paid"
    assert business.events("subscription_schedule.created", "subscription_schedule.updated") == [
        "subscription_schedule.created"
    ]


def test_its_first_invoice_is_collected_at_once_where_the_account_is_set_so(business: Business) -> None:
    business.stand_in.control("switches", {"scheduled_invoice": "open"})
    try:
        made = schedule(business, phase(business.price(2000), duration=MONTH))
        subscription = subscription_of(business, made)
        assert business.invoice(subscription.latest_invoice).status == "paid"
    finally:
        business.stand_in.control("switches", {"scheduled_invoice": "draft"})


def test_one_that_starts_later_has_no_subscription_before(business: Business) -> None:
    made = schedule(business, phase(business.price(2000), duration=MONTH), start_date=MAY)
    assert (made.status, made.subscription, made.current_phase) == ("not_started", None, None)
    assert business.v1.subscription_schedules.list({"scheduled": True}).data[0].id == made.id
    preview = business.v1.invoices.create_preview({"schedule": made.id})
    assert (amounts(preview), preview.created) == ([2000], MAY)
    business.at(MAY)
    begun = business.v1.subscription_schedules.retrieve(made.id)
    assert (begun.status, begun.current_phase.start_date) == ("active", MAY)
    subscription = business.subscription(begun.subscription)
    first = business.invoice(subscription.latest_invoice)
    assert [shape(line) for line in first.lines.data] == [shape(line) for line in preview.lines.data]
    assert (subscription.start_date, items_of(subscription)[0].current_period_end) == (MAY, JUNE)


def test_one_that_started_in_the_past_bills_a_full_line_for_each_period_since(business: Business) -> None:
    made = schedule(business, phase(business.price(1000), end_date=JUNE), start_date=FEBRUARY)
    subscription = subscription_of(business, made)
    assert (subscription.start_date, subscription.created) == (FEBRUARY, APRIL)
    assert subscription.billing_cycle_anchor == FEBRUARY
    first = business.invoice(subscription.latest_invoice)
    spans = [(line.amount, line.period.start, line.period.end) for line in first.lines.data]
    assert spans == [(1000, FEBRUARY, MARCH), (1000, MARCH, APRIL), (1000, APRIL, MAY)]
    assert items_of(subscription)[0].current_period_end == MAY


def test_it_goes_through_its_phases_and_cancels_at_the_end(business: Business) -> None:
    made = schedule(
        business,
        phase(business.price(2000), end_date=MAY),
        phase(business.price(1000, "Bronze"), end_date=JUNE, proration_behavior="none"),
        end_behavior="cancel",
    )
    subscription = subscription_of(business, made)
    assert subscription.cancel_at is None, "said only on entering the last phase"
    business.at(MAY + 3600)
    subscription = subscription_of(business, made)
    assert subscription.cancel_at == JUNE
    assert amounts(business.invoice(subscription.latest_invoice)) == [1000]
    business.at(JUNE)
    assert business.subscription(subscription.id).status == "canceled"
    ended = business.v1.subscription_schedules.retrieve(made.id)
    assert (ended.status, ended.completed_at, ended.current_phase) == ("completed", JUNE, None)
    told = business.events("subscription_schedule.completed", "subscription_schedule.canceled")
    assert told == ["subscription_schedule.completed"]


def test_it_is_told_a_week_before_it_expires(business: Business) -> None:
    made = schedule(business, phase(business.price(2000), end_date=MAY))
    business.at(MAY - 7 * DAY - 1)
    assert business.events("subscription_schedule.expiring") == []
    business.at(MAY - 7 * DAY)
    assert business.events("subscription_schedule.expiring") == ["subscription_schedule.expiring"]
    business.at(MAY)
    assert business.events("subscription_schedule.expiring") == ["subscription_schedule.expiring"]
    assert business.v1.subscription_schedules.retrieve(made.id).status == "released"


def test_one_whose_subscription_ends_unpaid_is_aborted(business: Business) -> None:
    business.stand_in.control("retries", {"days": [1], "after": "cancel"})
    try:
        given = {
            "customer": business.declining_customer().id,
            "start_date": "now",
            "phases": [phase(business.price(2000), end_date=JUNE)],
        }
        made = business.v1.subscription_schedules.create(given)
        business.at(APRIL + 3600)
        assert subscription_of(business, made).status == "past_due"
        business.at(APRIL + 3600 + DAY)
        assert business.v1.subscription_schedules.retrieve(made.id).status == "canceled"
        told = business.events("subscription_schedule.aborted", "subscription_schedule.canceled")
        assert told == ["subscription_schedule.aborted"]
    finally:
        business.stand_in.control("retries", {"days": [3, 5, 7], "after": "past_due"})


def test_one_that_has_not_started_is_changed_cancelled_and_released_without_a_subscription(
    business: Business,
) -> None:
    price = business.price(2000)
    schedules = business.v1.subscription_schedules
    made = schedule(business, phase(price, duration=MONTH), start_date=MAY)
    changed = schedules.update(made.id, {"phases": [phase(price, 3, start_date=JUNE, duration=MONTH)]})
    assert (changed.phases[0].start_date, changed.phases[0].items[0].quantity) == (JUNE, 3)
    assert schedules.cancel(made.id).status == "canceled"
    other = schedule(business, phase(price, duration=MONTH), start_date=MAY)
    released = schedules.release(other.id)
    assert (released.status, released.released_subscription) == ("released", None)
    third = schedule(business, phase(price, duration=MONTH), start_date=MAY)
    begun = schedules.update(third.id, {"phases": [phase(price, start_date="now", duration=MONTH)]})
    assert (begun.status, begun.current_phase.start_date) == ("active", APRIL)


def test_a_cancelled_one_bills_or_credits_only_as_asked(business: Business) -> None:
    made = schedule(business, phase(business.price(2000), end_date=JUNE))
    business.at(APRIL + 15 * DAY)
    business.v1.subscription_schedules.cancel(made.id, {"invoice_now": False, "prorate": False})
    assert business.balance(made.customer) == 0
    assert business.v1.subscription_schedules.retrieve(made.id).subscription is not None


def test_a_trial_is_a_phase_or_a_part_of_one(business: Business) -> None:
    price = business.price(2000)
    made = schedule(
        business, phase(price, end_date=APRIL + 10 * DAY, trial=True), phase(price, end_date=JUNE)
    )
    subscription = subscription_of(business, made)
    assert (subscription.status, subscription.trial_end) == ("trialing", APRIL + 10 * DAY)
    assert made.phases[0].trial_end == APRIL + 10 * DAY
    assert business.invoice(subscription.latest_invoice).total == 0
    business.at(APRIL + 10 * DAY + 3600)
    subscription = subscription_of(business, made)
    assert (subscription.status, business.invoice(subscription.latest_invoice).total) == ("active", 2000)
    part = schedule(
        business, phase(price, end_date=APRIL + 40 * DAY, trial_end=APRIL + 20 * DAY), start_date="now"
    )
    assert subscription_of(business, part).trial_end == APRIL + 20 * DAY


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"phases": None}, "parameter_missing", "phases"),
        ({"customer": None}, "parameter_missing", "customer"),
        ({"end_behavior": "renew"}, None, "end_behavior"),
        ({"on_phase": {"on_behalf_of": "acct_1"}}, None, "phases[0][on_behalf_of]"),
        ({"on_phase": {"billing_thresholds": {"amount_gte": 1}}}, None, "phases[0][billing_thresholds]"),
        ({"on_phase": {"end_date": APRIL - 1}, "start_date": FEBRUARY}, None, "phases[0][end_date]"),
        ({"on_phase": {"trial": True, "trial_end": MAY}}, None, "phases[0]"),
        ({"on_phase": {"trial_end": JUNE + 1}}, None, "phases[0][trial_end]"),
        (
            {"on_phase": {"trial": True, "billing_cycle_anchor": "phase_start"}},
            None,
            "phases[0][billing_cycle_anchor]",
        ),
        ({"on_phase": {"currency": "eur"}}, None, "phases[0][currency]"),
        ({"on_phase": {"duration": MONTH}}, None, "phases[0]"),
        ({"copies": 11}, None, "phases"),
        ({"customer": "cus_nobody"}, "resource_missing", "customer"),
        (
            {"on_phase": {"collection_method": "send_invoice"}},
            None,
            "phases[0][invoice_settings][days_until_due]",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    business: Business, params: dict[str, Any], code: str | None, param: str
) -> None:
    one = phase(business.price(2000), end_date=JUNE) | params.pop("on_phase", {})
    copies = params.pop("copies", 1)
    given: dict[str, Any] = {"customer": business.customer().id, "start_date": "now", "phases": [one]}
    if copies > 1:
        given["phases"] = [phase(business.price(2000), duration=MONTH)] * copies
    given = {name: value for name, value in (given | params).items() if value is not None}
    error = refused(business.v1.subscription_schedules.create, given)
    assert (error.http_status, error.code, error.param) == (400, code, param)

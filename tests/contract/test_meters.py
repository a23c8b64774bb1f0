"""Metered prices: meters, events of usage, and what is charged for them.

https://docs.stripe.com/billing/subscriptions/usage-based
"""

from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox.stripe.server.inprocess import StandIn

from .billing import APRIL, DAY, MAY, Business, amounts, is_proration, items_of, shape
from .conftest import client_of

APR_16 = APRIL + 15 * DAY
HOUR = 3600
TIERS = [
    {"up_to": 5, "unit_amount": 700},
    {"up_to": 10, "unit_amount": 650},
    {"up_to": "inf", "unit_amount": 600},
]


class Metered:
    """A business that sells calls of its API."""

    def __init__(self, business: Business, formula: str = "sum") -> None:
        self.business, self.v1 = business, business.v1
        self.meter = self.v1.billing.meters.create(
            {
                "display_name": "Calls",
                "event_name": "calls",
                "default_aggregation": {"formula": formula},
            }
        )

    def price(self, **more: Any) -> str:
        product = self.v1.products.create({"name": "API", "unit_label": "calls"}).id
        recurring = {"interval": "month", "usage_type": "metered", "meter": self.meter.id}
        given = {"product": product, "currency": "usd", "recurring": recurring, **more}
        return str(self.v1.prices.create(given).id)

    def use(self, subscription: Any, value: int, **more: Any) -> Any:
        payload = {"stripe_customer_id": subscription.customer, "value": str(value)}
        return self.v1.billing.meter_events.create({"event_name": "calls", "payload": payload, **more})

    def latest(self, subscription: Any) -> Any:
        return self.business.invoice(self.business.subscription(subscription.id).latest_invoice)


@pytest.fixture
def metered(business: Business) -> Metered:
    return Metered(business)


def refused(call: Any, *args: Any, **kwargs: Any) -> str | None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args, **kwargs)
    return caught.value.param


# -- meters and events -------------------------------------------------------------------------------------


def test_a_meter_is_made_renamed_listed_and_switched_off(metered: Metered) -> None:
    meters, id = metered.v1.billing.meters, metered.meter.id
    assert metered.meter.customer_mapping.event_payload_key == "stripe_customer_id"
    assert meters.update(id, {"display_name": "Requests"}).display_name == "Requests"
    off = meters.deactivate(id)
    assert (off.status, off.status_transitions.deactivated_at) == ("inactive", APRIL)
    assert [meter.id for meter in meters.list({"status": "inactive"})] == [id]
    assert refused(metered.price, unit_amount=5) == "recurring[meter]"
    assert meters.reactivate(id).status == "active"
    assert meters.retrieve(id).display_name == "Requests"
    assert metered.business.events("billing.meter.created", "billing.meter.deactivated") == [
        "billing.meter.created",
        "billing.meter.deactivated",
    ]


def test_what_is_wrong_with_an_event_is_refused_by_name(metered: Metered) -> None:
    subscription = metered.business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
    events = metered.v1.billing.meter_events
    payload = {"stripe_customer_id": subscription.customer, "value": "1"}
    assert refused(events.create, {"event_name": "none", "payload": payload}) == "event_name"
    for key, value in (("stripe_customer_id", "cus_none"), ("value", "1.5"), ("value", "many")):
        param = refused(events.create, {"event_name": "calls", "payload": {**payload, key: value}})
        assert param in ("payload", f"payload[{key}]")
    assert refused(events.create, {"event_name": "calls", "payload": {"value": "1"}}) == (
        "payload[stripe_customer_id]"
    )
    for at in (APRIL - 35 * DAY - 1, APRIL + 301):
        assert refused(metered.use, subscription, 1, timestamp=at) == "timestamp"
    metered.use(subscription, 1, identifier="once")
    assert refused(metered.use, subscription, 1, identifier="once") == "identifier"
    metered.v1.billing.meters.deactivate(metered.meter.id)
    assert refused(metered.use, subscription, 1) == "event_name"


@pytest.mark.parametrize(("formula", "total"), [("sum", 12.0), ("count", 3.0), ("last", 2.0)])
def test_events_add_up_as_the_meter_says(business: Business, formula: str, total: float) -> None:
    metered = Metered(business, formula)
    subscription = business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
    for hour, value in enumerate((7, 3, 2)):
        metered.use(subscription, value, timestamp=APRIL - 3 * HOUR + hour * HOUR)
    span = {"customer": subscription.customer, "start_time": APRIL - 3 * HOUR, "end_time": APRIL}
    listed = metered.v1.billing.meters.event_summaries.list
    assert [one.aggregated_value for one in listed(metered.meter.id, span)] == [total]
    hourly = listed(metered.meter.id, {**span, "value_grouping_window": "hour"})
    each = [1.0, 1.0, 1.0] if formula == "count" else [2.0, 3.0, 7.0]
    assert [one.aggregated_value for one in hourly] == each
    assert refused(listed, metered.meter.id, {**span, "end_time": APRIL + 1}) == "end_time"


def test_an_event_can_be_taken_back_for_a_day(metered: Metered) -> None:
    subscription = metered.business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
    for name, value in (("wrong", 100), ("right", 10), ("late", 1)):
        metered.use(subscription, value, identifier=name)
    adjust = metered.v1.billing.meter_event_adjustments.create
    wrong = {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "wrong"}}
    assert adjust(wrong).status == "complete"
    metered.business.at(APRIL + DAY + 1)
    late = {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "late"}}
    assert refused(adjust, late) == "cancel[identifier]"
    metered.business.at(MAY + HOUR)
    assert amounts(metered.latest(subscription)) == [55]


# -- prices and items ----------------------------------------------------------------------------------------


def test_a_metered_price_has_a_meter_and_its_item_no_quantity(metered: Metered) -> None:
    id = metered.price(unit_amount_decimal="0.05")
    price = metered.v1.prices.retrieve(id)
    assert (price.recurring.usage_type, price.recurring.meter) == ("metered", metered.meter.id)
    assert refused(metered.price, unit_amount=5, recurring={"interval": "month", "usage_type": "metered"})
    subscription = metered.business.subscribe(items=[{"price": id}])
    assert "quantity" not in items_of(subscription)[0].to_dict()
    assert refused(metered.business.subscribe, items=[{"price": id, "quantity": 2}]) == "items[0][quantity]"
    licensed = metered.business.change(subscription, metered.business.price(1000))
    assert items_of(licensed)[0].quantity == 1
    items = [{"id": items_of(licensed)[0].id, "price": id}]
    again = metered.v1.subscriptions.update(subscription.id, {"items": items})
    assert "quantity" not in items_of(again)[0].to_dict()


@pytest.mark.parametrize(("mode", "lines"), [("flexible", [1000]), ("classic", [1000, 0])])
def test_it_is_charged_for_afterwards(metered: Metered, mode: str, lines: list[int]) -> None:
    business, price = metered.business, metered.price(unit_amount=5)
    subscription = business.subscribe(
        items=[{"price": business.price(1000)}, {"price": price}], billing_mode={"type": mode}
    )
    assert amounts(metered.latest(subscription)) == lines
    for value in (100, 150):
        metered.use(subscription, value)
    business.at(APR_16)
    preview = business.preview(subscription)
    business.at(MAY + HOUR)
    renewal = metered.latest(subscription)
    assert [shape(line) for line in preview.lines.data] == [shape(line) for line in renewal.lines.data]
    assert amounts(renewal) == [1000, 1250]
    used = renewal.lines.data[1]
    assert (used.period.start, used.period.end, used.quantity) == (APRIL, MAY, 250)
    assert used.description == "250 calls × API (at $0.05 / month)"
    assert (renewal.status, is_proration(used), used.discountable) == ("paid", False, True)
    metered.use(subscription, 7)
    business.at(1780272000 + HOUR)
    assert amounts(metered.latest(subscription)) == [1000, 35]


def test_only_metered_items_bill_nothing_at_first(metered: Metered) -> None:
    subscription = metered.business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
    assert (subscription.status, subscription.latest_invoice) == ("active", None)
    metered.business.at(MAY + HOUR)
    assert amounts(metered.latest(subscription)) == [0]


@pytest.mark.parametrize(
    ("mode", "costs"), [("graduated", [3500, 4150, 12750, 15750]), ("volume", [3500, 3900, 12000, 15000])]
)
def test_usage_is_priced_by_tiers(metered: Metered, mode: str, costs: list[int]) -> None:
    price = metered.price(billing_scheme="tiered", tiers_mode=mode, tiers=TIERS)
    each = []
    for quantity in (5, 6, 20, 25):
        subscription = metered.business.subscribe(items=[{"price": price}])
        metered.use(subscription, quantity)
        each.append(subscription)
    assert [metered.business.preview(one).total for one in each] == costs
    metered.business.at(MAY + HOUR)
    assert [metered.latest(one).total for one in each] == costs


@pytest.mark.parametrize(
    ("given", "used", "total"),
    [
        ({"unit_amount_decimal": "0.05"}, 1234, 62),
        ({"unit_amount": 1000, "transform_quantity": {"divide_by": 100, "round": "up"}}, 250, 3000),
        ({"unit_amount": 1000, "transform_quantity": {"divide_by": 100, "round": "down"}}, 250, 2000),
    ],
)
def test_usage_is_rounded_once(metered: Metered, given: dict[str, Any], used: int, total: int) -> None:
    subscription = metered.business.subscribe(items=[{"price": metered.price(**given)}])
    metered.use(subscription, used - 4)
    metered.use(subscription, 4)
    metered.business.at(MAY + HOUR)
    assert metered.latest(subscription).total == total


# -- changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "lines"), [("flexible", [500, 400]), ("classic", [400])])
def test_usage_is_priced_as_when_it_was_reported(metered: Metered, mode: str, lines: list[int]) -> None:
    business = metered.business
    old, new = metered.price(unit_amount=5), metered.price(unit_amount=10)
    subscription = business.subscribe(items=[{"price": old}], billing_mode={"type": mode})
    metered.use(subscription, 100)
    business.at(APR_16)
    items = [{"id": items_of(subscription)[0].id, "price": new}]
    preview = business.preview(subscription, items=items)
    changed = business.v1.subscriptions.update(subscription.id, {"items": items})
    assert changed.latest_invoice == subscription.latest_invoice
    metered.use(subscription, 40)
    assert amounts(preview) == [*lines[:-1], 0]
    assert amounts(business.preview(changed)) == lines
    business.at(MAY + HOUR)
    renewal = metered.latest(subscription)
    assert amounts(renewal) == lines
    assert (renewal.lines.data[-1].period.start, renewal.lines.data[-1].period.end) == (APR_16, MAY)


@pytest.mark.parametrize(
    ("behavior", "now", "later"),
    [
        ("create_prorations", None, [500, 1000]),
        ("always_invoice", [500], [1000]),
        ("none", None, [1000]),
    ],
)
def test_the_usage_of_a_removed_item_is_billed_as_asked(
    metered: Metered, behavior: str, now: list[int] | None, later: list[int]
) -> None:
    business = metered.business
    items = [{"price": business.price(1000)}, {"price": metered.price(unit_amount=5)}]
    subscription = business.subscribe(items=items)
    metered.use(subscription, 100)
    business.at(APR_16)
    change = {
        "items": [{"id": items_of(subscription)[1].id, "deleted": True}],
        "proration_behavior": behavior,
    }
    preview = business.preview(subscription, **change)
    changed = business.v1.subscriptions.update(subscription.id, change)
    if now:
        assert amounts(preview) == amounts(business.invoice(changed.latest_invoice)) == now
    else:
        assert changed.latest_invoice == subscription.latest_invoice
        assert amounts(preview) == later
    business.at(MAY + HOUR)
    assert amounts(metered.latest(subscription)) == later


def test_an_anchor_reset_bills_what_was_used(metered: Metered) -> None:
    business = metered.business
    items = [{"price": business.price(1000)}, {"price": metered.price(unit_amount=5)}]
    subscription = business.subscribe(items=items)
    metered.use(subscription, 100)
    business.at(APR_16)
    change = {"billing_cycle_anchor": {"type": "now"}, "proration_behavior": "always_invoice"}
    preview = business.preview(subscription, **change)
    changed = business.v1.subscriptions.update(subscription.id, change)
    assert amounts(preview) == amounts(business.invoice(changed.latest_invoice)) == [-500, 500, 1000]
    business.at(items_of(changed)[0].current_period_end + HOUR)
    assert amounts(metered.latest(subscription)) == [1000, 0]


@pytest.mark.parametrize(("invoice_now", "lines"), [(True, [500]), (False, None)])
def test_a_cancellation_bills_what_was_used_when_asked(
    metered: Metered, invoice_now: bool, lines: list[int] | None
) -> None:
    subscription = metered.business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
    metered.use(subscription, 100)
    metered.business.at(APR_16)
    ended = metered.v1.subscriptions.cancel(subscription.id, {"invoice_now": invoice_now})
    assert ended.status == "canceled"
    assert (amounts(metered.latest(subscription)) if ended.latest_invoice else None) == lines


def test_so_does_the_end_of_the_period(metered: Metered) -> None:
    subscription = metered.business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
    metered.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    metered.use(subscription, 100)
    metered.business.at(MAY)
    invoice = metered.latest(subscription)
    assert (metered.business.subscription(subscription.id).status, amounts(invoice)) == ("canceled", [500])


def test_nothing_is_charged_for_what_a_trial_used(metered: Metered) -> None:
    subscription = metered.business.subscribe(
        items=[{"price": metered.price(unit_amount=5)}], trial_period_days=10
    )
    metered.use(subscription, 100)
    metered.business.at(APRIL + 10 * DAY + HOUR)
    assert metered.business.subscription(subscription.id).status == "active"
    metered.use(subscription, 20)
    metered.business.at(items_of(metered.business.subscription(subscription.id))[0].current_period_end + HOUR)
    assert amounts(metered.latest(subscription)) == [100]


def test_a_schedule_carries_metered_items_on(metered: Metered) -> None:
    business, price = metered.business, metered.price(unit_amount=5)
    subscription = business.subscribe(items=[{"price": business.price(1000)}, {"price": price}])
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    metered.use(subscription, 100)
    assert schedule.phases[0]["items"][1].price == price
    business.at(MAY + HOUR)
    assert amounts(metered.latest(subscription)) == [1000, 500]


def test_usage_survives_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "stripe.jsonl"
    with StandIn(data=data) as before:
        business = Business(before, client_of(before.url))
        business.at(APRIL)
        metered = Metered(business)
        subscription = business.subscribe(items=[{"price": metered.price(unit_amount=5)}])
        metered.use(subscription, 100)
    with StandIn(data=data) as after:
        business = Business(after, client_of(after.url))
        after.advance(MAY + HOUR - after.now())
        renewed = business.subscription(subscription.id)
        assert amounts(business.invoice(renewed.latest_invoice)) == [500]

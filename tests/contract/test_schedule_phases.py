"""What the phases of a schedule give a subscription, and what they take away by not saying it."""

from typing import Any

import pytest

from .billing import APRIL, DAY, MAY, Business, amounts, items_of, shape
from .test_schedule_starts import MONTH, schedule, subscription_of
from .test_schedules import JUNE, phase, refused

MIDDLE = APRIL + 15 * DAY


def of(business: Business, subscription: Any) -> Any:
    return business.v1.subscription_schedules.create({"from_subscription": subscription.id})


def update(business: Business, made: Any, *phases: dict[str, Any], **more: Any) -> Any:
    return business.v1.subscription_schedules.update(made.id, {"phases": list(phases), **more})


def test_a_schedule_of_a_subscription_copies_its_terms_but_not_its_metadata(business: Business) -> None:
    rate = business.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False}).id
    coupon = business.v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    subscription = business.subscribe(
        2000,
        collection_method="send_invoice",
        days_until_due=14,
        default_tax_rates=[rate],
        discounts=[{"coupon": coupon}],
        metadata={"region": "apac"},
    )
    [copied] = of(business, subscription).phases
    assert (copied.collection_method, copied.invoice_settings.days_until_due) == ("send_invoice", 14)
    assert [one.id for one in copied.default_tax_rates] == [rate]
    assert [one.discount for one in copied.discounts] == [subscription.discounts[0]]
    assert (copied.metadata.to_dict(), copied.proration_behavior) == ({}, "create_prorations")


def test_what_phases_leave_out_is_gone(business: Business) -> None:
    """The subscription's coupon, tax rates and item's discount and metadata go; the settings' terms stay."""
    rate = business.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False}).id
    coupon = business.v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    subscription = business.subscribe(
        1000,
        collection_method="send_invoice",
        days_until_due=14,
        description="Seats",
        default_tax_rates=[rate],
        discounts=[{"coupon": coupon}],
    )
    assert business.preview(subscription).total == 1080
    price = items_of(subscription)[0].price.id
    made = of(business, subscription)
    update(business, made, phase(price, start_date=APRIL, end_date=MAY), phase(price, duration=MONTH))
    after = business.subscription(subscription.id)
    assert (after.discounts, after.default_tax_rates) == ([], [])
    assert (after.collection_method, after.days_until_due, after.description) == ("send_invoice", 14, "Seats")
    preview = business.v1.invoices.create_preview({"schedule": made.id})
    business.at(MAY)
    renewal = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (preview.total, renewal.total, amounts(renewal)) == (1000, 1000, [1000])


def test_phases_without_discounts_have_the_customers(business: Business) -> None:
    coupon = business.v1.coupons.create({"percent_off": 50, "duration": "forever"}).id
    subscription = business.subscribe(1000)
    business.stand_in.control("discounts", {"customer": subscription.customer, "coupon": coupon})
    price = items_of(subscription)[0].price.id
    made = of(business, subscription)
    current = phase(price, start_date=APRIL, end_date=MAY)
    update(business, made, current, phase(price, duration=MONTH))
    assert business.v1.invoices.create_preview({"schedule": made.id}).total == 500
    update(business, made, current, phase(price, duration=MONTH, discounts=""))
    assert business.v1.invoices.create_preview({"schedule": made.id}).total == 1000


def test_default_settings_fill_what_a_phase_leaves_out(business: Business) -> None:
    price = business.price(2000)
    settings = {
        "collection_method": "send_invoice",
        "invoice_settings": {"days_until_due": 30},
        "description": "By invoice",
    }
    made = schedule(
        business,
        phase(price, end_date=MAY),
        phase(price, end_date=JUNE, collection_method="charge_automatically", description="By card"),
        default_settings=settings,
    )
    subscription = subscription_of(business, made)
    assert (subscription.collection_method, subscription.days_until_due) == ("send_invoice", 30)
    assert subscription.description == "By invoice"
    business.at(MAY)
    subscription = subscription_of(business, made)
    assert (subscription.collection_method, subscription.days_until_due) == ("charge_automatically", None)
    assert subscription.description == "By card"


def test_metadata_of_a_phase_is_merged_and_an_empty_value_takes_a_key_away(business: Business) -> None:
    before = {"channel": "self-serve", "region": "apac", "upsell": "alpha"}
    subscription = business.subscribe(1000, metadata=before)
    price = items_of(subscription)[0].price.id
    given = {"channel": "sales", "churn": "high", "upsell": ""}
    made = of(business, subscription)
    update(
        business,
        made,
        phase(price, start_date=APRIL, end_date=MAY),
        phase(price, duration=MONTH, metadata=given),
    )
    assert business.subscription(subscription.id).metadata.to_dict() == before
    business.at(MAY)
    after = business.subscription(subscription.id)
    assert after.metadata.to_dict() == {"channel": "sales", "region": "apac", "churn": "high"}


def test_extra_items_are_billed_once_with_the_phases_next_invoice(business: Business) -> None:
    product = business.v1.products.create({"name": "Onboarding"}).id
    data = {"currency": "usd", "product": product, "unit_amount": 300}
    rate = business.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False}).id
    fee: dict[str, Any] = {"price_data": data, "quantity": 2, "tax_rates": [rate]}
    price = business.price(1000)
    made = schedule(
        business,
        phase(price, end_date=MAY),
        phase(price, end_date=JUNE, add_invoice_items=[fee]),
        phase(price, duration=MONTH),
    )
    assert made.phases[1].add_invoice_items[0].quantity == 2
    business.at(APRIL + 3600)
    preview = business.v1.invoices.create_preview({"schedule": made.id})
    business.at(MAY)
    renewal = business.invoice(subscription_of(business, made).latest_invoice)
    assert (amounts(renewal), renewal.total) == ([600, 1000], 1720)
    assert [shape(line) for line in renewal.lines.data] == [shape(line) for line in preview.lines.data]
    assert (renewal.lines.data[0].period.start, renewal.lines.data[0].period.end) == (MAY, JUNE)
    business.at(JUNE)
    assert amounts(business.invoice(subscription_of(business, made).latest_invoice)) == [1000]


def test_items_bring_prices_of_their_own_discounts_and_tax_rates(business: Business) -> None:
    product = business.v1.products.create({"name": "Gold"}).id
    coupon = business.v1.coupons.create({"percent_off": 50, "duration": "forever"}).id
    rate = business.v1.tax_rates.create({"display_name": "VAT", "percentage": 10, "inclusive": False}).id
    data = {"currency": "usd", "product": product, "recurring": MONTH, "unit_amount": 3000}
    item = {"price_data": data, "quantity": 2, "discounts": [{"coupon": coupon}], "tax_rates": [rate]}
    made = schedule(business, {"items": [item], "end_date": JUNE})
    subscription = subscription_of(business, made)
    first = business.invoice(subscription.latest_invoice)
    assert (amounts(first), first.subtotal, first.total) == ([6000], 3000, 3300)
    assert items_of(subscription)[0].price.active is False


def test_a_quantity_that_rises_in_the_current_phase_prorates_as_previewed(business: Business) -> None:
    subscription = business.subscribe(1000)
    price = items_of(subscription)[0].price.id
    made = of(business, subscription)
    business.at(MIDDLE)
    phases = [phase(price, 3, start_date=APRIL, end_date=MAY)]
    for behavior, now in (("create_prorations", False), ("always_invoice", True)):
        details = {"phases": phases, "proration_behavior": behavior}
        preview = business.v1.invoices.create_preview({"schedule": made.id, "schedule_details": details})
        assert amounts(preview) == ([-500, 1500] if now else [-500, 1500, 3000])
    assert business.subscription(subscription.id).latest_invoice == subscription.latest_invoice
    update(business, made, *phases, proration_behavior="always_invoice")
    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (amounts(invoice), invoice.total) == ([-500, 1500], 1000)
    assert [shape(line) for line in invoice.lines.data] == [shape(line) for line in preview.lines.data]


def test_a_new_schedule_is_previewed_by_its_details(business: Business) -> None:
    customer = business.customer().id
    phases = [phase(business.price(2000), 2, start_date="now", duration=MONTH)]
    preview = business.v1.invoices.create_preview(
        {"customer": customer, "schedule_details": {"phases": phases}}
    )
    assert (amounts(preview), preview.total, preview.parent) == ([4000], 4000, None)
    assert business.v1.subscription_schedules.list({"customer": customer}).data == []
    del phases[0]["start_date"]
    made = schedule(business, *phases, customer=customer)
    invoice = business.invoice(subscription_of(business, made).latest_invoice)
    assert [shape(line) for line in invoice.lines.data] == [shape(line) for line in preview.lines.data]
    assert invoice.total == preview.total
    error = refused(
        business.v1.invoices.create_preview,
        {"schedule": made.id, "subscription_details": {"cancel_now": True}},
    )
    assert (error.http_status, error.param) == (400, "subscription_details")


def test_a_phase_can_end_now_for_another_to_begin(business: Business) -> None:
    subscription = business.subscribe(1000)
    price = items_of(subscription)[0].price.id
    made = of(business, subscription)
    business.at(MIDDLE)
    after = update(
        business,
        made,
        phase(price, start_date=APRIL, end_date="now"),
        phase(business.price(2000, "Gold"), start_date="now", end_date=MAY),
        proration_behavior="always_invoice",
    )
    assert [(p.start_date, p.end_date) for p in after.phases] == [(APRIL, MIDDLE), (MIDDLE, MAY)]
    assert after.current_phase.start_date == MIDDLE
    assert amounts(business.invoice(business.subscription(subscription.id).latest_invoice)) == [-500, 1000]


def test_a_phase_of_the_past_stays_and_is_not_sent_again(business: Business) -> None:
    price = business.price(1000)
    made = schedule(business, phase(price, end_date=MAY), phase(price, 2, end_date=JUNE))
    business.at(MAY + 3600)
    past = phase(price, 5, start_date=APRIL, end_date=MAY)
    current = phase(price, 2, start_date=MAY, end_date=JUNE)
    error = refused(update, business, made, past, current)
    assert (error.http_status, error.param) == (400, "phases[0][end_date]")
    after = update(business, made, current, phase(price, 3, duration=MONTH))
    assert [(p.start_date, p.items[0].quantity) for p in after.phases] == [(APRIL, 1), (MAY, 2), (JUNE, 3)]


def test_the_subscriptions_own_change_splits_the_phase_and_the_next_overwrites_it(business: Business) -> None:
    price = business.price(1000)
    made = schedule(business, phase(price, end_date=MAY, metadata={"a": "b"}), phase(price, end_date=JUNE))
    business.at(MIDDLE)
    subscription = subscription_of(business, made)
    business.change(subscription, price, quantity=4, proration_behavior="none")
    split = business.v1.subscription_schedules.retrieve(made.id)
    assert [(p.start_date, p.end_date, p.items[0].quantity) for p in split.phases] == [
        (APRIL, MIDDLE, 1),
        (MIDDLE, MAY, 4),
        (MAY, JUNE, 1),
    ]
    assert (split.current_phase.start_date, split.phases[1].metadata.to_dict()) == (MIDDLE, {"a": "b"})
    business.at(MAY + 3600)
    assert items_of(subscription_of(business, made))[0].quantity == 1


def test_terms_changed_on_the_subscription_go_into_the_default_settings_and_metadata_does_not(
    business: Business,
) -> None:
    made = schedule(business, phase(business.price(1000), end_date=MAY))
    business.at(MIDDLE)
    changes = {"collection_method": "send_invoice", "days_until_due": 7, "metadata": {"a": "b"}}
    business.v1.subscriptions.update(subscription_of(business, made).id, changes)
    after = business.v1.subscription_schedules.retrieve(made.id)
    assert len(after.phases) == 1
    assert after.default_settings.collection_method == "send_invoice"
    assert after.default_settings.invoice_settings.days_until_due == 7
    assert (after.phases[0].metadata.to_dict(), after.metadata.to_dict()) == ({}, {})


@pytest.mark.parametrize(("keep", "left"), [(True, MAY), (False, None)])
def test_a_released_schedules_cancellation_goes_unless_it_is_preserved(
    business: Business, keep: bool, left: int | None
) -> None:
    made = schedule(business, phase(business.price(1000), end_date=MAY), end_behavior="cancel")
    assert subscription_of(business, made).cancel_at == MAY
    business.v1.subscription_schedules.release(made.id, {"preserve_cancel_date": keep})
    assert subscription_of(business, made).cancel_at == left


def test_a_trial_that_a_phase_begins_credits_what_is_unused(business: Business) -> None:
    price = business.price(1000)
    made = schedule(
        business, phase(price, end_date=MIDDLE), phase(price, end_date=MAY, trial=True), phase(price)
    )
    business.at(MIDDLE)
    subscription = subscription_of(business, made)
    assert (subscription.status, subscription.trial_end) == ("trialing", MAY)
    assert amounts(business.invoice(subscription.latest_invoice)) == [-500, 0]
    business.at(MAY + 3600)
    assert amounts(business.invoice(subscription_of(business, made).latest_invoice)) == [1000]


@pytest.mark.parametrize(("setting", "anchor"), [("kept", APRIL), ("reset", MAY)])
def test_another_interval_at_the_boundary_does_as_the_account_is_set(
    business: Business, setting: str, anchor: int
) -> None:
    business.stand_in.control("switches", {"phase_interval": setting})
    try:
        yearly = phase(business.price(10000, "Yearly", "year"))
        made = schedule(business, phase(business.price(1000), end_date=MAY), yearly)
        business.at(MAY + 3600)
        assert subscription_of(business, made).billing_cycle_anchor == anchor
    finally:
        business.stand_in.control("switches", {"phase_interval": "refused"})


@pytest.mark.parametrize("setting", ["release", "cancel", "refused"])
def test_a_cancelling_subscription_gets_a_schedule_as_the_account_is_set(
    business: Business, setting: str
) -> None:
    subscription = business.subscribe(1000)
    business.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    business.stand_in.control("switches", {"cancelling_scheduled": setting})
    try:
        if setting == "refused":
            error = refused(of, business, subscription)
            assert (error.http_status, error.param) == (400, "from_subscription")
        else:
            assert of(business, subscription).end_behavior == setting
            assert business.subscription(subscription.id).cancel_at == MAY
    finally:
        business.stand_in.control("switches", {"cancelling_scheduled": "release"})


def test_the_recurring_part_is_previewed_without_what_is_billed_once(business: Business) -> None:
    subscription = business.subscribe(1000)
    price = items_of(subscription)[0].price.id
    made = of(business, subscription)
    business.at(MIDDLE)
    details = {
        "phases": [phase(price, 3, start_date=APRIL, end_date=MAY)],
        "proration_behavior": "always_invoice",
    }
    preview = business.v1.invoices.create_preview(
        {"schedule": made.id, "schedule_details": details, "preview_mode": "recurring"}
    )
    assert amounts(preview) == [3000]


def test_a_coupon_that_is_gone_by_then_takes_nothing_off(business: Business) -> None:
    coupon = business.v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    off = phase(business.price(1000), end_date=JUNE, discounts=[{"coupon": coupon}])
    made = schedule(business, phase(business.price(1000), end_date=MAY), off)
    later = schedule(business, off, start_date=MAY)
    business.v1.coupons.delete(coupon)
    error = refused(update, business, made, off | {"start_date": APRIL})
    assert (error.http_status, error.code) == (400, "resource_missing")
    assert business.v1.invoices.create_preview({"schedule": made.id}).total == 1000
    business.at(MAY)
    assert business.invoice(subscription_of(business, made).latest_invoice).total == 1000
    assert subscription_of(business, later).status == "active"


def test_the_same_coupon_twice_is_refused(business: Business) -> None:
    coupon = business.v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    made = schedule(business, phase(business.price(1000), end_date=MAY))
    current = phase(business.price(1000), start_date=APRIL, end_date=MAY)
    assert (
        refused(update, business, made, current | {"discounts": [{"coupon": coupon}] * 2}).http_status == 400
    )


def test_a_coupon_of_another_currency_is_refused_before_its_phase_begins(business: Business) -> None:
    coupon = business.v1.coupons.create({"amount_off": 100, "currency": "eur", "duration": "once"}).id
    made = schedule(business, phase(business.price(1000), end_date=MAY))
    current = phase(business.price(1000), start_date=APRIL, end_date=MAY)
    later = phase(business.price(1000), end_date=JUNE, discounts=[{"coupon": coupon}])
    error = refused(update, business, made, current, later)
    assert (error.http_status, error.param) == (400, "phases[1][discounts][0][coupon]")


@pytest.mark.parametrize(
    ("of_whom", "param"),
    [
        ({"invoice_settings": {"issuer": {"type": "self"}}}, None),
        ({"automatic_tax": {"enabled": False, "liability": {"type": "self"}}}, None),
        (
            {"invoice_settings": {"issuer": {"type": "account", "account": "acct_1"}}},
            "phases[0][invoice_settings][issuer][type]",
        ),
        (
            {"automatic_tax": {"enabled": False, "liability": {"type": "account", "account": "acct_1"}}},
            "phases[0][automatic_tax][liability][type]",
        ),
    ],
)
def test_a_phase_may_say_of_its_invoices_only_that_they_are_the_accounts_own(
    business: Business, of_whom: dict[str, Any], param: str | None
) -> None:
    subscription = business.subscribe(1000)
    made = of(business, subscription)
    given = phase(items_of(subscription)[0].price.id, start_date=APRIL, end_date=MAY, **of_whom)
    if param is None:
        assert update(business, made, given).status == "active"
    else:
        assert refused(update, business, made, given).param == param

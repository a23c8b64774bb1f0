"""The switches: what sources leave open goes as each value says, and every switch is known here by name.

Those of schedules, unpaid subscriptions, intervals, disputes, taxes' rounding and authentication are tested
beside the rest of those.
"""

from typing import Any

import httpx
import pytest
import stripe

from sandbox.stripe.settings.switches import Switches

from .billing import APRIL, DAY, MAY, Business, amounts, items_of, shape
from .conftest import client_of

HALF = 15 * DAY
APR_16 = APRIL + HALF
HOUR = 3600
BERLIN = {"country": "DE"}
NOW = {"type": "now"}
KNOWN: dict[str, tuple[str | int, ...]] = {
    "tax_rounding": ("line", "invoice"),
    "tax_rates_per_line": (10, 5),
    "negative_items": ("taxed", "refused"),
    "unplaced_renewals": ("untaxed", "draft"),
    "amount_off_remainder": ("last", "largest"),
    "itemized_credits": ("negative", "positive"),
    "credit_discounts": ("debited", "modified"),
    "once_coupon": ("used", "kept"),
    "same_price_twice": ("refused", "accepted"),
    "preview_lines": ("all", "ten"),
    "shorter_interval": ("aligned", "now"),
    "anchor_reset": ("asked", "always"),
    "resume_payment": ("at_once", "later"),
    "unpaid_invoices": ("draft", "void"),
    "scheduled_invoice": ("draft", "open"),
    "action_required": ("failed", "waits"),
    "out_of_band": ("counted", "apart"),
    "started_phase": ("open", "closed"),
    "phase_interval": ("refused", "kept", "reset"),
    "cancelling_scheduled": ("release", "cancel", "refused"),
    "dispute_fee": ("kept", "returned"),
    "key_refusal": ("coded", "bare"),
    "approval_refusal": (403, 400),
    "lock_timeout": ("without_id", "with_id"),
}
"""Every switch, its values, and the first of them: what a new stand-in has."""


def switch(business: Business, **values: Any) -> None:
    business.stand_in.control("switches", values)


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def coupon(business: Business, duration: str = "forever", **off: Any) -> dict[str, str]:
    return {"coupon": business.v1.coupons.create({"duration": duration, **off}).id}


def latest(business: Business, subscription: Any) -> Any:
    return business.invoice(business.subscription(subscription.id).latest_invoice)


def waiting(business: Business, subscription: Any) -> list[int]:
    given = {"customer": subscription.customer, "pending": True}
    return sorted(item.amount for item in business.v1.invoice_items.list(given))


def with_bad_card(business: Business, subscription: Any, card: str = "pm_card_chargeCustomerFail") -> None:
    method = business.v1.payment_methods.attach(card, {"customer": subscription.customer})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})


def test_every_switch_is_known_here_by_its_name_and_values() -> None:
    assert {name: Switches.values(name) for name in Switches.model_fields} == KNOWN
    assert Switches().model_dump() == {name: values[0] for name, values in KNOWN.items()}
    assert all(field.description for field in Switches.model_fields.values())


def test_switches_are_set_by_name_and_a_reset_sets_them_back(business: Business) -> None:
    given = {"once_coupon": "kept", "tax_rates_per_line": 5}
    business.stand_in.control("switches", given)
    there = business.stand_in.control("switches", {"out_of_band": "apart"})
    assert there == {**Switches().model_dump(), **given, "out_of_band": "apart"}
    for wrong in ({"once_coupon": "maybe"}, {"twice": "kept"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            business.stand_in.control("switches", wrong)
    business.stand_in.reset()
    assert business.stand_in.control("switches", {}) == Switches().model_dump()


# -- the anchor --------------------------------------------------------------------------------------------


def test_an_anchor_reset_alone_is_billed_with_the_next_invoice(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    preview = business.preview(subscription, billing_cycle_anchor=NOW)

    changed = business.v1.subscriptions.update(subscription.id, {"billing_cycle_anchor": NOW})

    assert changed.latest_invoice == subscription.latest_invoice
    assert (changed.billing_cycle_anchor, items_of(changed)[0].current_period_start) == (APR_16, APR_16)
    assert waiting(business, changed) == [-500, 1000]
    end = items_of(changed)[0].current_period_end
    business.at(end + HOUR)
    renewal = latest(business, changed)
    assert amounts(renewal) == [-500, 1000, 1000]
    assert [shape(line) for line in preview.lines.data] == [shape(line) for line in renewal.lines.data]


def test_what_waits_of_an_anchor_reset_is_credited_like_any_debit(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.v1.subscriptions.update(subscription.id, {"billing_cycle_anchor": NOW})
    business.at(APR_16 + HALF)
    business.change(changed, business.price(3000, "Gold"), proration_behavior="always_invoice")
    assert amounts(latest(business, changed)) == [-500, 1000, -500, 1500]


def test_an_anchor_reset_alone_without_prorations_bills_nothing(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.v1.subscriptions.update(
        subscription.id, {"billing_cycle_anchor": NOW, "proration_behavior": "none"}
    )
    assert (changed.latest_invoice, waiting(business, changed)) == (subscription.latest_invoice, [])


@pytest.mark.parametrize(
    ("value", "mode", "more", "lines"),
    [
        ("asked", "flexible", {"proration_behavior": "always_invoice"}, [-500, 1000]),
        ("asked", "classic", {}, [-500, 1000]),
        ("always", "flexible", {}, [-500, 1000]),
        ("always", "flexible", {"proration_behavior": "none"}, [1000]),
    ],
)
def test_an_anchor_reset_alone_is_billed_at_once_where_that_is_asked_for_or_said(
    business: Business, value: str, mode: str, more: dict[str, str], lines: list[int]
) -> None:
    switch(business, anchor_reset=value)
    subscription = business.subscribe(1000, billing_mode={"type": mode})
    business.at(APR_16)
    preview = business.preview(subscription, billing_cycle_anchor=NOW, **more)
    changed = business.v1.subscriptions.update(subscription.id, {"billing_cycle_anchor": NOW, **more})
    assert amounts(preview) == amounts(latest(business, changed)) == lines


def test_an_anchor_reset_with_other_items_is_billed_at_once(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(subscription, business.price(3000, "Gold"), billing_cycle_anchor=NOW)
    assert amounts(latest(business, changed)) == [-500, 3000]


# -- taxes and discounts -----------------------------------------------------------------------------------


def test_how_many_tax_rates_a_line_may_have(business: Business) -> None:
    make = {"display_name": "VAT", "percentage": 1, "inclusive": False}
    rates = [business.v1.tax_rates.create(make).id for _ in range(11)]
    price = {"price": business.price(1000)}
    assert business.subscribe(items=[{**price, "tax_rates": rates[:10]}]).status == "active"
    assert "at most 10" in str(refused(business.subscribe, items=[{**price, "tax_rates": rates}]))
    switch(business, tax_rates_per_line=5)
    assert "at most 5" in str(refused(business.subscribe, items=[{**price, "tax_rates": rates[:6]}]))


@pytest.mark.parametrize("value", ["taxed", "refused"])
def test_an_item_below_zero_under_automatic_tax(business: Business, value: str) -> None:
    switch(business, negative_items=value)
    customer = business.customer(address=BERLIN).id
    draft = business.v1.invoices.create({"customer": customer, "automatic_tax": {"enabled": True}})
    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})
    given = {"customer": customer, "amount": -100, "currency": "usd"}
    for target in ({"invoice": draft.id}, {"subscription": subscription.id}):
        if value == "refused":
            error = refused(business.v1.invoice_items.create, {**given, **target})
            assert (error.http_status, error.param) == (400, "amount")
        else:
            business.v1.invoice_items.create({**given, **target})
    plain = business.v1.invoices.create({"customer": customer})
    business.v1.invoice_items.create({**given, "invoice": plain.id})
    assert business.invoice(draft.id).total == (0 if value == "refused" else -119)


def test_a_renewal_whose_place_is_unknown_may_stay_a_draft(business: Business) -> None:
    switch(business, unplaced_renewals="draft")
    customer = business.customer(address=BERLIN).id
    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})
    business.v1.customers.update(customer, {"address": ""})
    business.at(MAY + 2 * HOUR)
    renewal = latest(business, subscription)
    assert (renewal.status, renewal.auto_advance) == ("draft", False)
    assert renewal.last_finalization_error.code == "customer_tax_location_invalid"
    assert business.subscription(subscription.id).automatic_tax.enabled is True


@pytest.mark.parametrize(("value", "parts"), [("last", [33, 33, 34]), ("largest", [34, 33, 33])])
def test_what_rounding_leaves_of_an_amount_off(business: Business, value: str, parts: list[int]) -> None:
    switch(business, amount_off_remainder=value)
    off = coupon(business, amount_off=100, currency="usd")
    invoice = latest(business, business.subscribe(1000, 1000, 1000, discounts=[off]))
    assert [line.discount_amounts[0].amount for line in invoice.lines.data] == parts
    assert invoice.total == 2900


@pytest.mark.parametrize(("value", "shown"), [("negative", [-50, 100]), ("positive", [50, 100])])
def test_the_sign_of_an_itemized_credits_discounts(business: Business, value: str, shown: list[int]) -> None:
    switch(business, itemized_credits=value)
    mode = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
    off = coupon(business, percent_off=10)
    subscription = business.subscribe(1000, discounts=[off], billing_mode=mode)
    business.at(APR_16)
    business.change(subscription, business.price(2000), proration_behavior="always_invoice")
    invoice = latest(business, subscription)
    assert [line.discount_amounts[0].amount for line in invoice.lines.data] == shown
    assert (amounts(invoice), invoice.total) == ([-500, 1000], 450)


@pytest.mark.parametrize(("value", "credit"), [("debited", -450), ("modified", -500)])
def test_d7_the_credit_of_an_item_whose_discount_goes(business: Business, value: str, credit: int) -> None:
    switch(business, credit_discounts=value)
    subscription = business.subscribe(1000, discounts=[coupon(business, percent_off=10)])
    business.at(APR_16)
    price = business.price(1000)
    given: dict[str, Any] = {"quantity": 2, "proration_behavior": "always_invoice"}
    item = {"id": items_of(subscription)[0].id, "price": price, "quantity": 2}
    details = {"items": [item], "proration_behavior": "always_invoice"}
    preview = business.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": details, "discounts": ""}
    )
    business.change(subscription, price, discounts="", **given)
    assert amounts(preview) == amounts(latest(business, subscription)) == [credit, 1000]
    business.change(subscription, business.price(3000, "Gold"), proration_behavior="always_invoice")
    assert amounts(latest(business, subscription)) == [-1000, 1500]  # nothing of discounts in this call


@pytest.mark.parametrize(("value", "renewal"), [("used", 2000), ("kept", 1000)])
def test_whether_a_proration_uses_a_once_coupon_up(business: Business, value: str, renewal: int) -> None:
    switch(business, once_coupon=value)
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(
        subscription,
        business.price(2000),
        discounts=[coupon(business, "once", percent_off=50)],
        proration_behavior="always_invoice",
    )
    assert amounts(latest(business, changed)) == [-500, 500]
    business.at(MAY + HOUR)
    assert latest(business, changed).total == renewal


# -- subscriptions, previews and schedules -----------------------------------------------------------------


def test_one_price_twice(business: Business) -> None:
    twice = [{"price": business.price(1000)}, {"price": business.price(1000)}]
    assert "same plan" in str(refused(business.subscribe, items=twice))
    switch(business, same_price_twice="accepted")
    subscription = business.subscribe(items=twice)
    assert amounts(latest(business, subscription)) == [1000, 1000]
    more = {"items": [twice[0]], "proration_behavior": "none"}
    assert len(items_of(business.v1.subscriptions.update(subscription.id, more))) == 3


@pytest.mark.parametrize(("value", "embedded"), [("all", 13), ("ten", 10)])
def test_how_many_lines_a_preview_embeds(business: Business, value: str, embedded: int) -> None:
    switch(business, preview_lines=value)
    subscription = business.subscribe(1000)
    extra = [{"amount": 100, "currency": "usd"} for _ in range(12)]
    preview = business.v1.invoices.create_preview({"subscription": subscription.id, "invoice_items": extra})
    assert (len(preview.lines.data), preview.lines.has_more) == (embedded, embedded == 10)
    assert (preview.total, preview.lines.total_count) == (2200, 13)


@pytest.mark.parametrize(
    ("card", "after"), [("pm_card_visa", "active"), ("pm_card_chargeCustomerFail", "past_due")]
)
def test_a_resumption_may_be_charged_an_hour_later(business: Business, card: str, after: str) -> None:
    switch(business, resume_payment="later")
    subscription = business.subscribe(1000)
    with_bad_card(business, subscription, card)
    business.at(APR_16)
    business.v1.subscriptions.pause(subscription.id)
    resumed = business.v1.subscriptions.resume(subscription.id, {"proration_behavior": "none"})
    assert (resumed.status, latest(business, resumed).status) == ("paused", "open")
    business.at(APR_16 + HOUR)
    assert business.subscription(subscription.id).status == after
    assert "customer.subscription.resumed" in business.events()
    business.at(APR_16 + 2 * DAY)
    assert business.subscription(subscription.id).status == after


@pytest.mark.parametrize(("value", "amount_paid"), [("counted", 1000), ("apart", 0)])
def test_whether_what_is_paid_elsewhere_counts_as_paid(
    business: Business, value: str, amount_paid: int
) -> None:
    switch(business, out_of_band=value)
    subscription = business.subscribe(1000, collection_method="send_invoice", days_until_due=7)
    business.at(APRIL + HOUR)
    invoice = business.v1.invoices.pay(latest(business, subscription).id, {"paid_out_of_band": True})
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", amount_paid, 0)
    assert invoice.amount_paid_off_stripe == 1000


@pytest.mark.parametrize("value", ["open", "closed"])
def test_whether_the_items_of_a_phase_that_has_begun_may_change(business: Business, value: str) -> None:
    switch(business, started_phase=value)
    subscription = business.subscribe(1000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    current = schedule.phases[0]

    def phases(quantity: int) -> dict[str, Any]:
        items = [{"price": business.price(1000), "quantity": quantity}]
        span = {"start_date": current.start_date, "end_date": current.end_date}
        later = {"items": [{"price": business.price(1000), "quantity": 5}], "duration": {"interval": "month"}}
        return {"phases": [{"items": items, **span}, later], "proration_behavior": "none"}

    update = business.v1.subscription_schedules.update
    assert len(update(schedule.id, phases(1)).phases) == 2
    if value == "closed":
        assert refused(update, schedule.id, phases(3)).param == "phases[0][items]"
    else:
        update(schedule.id, phases(3))
        assert items_of(business.subscription(subscription.id))[0].quantity == 3


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "code"), [("coded", "more_permissions_required"), ("bare", None)])
def test_what_the_refusal_of_a_restricted_key_says(business: Business, value: str, code: str | None) -> None:
    switch(business, key_refusal=value)
    business.stand_in.control("keys", {"key": "rk_test_reads", "permissions": ["dispute_read"]})
    error = refused(client_of(business.stand_in.url, "rk_test_reads").v1.customers.list)
    business.stand_in.control("keys", {"key": "rk_test_reads", "permissions": None})
    assert error.error is not None
    assert (error.http_status, error.error.code) == (403, code)
    assert ("on account 'acct_" in str(error.user_message)) is (value == "coded")
    assert "rak_customer_read" in str(error.user_message)


@pytest.mark.parametrize("value", ["without_id", "with_id"])
def test_whether_a_lock_timeout_has_the_ids_of_requests(business: Business, value: str) -> None:
    switch(business, lock_timeout=value)
    business.stand_in.control("faults", {"fault": "lock_timeout"})
    customers = f"{business.stand_in.url}/v1/customers"
    answer = httpx.get(customers, headers={"Authorization": "Bearer sk_test_x"}, trust_env=False)
    assert (answer.status_code, answer.headers["stripe-should-retry"]) == (429, "true")
    named = {"request-id", "original-request"} & set(answer.headers)
    assert named == (set() if value == "without_id" else {"request-id", "original-request"})


@pytest.mark.parametrize("value", [403, 400])
def test_the_refusal_of_what_has_to_be_approved_in_stripe_first(business: Business, value: int) -> None:
    switch(business, approval_refusal=value)
    business.stand_in.control("faults", {"fault": "needs_approval", "method": "POST"})
    error = refused(business.v1.customers.create, {"name": "Later"})
    assert error.error is not None
    assert (error.http_status, error.error.code) == (value, "approval_required")
    assert str(error.error.approval_request["id"]) in str(error.user_message)
    assert business.v1.customers.create({"name": "Now"}).name == "Now"


# -- retries -----------------------------------------------------------------------------------------------


def test_a_hard_decline_is_tried_again_with_another_method_only(business: Business) -> None:
    business.stand_in.control("retries", {"days": [1, 2, 3], "after": "past_due"})
    subscription = business.subscribe(1000)
    with_bad_card(business, subscription, "pm_card_chargeCustomerFailLostCard")
    business.at(MAY + HOUR)

    def charges() -> int:
        return len(business.v1.charges.list({"customer": subscription.customer}).data)

    failed = latest(business, subscription)
    assert (failed.attempt_count, failed.next_payment_attempt, charges()) == (1, MAY + HOUR + DAY, 2)
    business.at(MAY + HOUR + DAY)
    passed = latest(business, subscription)
    assert (passed.attempt_count, passed.next_payment_attempt) == (2, MAY + HOUR + 3 * DAY)
    assert (passed.status, charges()) == ("open", 2)
    with_bad_card(business, subscription, "pm_card_visa")
    business.at(MAY + HOUR + 3 * DAY)
    assert (latest(business, subscription).status, charges()) == ("paid", 3)
    assert business.subscription(subscription.id).status == "active"


def test_hard_declines_come_to_the_same_end(business: Business) -> None:
    business.stand_in.control("retries", {"days": [1, 2], "after": "cancel"})
    subscription = business.subscribe(1000)
    with_bad_card(business, subscription, "pm_card_chargeCustomerFailLostCard")
    business.at(MAY + HOUR + 3 * DAY)
    assert latest(business, subscription).attempt_count == 3
    assert business.subscription(subscription.id).status == "canceled"
    assert business.events("invoice.payment_failed") == ["invoice.payment_failed"]

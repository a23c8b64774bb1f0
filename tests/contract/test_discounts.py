"""Coupons, promotion codes and discounts: how long they last, and what they take off of what.

D1 to D9 are the vectors of recorded answers, of Stripe's pages, and what follows from their rules.
"""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of

HALF = 15 * DAY
JUNE = MAY + 31 * DAY
SOON = 2 * 3600


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def percent(business: Business, off: float, duration: str = "forever", **more: Any) -> dict[str, str]:
    return {"coupon": business.v1.coupons.create({"percent_off": off, "duration": duration, **more}).id}


def amount(business: Business, off: int, duration: str = "forever", **more: Any) -> dict[str, str]:
    given = {"amount_off": off, "currency": "usd", "duration": duration, **more}
    return {"coupon": business.v1.coupons.create(given).id}


def latest(business: Business, subscription: Any) -> Any:
    return business.invoice(business.subscription(subscription.id).latest_invoice)


def offs(invoice: Any) -> list[list[int]]:
    """What discounts take off each line."""
    return [[one.amount for one in line.discount_amounts] for line in invoice.lines.data]


def renewed(business: Business, subscription: Any, at: int = MAY) -> Any:
    """The invoice of the renewal at that second."""
    business.at(at + SOON)
    return latest(business, subscription)


def test_a_percentage_of_the_subscription_comes_off_each_line_and_stands_beside_it(
    business: Business,
) -> None:  # D1
    subscription = business.subscribe(2500, discounts=[percent(business, 10)])

    invoice = latest(business, subscription)
    assert (amounts(invoice), offs(invoice)) == ([2500], [[250]])
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (2500, 2250, 2250)
    assert [(one.amount, one.discount) for one in invoice.total_discount_amounts] == [
        (250, subscription.discounts[0])
    ]
    assert renewed(business, subscription).total == 2250


def test_an_items_own_discount_is_inside_the_subtotal(business: Business) -> None:  # D2
    customer = business.customer().id
    invoice = business.v1.invoices.create({"customer": customer, "currency": "usd"})
    business.v1.invoice_items.create(
        {
            "customer": customer,
            "invoice": invoice.id,
            "amount": 1900,
            "currency": "usd",
            "discounts": [percent(business, 50)],
        }
    )

    after = business.invoice(invoice.id)
    assert (amounts(after), offs(after), after.subtotal, after.total) == ([1900], [[950]], 950, 950)
    assert len(after.lines.data[0].discounts) == 1
    assert after.discounts == []


def two_items(business: Business, mode: str = "flexible", **more: Any) -> Any:
    return business.subscribe(
        1000, 2000, discounts=[amount(business, 500)], billing_mode={"type": mode}, **more
    )


def test_an_amount_is_spread_over_the_lines_and_the_last_takes_the_rest(business: Business) -> None:  # D3
    invoice = latest(business, two_items(business))
    assert (dict(zip(amounts(invoice), offs(invoice), strict=True)), invoice.total) == (
        {1000: [166], 2000: [334]},
        2500,
    )


@pytest.mark.parametrize(("mode", "credit"), [("flexible", -417), ("classic", -250)])
def test_an_item_that_goes_gives_back_what_was_really_paid_for_it_or_in_classic_mode_what_it_costs_alone(
    business: Business, mode: str, credit: int
) -> None:  # D4
    subscription = two_items(business, mode)
    business.at(MAY - HALF)
    gone = next(item for item in items_of(subscription) if item.price.unit_amount == 1000)

    preview = business.preview(
        subscription, items=[{"id": gone.id, "deleted": True}], proration_behavior="always_invoice"
    )

    assert amounts(preview) == [credit]


def test_each_discount_takes_its_part_of_what_the_former_left(business: Business) -> None:  # D5
    first = business.subscribe(10000, discounts=[percent(business, 20), amount(business, 500)])
    second = business.subscribe(10000, discounts=[amount(business, 500), percent(business, 20)])
    assert (latest(business, first).total, latest(business, second).total) == (7500, 7600)


def test_prorations_are_of_the_price_after_the_discount(business: Business) -> None:  # D6
    subscription = business.subscribe(1000, discounts=[percent(business, 10)])
    business.at(MAY - HALF)
    price = business.price(2000)

    preview = business.preview(subscription, price, proration_behavior="always_invoice")
    business.change(subscription, price, proration_behavior="always_invoice")

    invoice = latest(business, subscription)
    assert amounts(preview) == amounts(invoice) == [-450, 900]
    assert offs(invoice) == [[0], [0]]
    assert [line.discountable for line in invoice.lines.data] == [False, False]
    assert all(line.discounts == subscription.discounts for line in invoice.lines.data)
    assert renewed(business, subscription).total == 1800


def test_a_subscription_may_have_its_prorations_itemized(business: Business) -> None:
    mode = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
    subscription = business.subscribe(1000, discounts=[percent(business, 10)], billing_mode=mode)
    business.at(MAY - HALF)

    business.change(subscription, business.price(2000), proration_behavior="always_invoice")

    invoice = latest(business, subscription)
    assert (amounts(invoice), offs(invoice)) == ([-500, 1000], [[-50], [100]])
    assert invoice.total == 450


@pytest.mark.parametrize(("mode", "lines"), [("classic", [-500, 1000]), ("flexible", [-450, 1000])])
def test_a_discount_that_goes_in_the_same_request_is_gone_for_the_new_price(
    business: Business, mode: str, lines: list[int]
) -> None:  # D7: quantity 1 → 2 of 1000 and the 10 % taken away
    subscription = business.subscribe(1000, discounts=[percent(business, 10)], billing_mode={"type": mode})
    business.at(MAY - HALF)

    business.change(
        subscription,
        business.price(1000),
        quantity=2,
        discounts="",
        proration_behavior="always_invoice",
    )

    assert amounts(latest(business, subscription)) == lines


def test_a_once_coupon_lowers_one_invoice(business: Business) -> None:  # D8
    subscription = business.subscribe(3490)
    first = latest(business, subscription)
    business.v1.subscriptions.update(subscription.id, {"discounts": [percent(business, 50, "once")]})
    assert latest(business, subscription).id == first.id

    assert renewed(business, subscription).total == 1745
    assert business.subscription(subscription.id).discounts == []
    assert "customer.discount.deleted" in business.events()
    assert renewed(business, subscription, JUNE).total == 3490


def test_a_repeating_coupon_lowers_the_invoices_of_its_months(business: Business) -> None:
    coupon = percent(business, 10, "repeating", duration_in_months=2)
    subscription = business.subscribe(1000, discounts=[coupon])
    assert latest(business, subscription).total == 900
    assert renewed(business, subscription).total == 900
    assert renewed(business, subscription, JUNE).total == 1000


def test_a_trial_does_not_use_up_a_once_coupon(business: Business) -> None:
    subscription = business.subscribe(
        1000, trial_end=APRIL + 10 * DAY, discounts=[percent(business, 50, "once")]
    )
    assert renewed(business, subscription, APRIL + 10 * DAY).total == 500


def test_a_coupon_may_be_for_some_products_only(business: Business) -> None:
    price = business.v1.prices.retrieve(business.price(1000))
    coupon = percent(business, 50, applies_to={"products": [price.product]})

    subscription = business.subscribe(1000, 2000, discounts=[coupon])

    invoice = latest(business, subscription)
    assert dict(zip(amounts(invoice), offs(invoice), strict=True)) == {1000: [500], 2000: []}
    shown = business.v1.coupons.retrieve(coupon["coupon"], {"expand": ["applies_to"]})
    assert shown.applies_to.products == [price.product]


def give(business: Business, customer: str, coupon: str | None) -> None:
    business.stand_in.control("discounts", {"customer": customer, "coupon": coupon})


def test_a_subscription_without_discounts_has_its_customers(business: Business) -> None:
    customer = business.customer().id
    give(business, customer, percent(business, 20)["coupon"])
    inheriting = business.subscribe(1000, customer=customer)
    own = business.subscribe(1000, customer=customer, discounts=[percent(business, 10)])

    assert (latest(business, inheriting).total, latest(business, own).total) == (800, 900)
    assert inheriting.discounts == []
    business.v1.subscriptions.update(own.id, {"discounts": ""})
    assert renewed(business, own).total == 800
    business.v1.customers.delete_discount(customer)
    assert renewed(business, own, JUNE).total == 1000


def test_updating_replaces_the_list_and_naming_the_coupon_again_redeems_it_again(
    business: Business,
) -> None:
    coupon = percent(business, 10)
    subscription = business.subscribe(1000, discounts=[coupon])
    kept = subscription.discounts[0]

    same = business.v1.subscriptions.update(subscription.id, {"discounts": [{"discount": kept}]})
    again = business.v1.subscriptions.update(subscription.id, {"discounts": [coupon]})
    untouched = business.v1.subscriptions.update(subscription.id, {"discounts": []})

    assert same.discounts == [kept]
    assert again.discounts != [kept]
    assert untouched.discounts == again.discounts
    assert business.v1.coupons.retrieve(coupon["coupon"]).times_redeemed == 2


def test_a_preview_redeems_nothing_and_shows_the_discounts_it_supposes(business: Business) -> None:
    subscription = business.subscribe(1000, discounts=[percent(business, 10)])
    coupon = percent(business, 50)

    def preview(**more: Any) -> Any:
        return business.v1.invoices.create_preview({"subscription": subscription.id, **more})

    supposed = preview(discounts=[coupon], expand=["discounts"])
    assert [(one.source.coupon, one.end) for one in supposed.discounts] == [(coupon["coupon"], None)]
    assert (preview().total, supposed.total, preview(discounts="").total) == (900, 500, 1000)
    assert business.v1.coupons.retrieve(coupon["coupon"]).times_redeemed == 0


def test_a_discount_is_expanded_with_its_coupon(business: Business) -> None:
    coupon = percent(business, 10)
    subscription = business.subscribe(1000, discounts=[coupon])

    shown = business.v1.subscriptions.retrieve(
        subscription.id, {"expand": ["discounts.source.coupon"]}
    ).discounts[0]

    assert (shown.source.coupon.id, shown.source.coupon.percent_off) == (coupon["coupon"], 10)
    assert (shown.subscription, shown.customer) == (subscription.id, subscription.customer)


def test_what_cannot_be_redeemed_is_refused_by_name(business: Business) -> None:
    subscription = business.subscribe(1000)
    used = percent(business, 10, max_redemptions=1)
    business.v1.subscriptions.update(subscription.id, {"discounts": [used]})
    euros = business.v1.coupons.create({"amount_off": 100, "currency": "eur", "duration": "forever"}).id
    gone = percent(business, 10)
    business.v1.coupons.delete(gone["coupon"])

    def refusal(*discounts: dict[str, str]) -> tuple[str | None, str | None]:
        error = refused(business.v1.subscriptions.update, subscription.id, {"discounts": list(discounts)})
        return error.code, error.param

    assert refusal(used) == ("coupon_expired", "discounts[0][coupon]")
    assert refusal({"coupon": euros}) == (None, "discounts[0][coupon]")
    assert refusal(gone) == ("resource_missing", "discounts[0][coupon]")
    assert refusal({"discount": "di_none"}) == ("resource_missing", "discounts[0][discount]")
    twice = percent(business, 10)
    assert refusal(twice, twice) == (None, "discounts")


def test_a_discount_outlives_its_deleted_coupon(business: Business) -> None:
    coupon = percent(business, 10)
    subscription = business.subscribe(1000, discounts=[coupon])
    code = business.v1.promotion_codes.create({"promotion": {"type": "coupon", **coupon}})

    business.v1.coupons.delete(coupon["coupon"])

    assert renewed(business, subscription).total == 900
    assert business.v1.promotion_codes.retrieve(code.id).active is False


def test_a_promotion_code_redeems_its_coupon_for_whom_it_is_meant(business: Business) -> None:
    coupon = percent(business, 25)
    mine, other = business.customer().id, business.customer().id
    code = business.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", **coupon}, "code": "SPRING", "customer": mine}
    )

    subscription = business.subscribe(
        1000, customer=mine, discounts=[{"promotion_code": code.id}], expand=["discounts"]
    )

    assert latest(business, subscription).total == 750
    assert subscription.discounts[0].promotion_code == code.id
    assert business.v1.promotion_codes.list({"code": "spring"}).data[0].times_redeemed == 1
    error = refused(business.subscribe, 1000, customer=other, discounts=[{"promotion_code": code.id}])
    assert error.param == "discounts[0][promotion_code]"


def phases(business: Business, subscription: Any, **of_both: Any) -> Any:
    """A schedule of the same item for this period and the next, with these terms in both."""
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    first = schedule.phases[0]
    item = {"price": items_of(subscription)[0].price.id, "quantity": 1}
    now = {"start_date": first.start_date, "end_date": first.end_date, "items": [item], **of_both}
    then = {"items": [item], "duration": {"interval": "month"}, **of_both}
    return business.v1.subscription_schedules.update(schedule.id, {"phases": [now, then]})


def test_phases_without_discounts_strip_those_of_the_subscription(business: Business) -> None:
    subscription = business.subscribe(1000, discounts=[percent(business, 10)])

    phases(business, subscription)

    assert business.v1.invoices.create_preview({"subscription": subscription.id}).total == 1000
    assert renewed(business, subscription).total == 1000


def test_phases_that_name_the_discount_keep_it(business: Business) -> None:
    subscription = business.subscribe(1000, discounts=[percent(business, 10)])

    schedule = phases(business, subscription, discounts=[{"discount": subscription.discounts[0]}])

    assert schedule.phases[1].discounts[0].discount == subscription.discounts[0]
    assert business.v1.invoices.create_preview({"subscription": subscription.id}).total == 900
    assert renewed(business, subscription).total == 900
    assert business.subscription(subscription.id).discounts == subscription.discounts


def test_a_phase_can_refuse_the_customers_discount_too(business: Business) -> None:
    customer = business.customer().id
    give(business, customer, percent(business, 20)["coupon"])
    inheriting = business.subscribe(1000, customer=customer)
    bare = business.subscribe(1000, customer=customer)

    phases(business, inheriting)
    phases(business, bare, discounts="")

    business.at(MAY + SOON)
    assert (latest(business, inheriting).total, latest(business, bare).total) == (800, 1000)


def test_a_coupon_of_a_later_phase_is_redeemed_when_the_phase_begins(business: Business) -> None:
    subscription = business.subscribe(1000)
    coupon = percent(business, 30)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    first = schedule.phases[0]
    item = {"price": items_of(subscription)[0].price.id, "quantity": 1}
    now = {"start_date": first.start_date, "end_date": first.end_date, "items": [item]}
    then = {"items": [item], "duration": {"interval": "month"}, "discounts": [coupon]}
    business.v1.subscription_schedules.update(schedule.id, {"phases": [now, then]})
    assert business.v1.coupons.retrieve(coupon["coupon"]).times_redeemed == 0
    assert business.v1.invoices.create_preview({"subscription": subscription.id}).total == 700

    assert renewed(business, subscription).total == 700
    assert business.v1.coupons.retrieve(coupon["coupon"]).times_redeemed == 1


def test_a_phase_can_not_name_a_coupon_that_is_gone(business: Business) -> None:
    subscription = business.subscribe(1000)
    coupon = percent(business, 10)
    business.v1.coupons.delete(coupon["coupon"])
    error = refused(phases, business, subscription, discounts=[coupon])
    assert (error.code, str(error.user_message)) == (
        "resource_missing",
        f"No such coupon: '{coupon['coupon']}'",
    )

"""Tax rates, automatic tax and tax ids, on invoices, prorations and previews.

T1 to T10 are the vectors of Stripe's own pages on tax rates, and what follows from them.
"""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, is_proration, items_of

HALF = 15 * DAY


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def rate(business: Business, percentage: float, *, inclusive: bool = False) -> str:
    return str(
        business.v1.tax_rates.create(
            {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
        ).id
    )


def bill(business: Business, *figures: int, **more: Any) -> Any:
    """A draft of these amounts."""
    customer = more.pop("customer", None) or business.customer().id
    invoice = business.v1.invoices.create({"customer": customer, "currency": "usd", **more})
    for figure in figures:
        business.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": figure, "currency": "usd"}
        )
    return business.invoice(invoice.id)


def taxes(invoice: Any) -> list[list[int]]:
    """The taxes of each line."""
    return [[tax.amount for tax in line.taxes] for line in invoice.lines.data]


@pytest.mark.parametrize(
    ("figures", "rates", "off", "of_lines", "total"),
    [
        ((500,), [(25, False)], None, [[125]], 625),
        ((500,), [(25, True)], None, [[100]], 500),
        ((100000, 5000), [(10, True)], None, [[9091], [455]], 105000),
        ((500, 1000), [(5, False)], 10, [[23], [45]], 1418),
        ((500, 1000), [(5, True)], 10, [[21], [43]], 1350),
        ((500, 1000), [(5, True), (7, False)], 10, [[21, 30], [43, 60]], 1440),
        ((43, 484), [(15, False)], None, [[6], [73]], 606),
    ],
    ids=["T1 exclusive", "T1 inclusive", "T2", "T3", "T4", "T5", "T8"],
)
def test_taxes_are_of_what_discounts_leave_and_a_half_is_rounded_away_from_zero(
    business: Business,
    figures: tuple[int, ...],
    rates: list[tuple[float, bool]],
    off: float | None,
    of_lines: list[list[int]],
    total: int,
) -> None:
    more: dict[str, Any] = {"default_tax_rates": [rate(business, p, inclusive=i) for p, i in rates]}
    if off:
        more["discounts"] = [{"coupon": business.v1.coupons.create({"percent_off": off}).id}]

    invoice = bill(business, *figures, **more)

    assert taxes(invoice) == of_lines
    assert invoice.total == total
    assert invoice.total_excluding_tax == total - sum(map(sum, of_lines))
    assert sum(tax.amount for tax in invoice.total_taxes) == sum(map(sum, of_lines))


def test_an_account_may_round_each_rate_once_for_the_whole_invoice(business: Business) -> None:
    business.stand_in.control("switches", {"tax_rounding": "invoice"})

    invoice = bill(business, 100000, 5000, default_tax_rates=[rate(business, 10, inclusive=True)])  # T2

    assert sum(tax.amount for tax in invoice.total_taxes) == 9545
    assert sum(map(sum, taxes(invoice))) == 9545


@pytest.mark.parametrize(("exempt", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
@pytest.mark.parametrize(("inclusive", "total"), [(True, 9091), (False, 10000)])
def test_an_exempt_customer_pays_no_tax_and_an_inclusive_one_is_backed_out(
    business: Business, exempt: str, reason: str, inclusive: bool, total: int
) -> None:  # T6
    customer = business.customer(tax_exempt=exempt).id

    invoice = bill(
        business, 10000, customer=customer, default_tax_rates=[rate(business, 10, inclusive=inclusive)]
    )

    assert (invoice.total, taxes(invoice)) == (total, [[0]])
    assert invoice.lines.data[0].taxes[0].taxability_reason == reason


def test_the_sums_say_what_they_hold(business: Business) -> None:  # T7
    coupon = business.v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    rates = [rate(business, 12, inclusive=True)]

    subscription = business.subscribe(500, discounts=[{"coupon": coupon}], default_tax_rates=rates)

    invoice = business.invoice(subscription.latest_invoice)
    assert (invoice.subtotal, invoice.subtotal_excluding_tax) == (500, 452)
    assert (invoice.total, invoice.total_excluding_tax, invoice.amount_paid) == (450, 402, 450)
    assert [tax.amount for tax in invoice.total_taxes] == [48]


def test_an_upgrade_carries_tax_on_the_credit_and_on_the_debit(business: Business) -> None:  # T9
    subscription = business.subscribe(1000, default_tax_rates=[rate(business, 20)])
    business.at(MAY - HALF)
    price = business.price(2000)

    preview = business.preview(subscription, price, proration_behavior="always_invoice")
    business.change(subscription, price, proration_behavior="always_invoice")

    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (amounts(invoice), taxes(invoice), invoice.total) == ([-500, 1000], [[-100], [200]], 600)
    assert (amounts(preview), taxes(preview), preview.total) == ([-500, 1000], [[-100], [200]], 600)
    assert invoice.amount_paid == 600


def test_a_downgrade_gives_the_tax_back_to_the_balance(business: Business) -> None:  # T10
    subscription = business.subscribe(10000, default_tax_rates=[rate(business, 20)])
    business.at(MAY - HALF)

    business.change(subscription, business.price(1000), proration_behavior="always_invoice")

    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (taxes(invoice), invoice.total) == ([[-1000], [100]], -5400)
    assert business.balance(subscription.customer) == -5400


@pytest.mark.parametrize(("mode", "taken_back"), [("flexible", -100), ("classic", -50)])
def test_a_credit_has_the_tax_that_was_debited_or_in_classic_mode_that_of_today(
    business: Business, mode: str, taken_back: int
) -> None:
    old, new = rate(business, 20), rate(business, 10)
    subscription = business.subscribe(1000, default_tax_rates=[old], billing_mode={"type": mode})
    business.v1.subscriptions.update(subscription.id, {"default_tax_rates": [new]})
    business.at(MAY - HALF)

    preview = business.preview(subscription, business.price(2000), proration_behavior="always_invoice")

    assert taxes(preview) == [[taken_back], [100]]


def test_an_items_own_rates_replace_those_of_the_subscription(business: Business) -> None:
    of_all, of_one = rate(business, 10), rate(business, 20)
    items = [
        {"price": business.price(1000)},
        {"price": business.price(500, "Extra"), "tax_rates": [of_one]},
    ]

    subscription = business.subscribe(items=items, default_tax_rates=[of_all])

    by_amount = {
        line.amount: [tax.amount for tax in line.taxes]
        for line in business.invoice(subscription.latest_invoice).lines.data
    }
    assert by_amount == {1000: [100], 500: [100]}


def test_a_renewal_takes_the_rates_as_they_are_then(business: Business) -> None:
    subscription = business.subscribe(1000, default_tax_rates=[rate(business, 20)])
    business.v1.subscriptions.update(subscription.id, {"default_tax_rates": ""})

    business.at(MAY + 2 * 3600)

    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (invoice.billing_reason, invoice.total, invoice.total_taxes) == ("subscription_cycle", 1000, [])


def test_an_invoice_made_by_hand_does_not_take_the_subscriptions_rates(business: Business) -> None:
    subscription = business.subscribe(1000, default_tax_rates=[rate(business, 20)])

    invoice = bill(business, 700, customer=subscription.customer, subscription=subscription.id)

    assert (invoice.total, taxes(invoice)) == (700, [[]])


def test_an_archived_rate_stays_where_it_is_and_goes_nowhere_new(business: Business) -> None:
    old = rate(business, 20)
    subscription = business.subscribe(1000, default_tax_rates=[old])
    business.v1.tax_rates.update(old, {"active": False})

    kept = business.v1.subscriptions.update(subscription.id, {"default_tax_rates": [old]})
    error = refused(business.subscribe, 1000, default_tax_rates=[old])

    assert [one.id for one in kept.default_tax_rates] == [old]
    assert (error.http_status, error.param) == (400, "default_tax_rates")


def test_a_percentage_has_four_decimals_at_most_and_an_unknown_rate_is_named(business: Business) -> None:
    wrong = {"display_name": "VAT", "percentage": 8.87512, "inclusive": False}
    assert refused(business.v1.tax_rates.create, wrong).param == "percentage"
    unknown = refused(business.subscribe, 1000, default_tax_rates=["txr_none"])
    assert str(unknown.user_message) == "No such tax rate: 'txr_none'"


BERLIN = {"country": "DE"}


def test_automatic_tax_is_that_of_the_customers_place_and_is_rounded_once(business: Business) -> None:
    customer = business.customer(address=BERLIN).id
    items = [{"price": business.price(amount, name)} for amount, name in ((43, "Silver"), (484, "Extra"))]

    subscription = business.subscribe(items=items, customer=customer, automatic_tax={"enabled": True})

    invoice = business.invoice(subscription.latest_invoice)
    assert invoice.automatic_tax.status == "complete"
    assert [tax.amount for tax in invoice.total_taxes] == [100]  # 527 × 19 % = 100.13; by lines 8 + 92
    assert sum(map(sum, taxes(invoice))) == 100
    assert invoice.total == 627
    made = business.v1.tax_rates.retrieve(invoice.total_taxes[0].tax_rate_details.tax_rate)
    assert (made.percentage, made.country, made.tax_type) == (19, "DE", "vat")


def test_where_the_account_is_not_registered_nothing_is_collected(business: Business) -> None:
    customer = business.customer(address={"country": "BR"}).id

    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})

    invoice = business.invoice(subscription.latest_invoice)
    assert (invoice.automatic_tax.status, invoice.total) == ("complete", 1000)
    assert [tax.taxability_reason for tax in invoice.total_taxes] == ["not_collecting"]


def test_a_business_elsewhere_owes_the_tax_itself(business: Business) -> None:
    customer = business.customer(address=BERLIN, tax_exempt="reverse").id

    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})

    invoice = business.invoice(subscription.latest_invoice)
    assert (invoice.total, invoice.customer_tax_exempt) == (1000, "reverse")
    assert [tax.taxability_reason for tax in invoice.total_taxes] == ["reverse_charge"]


def test_without_a_place_a_preview_says_so_and_a_request_that_bills_is_refused(business: Business) -> None:
    customer = business.customer(address={"country": "US"}).id
    details = {"items": [{"price": business.price(1000)}]}

    preview = business.v1.invoices.create_preview(
        {"customer": customer, "subscription_details": details, "automatic_tax": {"enabled": True}}
    )
    error = refused(business.subscribe, 1000, customer=customer, automatic_tax={"enabled": True})

    assert (preview.automatic_tax.status, preview.total) == ("requires_location_inputs", 1000)
    assert (error.http_status, error.code) == (400, "customer_tax_location_invalid")
    assert business.v1.subscriptions.list({"customer": customer}).data == []


def test_a_renewal_without_a_place_goes_on_without_tax_and_ends_automatic_tax(business: Business) -> None:
    customer = business.customer(address=BERLIN).id
    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})
    business.v1.customers.update(customer, {"address": ""})

    business.at(MAY + 2 * 3600)

    after = business.subscription(subscription.id)
    invoice = business.invoice(after.latest_invoice)
    assert (invoice.status, invoice.total, invoice.automatic_tax.enabled) == ("paid", 1000, False)
    assert invoice.automatic_tax.disabled_reason == "finalization_requires_location_inputs"
    assert (after.automatic_tax.enabled, after.automatic_tax.disabled_reason) == (
        False,
        "requires_location_inputs",
    )


def test_an_invoice_by_hand_without_a_place_stays_a_draft_and_says_why(business: Business) -> None:
    customer = business.customer().id
    invoice = bill(business, 1000, customer=customer, auto_advance=True, automatic_tax={"enabled": True})

    business.at(APRIL + 2 * 3600)

    left = business.invoice(invoice.id)
    assert (left.status, left.auto_advance) == ("draft", False)
    assert left.last_finalization_error.code == "customer_tax_location_invalid"
    assert "invoice.finalization_failed" in business.events()
    assert business.stand_in.violations() == []
    business.v1.customers.update(customer, {"address": BERLIN})
    final = business.v1.invoices.finalize_invoice(invoice.id)
    assert (final.status, final.total, final.customer_address.country) == ("open", 1190, "DE")


def test_a_draft_is_taxed_where_its_customer_is_when_it_becomes_final(business: Business) -> None:
    customer = business.customer(address=BERLIN).id
    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})
    business.at(MAY)
    business.v1.customers.update(customer, {"address": {"country": "AU"}})

    business.at(MAY + 2 * 3600)

    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (invoice.total, invoice.amount_paid, invoice.customer_address.country) == (1100, 1100, "AU")


def test_every_line_of_a_taxed_upgrade_has_its_tax(business: Business) -> None:
    customer = business.customer(address={"country": "AU"}).id
    subscription = business.subscribe(999, customer=customer, automatic_tax={"enabled": True})
    business.at(MAY - HALF)

    preview = business.preview(subscription, business.price(2999), proration_behavior="always_invoice")

    assert all(line.taxes for line in preview.lines.data)
    assert abs(preview.total - preview.subtotal * 1.1) <= 1


def test_rates_of_ones_own_and_automatic_tax_exclude_each_other(business: Business) -> None:
    customer = business.customer(address=BERLIN).id
    both = {"automatic_tax": {"enabled": True}, "default_tax_rates": [rate(business, 19)]}
    assert refused(business.subscribe, 1000, customer=customer, **both).param == "default_tax_rates"


def test_an_invoice_shows_the_customers_tax_ids(business: Business) -> None:
    customer = business.customer(tax_id_data=[{"type": "eu_vat", "value": "DE 123456789"}]).id
    other = business.v1.customers.tax_ids.create(customer, {"type": "us_ein", "value": "12-3456789"})

    invoice = bill(business, 100, customer=customer)

    assert [(one.type, one.value) for one in invoice.customer_tax_ids] == [
        ("eu_vat", "DE123456789"),
        ("us_ein", "12-3456789"),
    ]
    listed = business.v1.customers.tax_ids.list(customer).data
    assert {one.type: one.verification.status for one in listed} == {
        "eu_vat": "verified",
        "us_ein": "unavailable",
    }
    business.v1.customers.tax_ids.delete(customer, other.id)
    assert len(business.v1.customers.tax_ids.list(customer).data) == 1


def test_a_schedule_copies_the_taxes_of_its_subscription_and_a_phase_without_them_strips_them(
    business: Business,
) -> None:
    old = rate(business, 20)
    subscription = business.subscribe(1000, default_tax_rates=[old])
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    first = schedule.phases[0]
    assert [one.id for one in first.default_tax_rates] == [old]
    terms = {"price": items_of(subscription)[0].price.id, "quantity": 1}
    now = {"start_date": first.start_date, "end_date": first.end_date, "items": [terms]}
    then = {"items": [terms], "duration": {"interval": "month"}}

    business.v1.subscription_schedules.update(
        schedule.id, {"phases": [{**now, "default_tax_rates": [old]}, then]}
    )
    preview = business.v1.invoices.create_preview({"subscription": subscription.id})
    business.at(MAY + 2 * 3600)

    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (preview.total, invoice.total, invoice.total_taxes) == (1000, 1000, [])


def test_prorations_that_wait_are_taxed_on_the_invoice_that_takes_them(business: Business) -> None:
    subscription = business.subscribe(1000, default_tax_rates=[rate(business, 20)])
    business.at(MAY - HALF)
    business.change(subscription, business.price(2000))

    business.at(MAY + 2 * 3600)

    invoice = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert [line.amount for line in invoice.lines.data if is_proration(line)] == [-500, 1000]
    assert (invoice.subtotal, invoice.total) == (2500, 3000)


def paid_with_tax(business: Business) -> Any:
    """An invoice of 1000 and 20 % tax, paid."""
    subscription = business.subscribe(1000, default_tax_rates=[rate(business, 20)])
    return business.invoice(subscription.latest_invoice)


def test_a_credit_notes_amount_holds_its_share_of_the_tax(business: Business) -> None:
    invoice = paid_with_tax(business)

    note = business.v1.credit_notes.create(
        {"invoice": invoice.id, "amount": 600, "refund_amount": 600, "email_type": "none"}
    )

    assert (note.subtotal, note.total, note.total_excluding_tax) == (500, 600, 500)
    assert [(tax.amount, tax.taxable_amount) for tax in note.total_taxes] == [(100, 500)]


def test_a_line_of_a_credit_note_is_given_before_tax(business: Business) -> None:
    customer = business.customer(address={"country": "AU"}).id
    subscription = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})
    invoice = business.invoice(subscription.latest_invoice)
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 500}
    given = {"invoice": invoice.id, "lines": [line]}

    note = business.v1.credit_notes.preview({**given, "credit_amount": 550})
    made = business.v1.credit_notes.create({**given, "credit_amount": 550})

    assert (note.subtotal, note.total) == (made.subtotal, made.total) == (500, 550)
    assert business.balance(customer) == -550
    custom = {"type": "custom_line_item", "description": "Sorry", "amount": 100}
    error = refused(
        business.v1.credit_notes.create, {"invoice": invoice.id, "lines": [custom], "credit_amount": 100}
    )
    assert error.param == "lines[0][type]"


def test_a_custom_line_has_the_rates_that_it_is_given_or_no_tax(business: Business) -> None:
    invoice = paid_with_tax(business)
    line = {"type": "custom_line_item", "description": "Sorry", "amount": 500}
    used = invoice.total_taxes[0].tax_rate_details.tax_rate

    bare = business.v1.credit_notes.preview({"invoice": invoice.id, "lines": [line], "refund_amount": 500})
    taxed = business.v1.credit_notes.preview(
        {"invoice": invoice.id, "lines": [{**line, "tax_rates": [used]}], "refund_amount": 600}
    )

    assert (bare.total, bare.total_taxes) == (500, [])
    assert (taxed.total, [tax.amount for tax in taxed.total_taxes]) == (600, [100])


def test_a_discounted_line_is_credited_after_its_discount(business: Business) -> None:
    coupon = business.v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    rates = [rate(business, 20)]
    subscription = business.subscribe(1000, discounts=[{"coupon": coupon}], default_tax_rates=rates)
    invoice = business.invoice(subscription.latest_invoice)
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 1000}

    note = business.v1.credit_notes.preview(
        {"invoice": invoice.id, "lines": [line], "refund_amount": invoice.total}
    )

    assert (note.subtotal, note.discount_amount, note.total) == (1000, 100, invoice.total)
    assert invoice.total == 1080

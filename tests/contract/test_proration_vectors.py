"""The documented proration examples, number by number, through the SDK."""

from typing import Any

import pytest

from .billing import APRIL, DAY, MAY, Business, amounts, items_of, prorations, shape

MODES = ["classic", "flexible"]
APR_11, APR_16, APR_21 = APRIL + 10 * DAY, APRIL + 15 * DAY, APRIL + 20 * DAY
SEPTEMBER = (1596749288, 1599427688, 1598982148)


def started(business: Business, amount: int, mode: str, at: int = APRIL) -> Any:
    business.at(at)
    return business.subscribe(amount, billing_mode={"type": mode})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("old", "new", "at", "credit", "debit"),
    [
        pytest.param(1000, 2000, APR_16, -500, 1000, id="2"),
        pytest.param(10000, 1000, APR_16, -5000, 500, id="3"),
        pytest.param(2999, 4999, 1775889000, -1972, 3288, id="8"),
        pytest.param(9900, 1900, APR_16, -4950, 950, id="15"),
    ],
)
def test_a_change_within_april(
    business: Business, mode: str, old: int, new: int, at: int, credit: int, debit: int
) -> None:
    subscription = started(business, old, mode)
    assert (items_of(subscription)[0].current_period_start, items_of(subscription)[0].current_period_end) == (
        APRIL,
        MAY,
    )
    price = business.price(new, "Gold")
    previewed = business.preview(subscription, price, proration_behavior="always_invoice", proration_date=at)
    business.at(at + 30)
    changed = business.change(subscription, price, proration_behavior="always_invoice", proration_date=at)
    invoice = business.invoice(changed.latest_invoice)
    assert amounts(invoice) == [credit, debit]
    assert [shape(line) for line in previewed.lines.data] == [shape(line) for line in invoice.lines.data]
    assert (invoice.total, invoice.status, invoice.billing_reason) == (
        credit + debit,
        "paid",
        "subscription_update",
    )
    assert business.balance(subscription.customer) == min(0, credit + debit)
    assert {(line.period.start, line.period.end) for line in invoice.lines.data} == {(at, MAY)}


@pytest.mark.parametrize("mode", MODES)
def test_vector_1_rounds_to_the_nearest_cent_and_previews_the_renewal(business: Business, mode: str) -> None:
    start, end, at = SEPTEMBER
    subscription = started(business, 1000, mode, start)
    assert items_of(subscription)[0].current_period_end == end
    price = business.price(3252, "Gold")
    preview = business.preview(subscription, price, proration_date=at)
    assert amounts(preview) == [-166, 541, 3252]
    assert prorations(preview) == [-166, 541]
    assert preview.total == preview.amount_due == 3627
    assert [line.description for line in preview.lines.data] == [
        "Unused time on Silver after 01 Sep 2020",
        "Remaining time on Gold after 01 Sep 2020",
        "1 × Gold (at $32.52 / month)",
    ]
    assert preview.parent.subscription_details.subscription_proration_date == at
    assert (preview.status, preview.id[:12], preview.number) == ("draft", "upcoming_in_", None)


@pytest.mark.parametrize(("mode", "credit", "net"), [("classic", -667, -334), ("flexible", -333, 0)])
def test_vectors_4_and_5_credit_the_current_price_or_what_was_debited(
    business: Business, mode: str, credit: int, net: int
) -> None:
    subscription = started(business, 1000, mode)
    higher, lower = business.price(2000, "Gold"), business.price(1000)
    business.at(APR_11)
    changed = business.change(subscription, higher, proration_behavior="none")
    assert changed.latest_invoice == subscription.latest_invoice
    assert list(business.v1.invoice_items.list({"customer": subscription.customer})) == []
    business.at(APR_21)
    changed = business.change(changed, lower, proration_behavior="always_invoice")
    invoice = business.invoice(changed.latest_invoice)
    assert (amounts(invoice), invoice.total) == ([credit, 333], net)
    first = business.invoice(subscription.latest_invoice)
    credited = invoice.lines.data[0].parent.subscription_item_details.proration_details.credited_items
    assert (credited.invoice, credited.invoice_line_items) == (first.id, [first.lines.data[0].id])
    assert invoice.lines.data[1].parent.subscription_item_details.proration_details.credited_items is None
    assert business.balance(subscription.customer) == net


@pytest.mark.parametrize("mode", MODES)
def test_vector_10_counts_yen_whole(business: Business, mode: str) -> None:
    business.currency = "jpy"
    subscription = started(business, 1000, mode)
    changed = business.change(
        subscription,
        business.price(1980, "Gold"),
        proration_behavior="always_invoice",
        proration_date=1775822400,
    )
    invoice = business.invoice(changed.latest_invoice)
    assert (amounts(invoice), invoice.total, invoice.currency) == ([-683, 1353], 670, "jpy")


@pytest.mark.parametrize("behavior", ["create_prorations", "always_invoice"])
@pytest.mark.parametrize("mode", MODES)
def test_vector_11_a_yearly_price_starts_a_year_now(business: Business, mode: str, behavior: str) -> None:
    subscription = started(business, 1000, mode)
    price = business.price(10000, "Yearly", "year")
    business.at(1776297600)
    anchor = {"type": "now"}
    preview = business.preview(subscription, price, billing_cycle_anchor=anchor, proration_behavior=behavior)
    changed = business.change(subscription, price, billing_cycle_anchor=anchor, proration_behavior=behavior)
    invoice = business.invoice(changed.latest_invoice)
    assert (amounts(invoice), invoice.total) == ([-500, 10000], 9500)
    assert [shape(line) for line in preview.lines.data] == [shape(line) for line in invoice.lines.data]
    assert prorations(invoice) == [-500]
    item = items_of(changed)[0]
    assert (item.current_period_start, item.current_period_end) == (1776297600, 1807833600)
    assert changed.billing_cycle_anchor == 1776297600


@pytest.mark.parametrize("mode", MODES)
def test_vector_13_up_and_down_again(business: Business, mode: str) -> None:
    subscription = started(business, 1200, mode)
    business.at(APR_11)
    changed = business.change(subscription, business.price(3000, "Gold"), proration_behavior="always_invoice")
    up = business.invoice(changed.latest_invoice)
    business.at(APR_21)
    changed = business.change(changed, business.price(1200), proration_behavior="always_invoice")
    down = business.invoice(changed.latest_invoice)
    assert (amounts(up), up.total) == ([-800, 2000], 1200)
    assert (amounts(down), down.total) == ([-1000, 400], -600)
    credited = down.lines.data[0].parent.subscription_item_details.proration_details.credited_items
    assert (credited.invoice, credited.invoice_line_items) == (up.id, [up.lines.data[1].id])


@pytest.mark.parametrize("mode", MODES)
def test_vector_16_the_last_second_of_a_long_month_bills_nothing(business: Business, mode: str) -> None:
    march = APRIL - 31 * DAY
    subscription = started(business, 1000, mode, march)
    business.at(APRIL - 1)
    price = business.price(2000, "Gold")
    preview = business.preview(subscription, price, proration_behavior="always_invoice")
    changed = business.change(subscription, price, proration_behavior="always_invoice")
    assert amounts(preview) == []
    assert changed.latest_invoice == subscription.latest_invoice
    assert items_of(changed)[0].price.unit_amount == 2000
    assert list(business.v1.invoice_items.list({"customer": subscription.customer})) == []

"""What an invoice asks for, by Stripe's own rules of arithmetic: STRIPE-CONTRACT-2's vectors T and D."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.errors import PreviewDoesNotAddUp
from billing.plan_changes.proration import compare
from billing.plan_changes.stripe_lines import lines_from_invoice
from billing.stripe.invoice_amounts import InvoiceAmounts, InvoiceDiscount, InvoiceTax, compare_amounts
from billing.stripe.invoice_json import amounts_from_invoice, line_totals

from ..builders import line_item, some_amounts, stripe_invoice

GERMAN = {"id": "txr_de", "display_name": "VAT", "country": "DE", "state": None, "percentage": 19.0}
LAUNCH = {"id": "LAUNCH", "name": "Launch", "percent_off": 10.0, "amount_off": None, "currency": None}


def a_tax(amount: int, rate: str = "txr_de", *, inclusive: bool = False, **fields: Any) -> dict[str, Any]:
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "taxability_reason": "standard_rated",
        "tax_rate_details": {"tax_rate": rate},
    } | fields


def taken_off(amount: int, discount: str = "di_1", coupon: Any = LAUNCH) -> dict[str, Any]:
    return {"amount": amount, "discount": {"id": discount, "source": {"type": "coupon", "coupon": coupon}}}


def a_line(amount: int, off: tuple[tuple[str, int], ...] = (), **fields: Any) -> dict[str, Any]:
    off_lines = [{"amount": less, "discount": discount} for discount, less in off]
    return line_item(amount, proration=False, discount_amounts=off_lines, **fields)


def an_invoice(*lines: dict[str, Any], total: int, **fields: Any) -> dict[str, Any]:
    start = fields.get("starting_balance", 0)
    given = {"starting_balance": start, "amount_due": max(0, start + total), "default_tax_rates": [GERMAN]}
    return stripe_invoice(*lines, **given | {"total": total} | fields)


def read(*lines: dict[str, Any], total: int, **fields: Any) -> InvoiceAmounts:
    return amounts_from_invoice(an_invoice(*lines, total=total, **fields))


# --- Taxes ------------------------------------------------------------------------------------------------

EXCLUSIVE, INCLUSIVE = False, True


@pytest.mark.parametrize(
    ("lines", "off", "taxes", "total"),
    [
        ((500,), 0, ((125, EXCLUSIVE),), 625),
        ((500,), 0, ((100, INCLUSIVE),), 500),
        ((100_000, 5_000), 0, ((9546, INCLUSIVE),), 105_000),
        ((100_000, 5_000), 0, ((9545, INCLUSIVE),), 105_000),
        ((500, 1000), 150, ((68, EXCLUSIVE),), 1418),
        ((500, 1000), 150, ((64, INCLUSIVE),), 1350),
        ((500, 1000), 150, ((64, INCLUSIVE), (90, EXCLUSIVE)), 1440),
        ((10_000,), 0, ((0, EXCLUSIVE),), 10_000),
        ((500,), 50, ((48, INCLUSIVE),), 450),
        ((43, 484), 0, ((79, EXCLUSIVE),), 606),
        ((-500, 1000), 0, ((100, EXCLUSIVE),), 600),
        ((-5000, 500), 0, ((-900, EXCLUSIVE),), -5400),
    ],
    ids=["T1 excl", "T1 incl", "T2 line", "T2 invoice", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10"],
)
def test_taxes_are_read_by_rate_and_add_up(
    lines: tuple[int, ...], off: int, taxes: tuple[tuple[int, bool], ...], total: int
) -> None:
    given_taxes = [a_tax(tax, f"txr_{inclusive}", inclusive=inclusive) for tax, inclusive in taxes]
    discounts = [taken_off(off)] if off else []
    found = read(
        *(a_line(amount) for amount in lines),
        total=total,
        total_taxes=given_taxes,
        total_discount_amounts=discounts,
    )
    assert (found.gross, found.subtotal, found.total) == (sum(lines), sum(lines), total)
    assert [(tax.amount_minor, tax.inclusive) for tax in found.taxes] == list(taxes)
    assert [one.amount_minor for one in found.discounts] == ([off] if off else [])
    assert (found.amount_due, found.ending_balance) == (max(0, total), min(0, total))


def test_an_included_tax_that_is_not_owed_is_taken_off() -> None:
    """T6, inclusive: Stripe states no amount of it, but the total is less by it."""
    waived = a_tax(0, inclusive=True, taxability_reason="reverse_charge")
    found = read(a_line(10_000), total=9091, total_taxes=[waived])
    assert (found.waived_tax, found.total, found.amount_due) == (909, 9091, 9091)


@pytest.mark.parametrize(
    ("total", "rates"),
    [(8400, [GERMAN]), (0, [GERMAN]), (-1, []), (20_001, [])],
    ids=["more than the tax", "all of it", "below nothing", "nothing is known of the rate"],
)
def test_what_is_taken_off_is_no_more_than_the_tax_can_be(total: int, rates: list[dict[str, Any]]) -> None:
    waived = a_tax(0, "txr_de", inclusive=True, taxability_reason="reverse_charge")
    with pytest.raises(PreviewDoesNotAddUp):
        read(a_line(10_000), total=total, total_taxes=[waived], default_tax_rates=rates)


@pytest.mark.parametrize("total", [8403, 8404], ids=["each line is rounded", "the sum is"])
def test_all_of_an_included_tax_can_be_taken_off(total: int) -> None:
    waived = a_tax(0, inclusive=True, taxability_reason="customer_exempt")
    assert read(a_line(5_001), a_line(5_000), total=total, total_taxes=[waived]).waived_tax == 10_001 - total


def test_a_rate_has_its_percentage_place_and_kind() -> None:
    assert read(a_line(10_000), total=11_900, total_taxes=[a_tax(1900)]).taxes == (
        InvoiceTax(rate="txr_de", name="DE VAT", percentage="19", inclusive=False, amount_minor=1900),
    )


def test_a_rate_of_which_nothing_is_known_goes_by_its_id() -> None:
    [tax] = read(a_line(100), total=110, total_taxes=[a_tax(10, "txr_9")]).taxes
    assert (tax.name, tax.percentage) == ("txr_9", None)


def test_a_rate_that_was_read_apart_has_its_name_too() -> None:
    invoice = an_invoice(a_line(10_000), total=10_888, total_taxes=[a_tax(888, "txr_ny")])
    rate = {"id": "txr_ny", "display_name": "Sales Tax", "country": "US", "state": "NY", "percentage": 8.875}
    [tax] = amounts_from_invoice(invoice, {"txr_ny": rate}).taxes
    assert (tax.name, tax.percentage) == ("US-NY Sales Tax", "8.875")


# --- Discounts --------------------------------------------------------------------------------------------


def test_an_invoices_discount_is_taken_off_the_subtotal() -> None:
    """D1."""
    found = read(a_line(2500, (("di_1", 250),)), total=2250, total_discount_amounts=[taken_off(250)])
    assert (found.gross, found.subtotal, found.total) == (2500, 2500, 2250)
    name = "Launch (10% off)"
    assert found.discounts == (InvoiceDiscount(coupon="LAUNCH", name=name, on_items=False, amount_minor=250),)


def test_an_items_own_discount_is_within_the_subtotal() -> None:
    """D2."""
    line = a_line(1900, (("di_1", 950),), discounts=["di_1"])
    found = read(line, total=950, subtotal=950, total_discount_amounts=[taken_off(950)])
    assert (found.gross, found.subtotal, found.total) == (1900, 950, 950)
    assert [(one.on_items, one.amount_minor) for one in found.discounts] == [(True, 950)]


def test_an_amount_off_several_lines_is_one_discount() -> None:
    """D3."""
    fixed = {"id": "FIVE", "name": None, "percent_off": None, "amount_off": 500, "currency": "usd"}
    lines = a_line(1000, (("di_1", 166),)), a_line(2000, (("di_1", 334),))
    found = read(*lines, total=2500, total_discount_amounts=[taken_off(500, coupon=fixed)])
    assert [(one.name, one.amount_minor) for one in found.discounts] == [("FIVE (USD 5.00 off)", 500)]


@pytest.mark.parametrize(
    ("first", "second", "total"), [(2000, 500, 7500), (500, 1900, 7600)], ids=["percent", "amount"]
)
def test_two_discounts_stand_apart(first: int, second: int, total: int) -> None:
    """D5, either first."""
    other = {"id": "OTHER", "name": None, "percent_off": 20.0, "amount_off": None, "currency": None}
    off = [taken_off(first), taken_off(second, "di_2", other)]
    found = read(a_line(10_000, (("di_1", first), ("di_2", second))), total=total, total_discount_amounts=off)
    assert [one.amount_minor for one in found.discounts] == [first, second]


def test_a_discount_within_a_proration_is_none_of_the_invoice() -> None:
    """D6, `proration_discounts: included`: the lines are net already."""
    lines = (
        line_item(amount, proration=True, discountable=False, discounts=["di_1"], discount_amounts=within)
        for amount, within in ((-450, [{"amount": 0, "discount": "di_1"}]), (900, []))
    )
    found = read(*lines, total=450)
    assert (found.gross, found.discounts, found.subtotal, found.total) == (450, (), 450, 450)


def test_an_itemized_proration_has_its_discount_beside_it() -> None:
    lines = (
        line_item(amount, proration=True, discounts=["di_1"], discount_amounts=[taken_off(off)])
        for amount, off in ((-500, -50), (1000, 100))
    )
    found = read(*lines, total=450, subtotal=450, total_discount_amounts=[taken_off(50)])
    assert (found.gross, found.subtotal, found.total) == (500, 450, 450)
    assert [(one.on_items, one.amount_minor) for one in found.discounts] == [(True, 50)]


def test_a_coupon_that_was_not_expanded_goes_by_its_id() -> None:
    found = read(a_line(100), total=90, total_discount_amounts=[taken_off(10, coupon="LAUNCH")])
    assert found.discounts[0].name == "LAUNCH"
    unknown = [{"amount": 10, "discount": "di_1"}]
    assert read(a_line(100), total=90, total_discount_amounts=unknown).discounts[0].name == "di_1"


def test_a_line_comes_to_what_is_left_of_it_with_the_taxes_on_top() -> None:
    line = a_line(1000, (("di_1", 100),), taxes=[a_tax(171), a_tax(50, inclusive=True)])
    assert line_totals(stripe_invoice(line, a_line(7))) == (1071, 7)


# --- The balance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "total", "due", "end"),
    [(0, 1000, 1000, 0), (-300, 1000, 700, 0), (-3000, 1000, 0, -2000), (300, 1000, 1300, 0), (0, 30, 0, 30)],
    ids=["none", "some credit", "more credit", "debt", "less than the smallest charge"],
)
def test_the_balance_stands_between_the_total_and_what_is_due(
    start: int, total: int, due: int, end: int
) -> None:
    found = read(a_line(total), total=total, starting_balance=start, amount_due=due, ending_balance=end)
    assert (found.starting_balance, found.amount_due, found.ending_balance) == (start, due, end)


def test_a_credit_note_on_an_open_invoice_takes_nothing_off_what_it_asked_for() -> None:
    """Stripe lowers `amount_due` by it."""
    found = read(
        a_line(2500),
        total=2500,
        amount_due=1700,
        starting_balance=-300,
        ending_balance=0,
        pre_payment_credit_notes_amount=500,
    )
    assert (found.amount_due, found.ending_balance) == (2200, 0)
    assert compare_amounts(read(a_line(2500), total=2500, starting_balance=-300), found) == ()


def test_a_credit_note_over_the_whole_invoice_leaves_it_readable() -> None:
    found = read(a_line(2500), total=2500, amount_due=0, pre_payment_credit_notes_amount=2500)
    assert (found.amount_due, found.ending_balance) == (2500, 0)


# --- What does not add up ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"total": 376}, "Invoice in_1 totals USD 3.76, but its lines come to USD 3.75"),
        ({"subtotal": 376}, "Invoice in_1 has a subtotal of USD 3.76, but its lines come to USD 3.75"),
        ({"amount_due": 374}, "Invoice in_1 asks for USD 3.74, but total and balance come to USD 3.75"),
        ({"ending_balance": 1}, "Invoice in_1 leaves a balance of USD 0.01, but what is due leaves USD 0.00"),
    ],
    ids=["total", "subtotal", "due", "balance"],
)
def test_sums_that_do_not_add_up_are_named(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(PreviewDoesNotAddUp) as wrong:
        read(a_line(-166), a_line(541), **{"total": 375} | fields)
    assert wrong.value.message == says


WHOLE = an_invoice(
    a_line(2000, (("di_2", 200), ("di_1", 180)), discounts=["di_2"]),
    a_line(1000, (("di_1", 100),)),
    subtotal=2800,
    total_discount_amounts=[taken_off(280), taken_off(200, "di_2", LAUNCH | {"id": "ITEM"})],
    total_taxes=[a_tax(480, "txr_in", inclusive=True), a_tax(479)],
    total=2999,
    starting_balance=-500,
    ending_balance=0,
    amount_due=2499,
)
"""Everything at once: items' and the invoice's discount, both kinds of tax, and a balance."""
PLACES: tuple[tuple[Any, ...], ...] = (
    ("lines", "data", 0, "amount"),
    ("lines", "data", 1, "amount"),
    ("subtotal",),
    ("total_discount_amounts", 0, "amount"),
    ("total_discount_amounts", 1, "amount"),
    ("total_taxes", 0, "amount"),
    ("total_taxes", 1, "amount"),
    ("total",),
    ("starting_balance",),
    ("ending_balance",),
    ("amount_due",),
)


@given(st.lists(st.sampled_from(PLACES), min_size=1, unique=True), st.sampled_from((-1, 1)))
def test_a_cent_anywhere_is_an_error_or_a_named_difference(places: list[tuple[Any, ...]], cent: int) -> None:
    other = deepcopy(WHOLE)
    for *path, last in places:
        holder: Any = other
        for name in path:
            holder = holder[name]
        holder[last] += cent
    try:
        found = amounts_from_invoice(other)
    except PreviewDoesNotAddUp:
        return
    amounts = compare_amounts(amounts_from_invoice(WHOLE), found)
    lines = compare(lines_from_invoice(WHOLE), lines_from_invoice(other))
    assert amounts or lines
    assert all(one.words for one in amounts)


def test_a_difference_names_the_amount_what_was_approved_and_what_is() -> None:
    approved = read(a_line(10_000), total=11_900, total_taxes=[a_tax(1900)])
    assert [one.words for one in compare_amounts(approved, some_amounts(10_000))] == [
        "Tax 19% (DE VAT): USD 19.00 approved, USD 0.00 in Stripe",
        "Total: USD 119.00 approved, USD 100.00 in Stripe",
        "Amount due: USD 119.00 approved, USD 100.00 in Stripe",
    ]


def test_what_was_not_approved_is_named_too() -> None:
    off = read(a_line(10_000), total=9000, total_discount_amounts=[taken_off(1000)])
    [discount, *_] = compare_amounts(some_amounts(10_000), off, "Next invoice, ")
    assert discount.words == (
        "Next invoice, Discount Launch (10% off): USD 0.00 approved, USD 10.00 in Stripe"
    )


def test_other_names_are_no_difference() -> None:
    named = read(a_line(10_000), total=11_900, total_taxes=[a_tax(1900)])
    unnamed = read(a_line(10_000), total=11_900, total_taxes=[a_tax(1900)], default_tax_rates=[])
    assert named != unnamed
    assert compare_amounts(named, unnamed) == ()


# --- In words ---------------------------------------------------------------------------------------------


def rows(amounts: InvoiceAmounts) -> list[tuple[str, int]]:
    return [(row.name, row.amount_minor) for row in amounts.rows()]


def test_an_invoice_of_lines_alone_has_nothing_between_them_and_what_is_due() -> None:
    assert rows(some_amounts(10_000)) == []
    assert rows(some_amounts(-10_000)) == []


def test_what_stands_between_is_in_an_invoices_order() -> None:
    assert rows(amounts_from_invoice(WHOLE)) == [
        ("Discount Launch (10% off)", -200),
        ("Subtotal", 2800),
        ("Discount Launch (10% off)", -280),
        ("Tax 19% (DE VAT)", 479),
        ("Total", 2999),
        ("Included tax (txr_in)", 480),
        ("Balance before", -500),
        ("Balance afterwards", 0),
    ]

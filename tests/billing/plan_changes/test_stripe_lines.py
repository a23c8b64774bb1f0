import pytest

from billing.core.errors import LinesLeftOut
from billing.plan_changes.proration import Line, Period, compare
from billing.plan_changes.stripe_lines import lines_from_invoice, lines_from_invoice_items

from ..builders import line_item, stripe_invoice


def an_invoice_item(amount: int, **fields):
    return {
        "id": "ii_1",
        "object": "invoiceitem",
        "amount": amount,
        "currency": "usd",
        "description": "Unused time on Silver after 01 Sep 2020",
        "period": {"start": 1598982148, "end": 1599427688},
        "proration": True,
        "quantity": 1,
        "pricing": {
            "type": "price_details",
            "price_details": {"price": "price_1", "product": "prod_1"},
            "unit_amount_decimal": "1000",
        },
        "parent": {
            "type": "subscription_details",
            "subscription_details": {"subscription": "sub_1", "subscription_item": "si_1"},
        },
    } | fields


def test_a_renewal_with_prorations_is_read_as_credit_debit_and_renewal():
    invoice = stripe_invoice(
        line_item(-166, proration=True),
        line_item(541, proration=True, description="Remaining time on Gold after 01 Sep 2020"),
        line_item(3252, proration=False, description="1 × Gold"),
    )
    lines = lines_from_invoice(invoice)
    assert [(line.kind, line.amount_minor) for line in lines] == [
        ("credit", -166),
        ("debit", 541),
        ("renewal", 3252),
    ]
    assert sum(line.amount_minor for line in lines) == 3627


def test_a_line_keeps_its_words_period_price_and_quantity():
    assert lines_from_invoice(stripe_invoice(line_item(-498, proration=True, quantity=3))) == (
        Line(
            kind="credit",
            description="Unused time on Silver after 01 Sep 2020",
            amount_minor=-498,
            period=Period(start=1598982148, end=1599427688),
            price="price_1",
            quantity=3,
        ),
    )


def test_a_proration_on_an_invoice_item_is_recognised():
    parent = {
        "type": "invoice_item_details",
        "invoice_item_details": {"invoice_item": "ii_1", "proration": True, "subscription": "sub_1"},
        "subscription_item_details": None,
    }
    invoice = stripe_invoice(line_item(-166, proration=False, parent=parent))
    assert lines_from_invoice(invoice)[0].kind == "credit"


def test_a_one_off_amount_has_no_price_and_counts_once():
    item = line_item(700, proration=False, pricing=None, parent=None, quantity=None, description=None)
    (line,) = lines_from_invoice(stripe_invoice(item))
    assert (line.kind, line.price, line.quantity, line.description) == ("renewal", "", 1, "")


def test_an_expanded_price_is_read_by_its_id():
    pricing = {"type": "price_details", "price_details": {"price": {"id": "price_9"}, "product": "prod_1"}}
    assert (
        lines_from_invoice(stripe_invoice(line_item(1, proration=True, pricing=pricing)))[0].price
        == "price_9"
    )


def test_a_proration_of_nothing_is_a_debit():
    assert lines_from_invoice(stripe_invoice(line_item(0, proration=True)))[0].kind == "debit"


def test_pending_invoice_items_are_the_lines_that_they_become():
    pending = lines_from_invoice_items([an_invoice_item(-166), an_invoice_item(541)])
    invoiced = lines_from_invoice(
        stripe_invoice(line_item(541, proration=True), line_item(-166, proration=True))
    )
    assert [line.kind for line in pending] == ["credit", "debit"]
    assert compare(pending, invoiced) == ()


def test_an_invoice_item_that_is_no_proration_is_not_read_as_one():
    assert lines_from_invoice_items([an_invoice_item(-166, proration=False)])[0].kind == "renewal"


def test_lines_that_were_not_given_are_an_error():
    invoice = stripe_invoice(line_item(541, proration=True))
    invoice["lines"]["has_more"] = True
    with pytest.raises(LinesLeftOut, match="more lines than the 1 given") as wrong:
        lines_from_invoice(invoice)
    assert wrong.value.code == "preview_too_long"


def test_an_invoice_without_lines_totals_nothing():
    assert lines_from_invoice(stripe_invoice()) == ()

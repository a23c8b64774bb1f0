from typing import Any

import pytest

from billing.plan_changes.items.usage import without_usage
from billing.plan_changes.stripe_lines import lines_from_invoice
from billing.stripe.invoice_json import amounts_from_invoice

from ...builders import line_item, stripe_invoice


def of_price(price: str, amount: int, off: int = 0, tax: int = 0) -> dict[str, Any]:
    return line_item(
        amount,
        proration=False,
        pricing={"price_details": {"price": price, "product": "prod_1"}},
        discounts=[],
        discount_amounts=[{"discount": "di_1", "amount": off}] if off else [],
        taxes=[taxed(tax)] if tax else [],
    )


def taxed(amount: int) -> dict[str, Any]:
    return {"amount": amount, "tax_behavior": "exclusive", "tax_rate_details": {"tax_rate": "txr_1"}}


def an_invoice(*used: dict[str, Any], balance: int = 0, plan: int = 10_000) -> dict[str, Any]:
    """Of a plan with a tenth off and 19% on top, and whatever was used."""
    lines = [of_price("plan", plan, plan // 10, plan * 9 * 19 // 1000), *used]
    off = sum(one["amount"] for line in lines for one in line["discount_amounts"])
    tax = sum(one["amount"] for line in lines for one in line["taxes"])
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal - off + tax
    return stripe_invoice(
        *lines,
        subtotal=subtotal,
        total=total,
        starting_balance=balance,
        amount_due=max(0, total + balance),
        ending_balance=min(0, total + balance),
        total_discount_amounts=[{"discount": "di_1", "amount": off}],
        total_taxes=[taxed(tax)],
    )


@pytest.mark.parametrize("balance", [0, -500, -20_000])
@pytest.mark.parametrize("used", [1, 333, 70_000])
def test_an_invoice_without_usage_is_what_it_would_be_without_it(used: int, balance: int) -> None:
    usage = of_price("metered", used, used // 10, used * 9 * 19 // 1000)
    found = without_usage(an_invoice(usage, balance=balance), {"metered"})
    alone = an_invoice(balance=balance)
    assert amounts_from_invoice(found) == amounts_from_invoice(alone)
    assert lines_from_invoice(found) == lines_from_invoice(alone)


def test_an_invoice_without_metered_lines_is_left_as_it_is() -> None:
    invoice = an_invoice()
    assert without_usage(invoice, {"metered"}) is invoice
    assert without_usage(invoice, frozenset()) is invoice


def test_the_own_discount_of_a_metered_item_leaves_the_subtotal_as_it_is() -> None:
    usage = of_price("metered", 1000, 100) | {"discounts": ["di_own"]}
    usage["discount_amounts"] = [{"discount": "di_own", "amount": 100}]
    invoice = stripe_invoice(
        of_price("plan", 5000),
        usage,
        subtotal=5900,
        total=5900,
        amount_due=5900,
        total_discount_amounts=[{"discount": "di_own", "amount": 100}],
    )
    found = without_usage(invoice, {"metered"})
    assert (found["subtotal"], found["total"], found["amount_due"]) == (5000, 5000, 5000)
    assert amounts_from_invoice(found).discounts == ()

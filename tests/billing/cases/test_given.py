"""What of an invoice was given away in Stripe, to the cent."""

from typing import Any

import pytest

from billing.cases.given import given_on_invoice

FINAL, WRITTEN_OFF, VOIDED = 1_775_001_600, 1_775_001_700, 1_775_001_800


def line(amount: int, item: str | None = None, *, proration: bool = False, tax: int = 0) -> dict[str, Any]:
    details = {"invoice_item": item, "proration": proration}
    taxes = [{"amount": tax, "tax_behavior": "exclusive"}] if tax else []
    parent = {"invoice_item_details": details if item else None, "type": "invoice_item_details"}
    return {"amount": amount, "parent": parent, "discount_amounts": [], "taxes": taxes}


def invoice(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An open invoice over 100.00; `moved` are its transitions."""
    moved = {"finalized_at": FINAL, "marked_uncollectible_at": None, "voided_at": None}
    defaults = {
        "id": "in_1",
        "status": "open",
        "amount_due": 10_000,
        "amount_paid": 0,
        "starting_balance": 0,
        "ending_balance": 0,
        "lines": {"data": list(lines), "has_more": False},
        "total_discount_amounts": [],
        "status_transitions": moved | fields.pop("moved", {}),
    }
    return defaults | fields


def given(document: dict[str, Any]) -> list[tuple[str, str, int]]:
    found = given_on_invoice(document)
    assert found is not None
    return [(one.kind.value, one.object, one.amount) for one in found]


WRITE_OFF = {"status": "uncollectible", "moved": {"marked_uncollectible_at": WRITTEN_OFF}}
OUTSIDE = {"status": "paid", "amount_paid_off_stripe": 10_000}
VOID = {"status": "void", "moved": {"voided_at": VOIDED}}
BOTH = {"status": "void", "moved": {"marked_uncollectible_at": WRITTEN_OFF, "voided_at": VOIDED}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        (WRITE_OFF, [("write_off", 10_000)]),
        (WRITE_OFF | {"amount_paid": 2_500}, [("write_off", 7_500)]),
        # The customer has paid it after all.
        (WRITE_OFF | {"status": "paid", "amount_paid": 10_000}, []),
        # Or so somebody says: Stripe has seen no money, whether or not it counts it as paid.
        (WRITE_OFF | OUTSIDE | {"amount_paid": 10_000}, [("write_off", 10_000)]),
        (WRITE_OFF | OUTSIDE, [("write_off", 10_000)]),
        (OUTSIDE | {"amount_paid": 10_000}, []),
        # A part of it came through Stripe.
        (
            WRITE_OFF | OUTSIDE | {"amount_paid": 10_000, "amount_paid_off_stripe": 6_000},
            [("write_off", 6_000)],
        ),
        # A credit note has settled it: what that gave is its own.
        (WRITE_OFF | {"status": "paid"}, []),
        (VOID, [("void", 10_000)]),
        # USD 20.00 of their credit had paid a part: the void gives that back.
        (VOID | {"amount_due": 8_000, "starting_balance": -2_000}, [("void", 10_000)]),
        # A debt of USD 20.00 that was put on it is owed again.
        (VOID | {"amount_due": 12_000, "starting_balance": 2_000}, [("void", 12_000)]),
        # Each gives its own part, whichever of them was seen.
        (BOTH, [("write_off", 10_000)]),
        (BOTH | {"amount_due": 8_000, "starting_balance": -2_000}, [("write_off", 8_000), ("void", 2_000)]),
    ],
)
def test_what_is_given_up(fields: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    assert given(invoice(line(10_000), **fields)) == [(kind, "in_1", amount) for kind, amount in expected]


def test_negative_lines_by_hand_count_with_their_taxes_and_prorations_do_not() -> None:
    lines = (
        line(10_000, "ii_1"),
        line(-3_000, "ii_2"),
        line(-1_000, "ii_3", tax=-190),
        line(-500, "ii_4", proration=True),
        line(-700),
    )
    assert given(invoice(*lines)) == [("invoice_item", "ii_2", 3_000), ("invoice_item", "ii_3", 1_190)]


def test_discounts_count_by_what_each_took() -> None:
    discounts = [{"discount": "di_1", "amount": 1_000}, {"discount": {"id": "di_2"}, "amount": 0}]
    assert given(invoice(line(10_000), total_discount_amounts=discounts)) == [("discount", "di_1", 1_000)]


def test_a_draft_has_given_nothing_and_one_that_is_voided_has() -> None:
    draft = invoice(line(10_000), line(-3_000, "ii_1"), status="draft", moved={"finalized_at": None})
    assert given(draft) == []
    voided = {"finalized_at": None, "voided_at": VOIDED}
    assert given(invoice(line(10_000), status="void", moved=voided)) == [("void", "in_1", 10_000)]


def test_nothing_is_said_of_lines_that_stripe_has_not_listed() -> None:
    assert given_on_invoice(invoice(line(10_000), lines={"data": [line(10_000)], "has_more": True})) is None

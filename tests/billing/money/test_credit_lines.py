"""Credit notes by lines: what they come to, what is asked of Stripe, and how what came of it is compared."""

from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Kind, Problem
from billing.evidence.links import hash_of_subject
from billing.money.credit import (
    CreditFound,
    CreditSubject,
    CreditWanted,
    check_choice,
    credit_differences,
    credit_hash,
    credit_params,
    plan_credit,
    without_own_note,
)
from billing.money.credit_lines import (
    CreditedLine,
    CreditLine,
    LineCredit,
    LineToCredit,
    NoteFigures,
    ReckonedLines,
    figures_of,
    reckoned,
)
from billing.stripe.invoice_amounts import InvoiceTax

from ..builders import a_correction, an_invoice_to_credit, creditable

VAT = {"id": "txr_de", "display_name": "VAT", "country": "DE", "state": None, "percentage": 19.0}


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def a_tax(amount: int, *, inclusive: bool = False) -> dict[str, Any]:
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": "txr_de"},
    }


def a_line(id: str = "il_1", amount: int = 10_000, quantity: int = 4, **fields: Any) -> dict[str, Any]:
    given = {"id": id, "amount": amount, "quantity": quantity, "currency": "usd", "description": "Seats"}
    return given | {"taxes": [], "discount_amounts": [], "pricing": None} | fields


@pytest.mark.parametrize(
    ("line", "wanted", "total"),
    [
        (a_line(), {"amount_minor": 2_500}, 2_500),
        (a_line(), {"quantity": 1}, 2_500),
        (a_line(), {"quantity": 4}, 10_000),
        (a_line(pricing={"unit_amount_decimal": "2400.4"}), {"quantity": 1}, 2_400),
        (a_line(taxes=[a_tax(1_900)]), {"amount_minor": 5_000}, 5_950),
        (a_line(taxes=[a_tax(1_597, inclusive=True)]), {"amount_minor": 5_000}, 5_000),
        (a_line(discount_amounts=[{"amount": 1_000}], taxes=[a_tax(1_710)]), {"quantity": 2}, 5_355),
        (a_line(amount=43, taxes=[a_tax(8)]), {"amount_minor": 10}, 12),
    ],
    ids=["amount", "quantity", "all", "decimal", "on top", "included", "discount", "rounded"],
)
def test_a_line_comes_to_its_share_of_discounts_and_taxes(line, wanted, total):
    found = reckoned([CreditLine(line="il_1", **wanted)], [a_line("il_0", 7), line], {})
    assert isinstance(found, ReckonedLines)
    assert found.total == total


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"line": "il_9", "amount_minor": 1}, "credit_line_unknown"),
        ({"line": "il_1", "amount_minor": 10_001}, "credit_line_too_large"),
        ({"line": "il_1", "quantity": 5}, "credit_line_too_large"),
        ({"line": "il_credit", "amount_minor": 1}, "credit_line_too_large"),
    ],
)
def test_no_more_of_a_line_is_credited_than_was_billed(wanted, code):
    problem = reckoned([CreditLine(**wanted)], [a_line(), a_line("il_credit", -500)], {})
    assert isinstance(problem, Problem)
    assert problem.code == code


def a_line_to_credit(amount: int, *credits: tuple[str | None, int]) -> LineToCredit:
    """Of a line that was billed at USD 100.00; each credit with the operation that gave it."""
    taken = tuple(LineCredit(operation=by, amount=minor) for by, minor in credits)
    return LineToCredit(line="il_1", name="Seats", amount=usd(amount), billed=usd(10_000), credits=taken)


@pytest.mark.parametrize(
    ("line", "held", "fits"),
    [
        (a_line_to_credit(10_000), 0, True),
        (a_line_to_credit(10_001), 0, False),
        (a_line_to_credit(4_000, ("op_1", 5_000), (None, 1_000)), 0, True),
        (a_line_to_credit(4_001, ("op_1", 5_000), (None, 1_000)), 0, False),
        (a_line_to_credit(1, ("op_1", 10_000)), 0, False),
        (a_line_to_credit(10_000, ("op_1", 0)), 0, True),
        (a_line_to_credit(4_000, (None, 1_000)), 5_000, True),
        (a_line_to_credit(4_001, (None, 1_000)), 5_000, False),
    ],
    ids=["all", "more", "the rest", "more than the rest", "nothing left", "voided", "beside", "beside more"],
)
def test_what_earlier_notes_took_of_a_line_and_what_others_hold_of_it_is_not_credited_again(line, held, fits):
    assert (line.problem(held, ("op_2",) if held else ()) is None) is fits


def test_a_line_of_which_too_little_is_left_stands_in_the_way_unless_its_own_note_took_it():
    facts = creditable(an_invoice_to_credit(), lines=(a_line_to_credit(5_001, ("op_1", 5_000)),), of_lines=1)
    problem = plan_credit(by_lines(), facts)
    assert isinstance(problem, Problem)
    assert problem.code == "credit_line_too_large"
    assert all(amount in problem.message for amount in ("USD 100.00", "USD 50.00"))
    assert isinstance(plan_credit(by_lines(), without_own_note(facts, "op_1")), CreditSubject)


def by_lines(*lines: CreditLine, **fields: Any) -> CreditWanted:
    return a_correction(amount_minor=None, lines=lines or (CreditLine(line="il_1", quantity=2),), **fields)


def a_note(**fields: Any) -> dict[str, Any]:
    line = {
        "id": "cnli_1",
        "invoice_line_item": "il_1",
        "description": "Seats",
        "amount": 5_000,
        "discount_amount": 500,
        "taxes": [a_tax(855)],
    }
    return {
        "currency": "usd",
        "total": 5_355,
        "pre_payment_amount": 5_355,
        "post_payment_amount": 0,
        "lines": {"data": [line]},
        "total_taxes": [a_tax(855)],
    } | fields


def figures(**fields: Any) -> NoteFigures:
    return figures_of(a_note(**fields), {"txr_de": VAT}, by_lines().lines)


def planned(wanted: CreditWanted | None = None, **invoice: Any) -> CreditSubject:
    facts = creditable(an_invoice_to_credit(**invoice)).model_copy(
        update={"note": figures(), "of_lines": 5_354}
    )
    subject = plan_credit(wanted or by_lines(), facts)
    assert isinstance(subject, CreditSubject), subject
    return subject


def test_the_figures_are_stripes_with_each_line_and_each_tax():
    subject = planned()
    assert (subject.amount, subject.reduces_due, subject.to_balance) == (usd(5_355), usd(5_355), usd(0))
    assert subject.lines == (
        CreditedLine(
            line="il_1",
            description="Seats",
            quantity=2,
            amount=usd(5_000),
            discount=usd(500),
            tax=usd(855),
        ),
    )
    assert subject.taxes == (
        InvoiceTax(rate="txr_de", name="DE VAT", percentage="19", inclusive=False, amount_minor=855),
    )


def test_what_is_no_longer_due_goes_to_the_balance():
    subject = planned(remaining=1_000)
    assert (subject.reduces_due, subject.to_balance) == (usd(1_000), usd(4_355))
    assert credit_params(subject, {})["credit_amount"] == 4_355


def test_stripe_is_asked_for_the_lines_as_they_were_asked_for():
    params = credit_params(planned(), {})
    assert params["lines"] == [{"type": "invoice_line_item", "invoice_line_item": "il_1", "quantity": 2}]
    assert "amount" not in params
    assert params["email_type"] == "none"
    assert credit_params(planned(by_lines(tell_customer=True)), {})["email_type"] == "credit_note"


def test_an_amount_that_is_not_left_is_refused_by_what_was_reckoned():
    facts = creditable(an_invoice_to_credit(credited=6_000), of_lines=5_354)
    problem = plan_credit(by_lines(), facts)
    assert isinstance(problem, Problem)
    assert (problem.code, "USD 53.54" in problem.message) == ("amount_above_creditable", True)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (a_correction(amount_minor=None), "credit_amount_or_lines"),
        (a_correction(lines=(CreditLine(line="il_1", quantity=1),)), "credit_amount_or_lines"),
        (by_lines(CreditLine(line="il_1")), "credit_amount_or_lines"),
        (by_lines(CreditLine(line="il_1", quantity=1, amount_minor=1)), "credit_amount_or_lines"),
        (
            by_lines(CreditLine(line="il_1", quantity=1), CreditLine(line="il_1", quantity=1)),
            "credit_amount_or_lines",
        ),
        (by_lines(instrument="balance", invoice=None), "credit_note_only"),
        (a_correction(instrument="balance", invoice=None, tell_customer=True), "credit_note_only"),
    ],
)
def test_what_does_not_fit_together_is_told_before_anything_is_read(wanted, code):
    problem = check_choice(wanted)
    assert problem is not None
    assert problem.code == code


def test_the_hash_binds_to_each_line_each_tax_and_whether_the_customer_is_told():
    base = planned()
    [line], [tax] = base.lines, base.taxes
    others = [
        base.model_copy(update={"tell_customer": True}),
        base.model_copy(update={"lines": (line.model_copy(update={"quantity": 1}),)}),
        base.model_copy(update={"lines": (line.model_copy(update={"discount": usd(499)}),)}),
        base.model_copy(update={"taxes": (tax.model_copy(update={"amount_minor": 854}),)}),
        base.model_copy(update={"taxes": (tax.model_copy(update={"percentage": "20"}),)}),
        base.model_copy(update={"taxes": (tax.model_copy(update={"rate": "txr_at"}),)}),
    ]
    assert len({credit_hash(one) for one in (base, *others)}) == 7


def test_the_hash_binds_to_no_name_of_a_tax_rate():
    base = planned()
    [tax] = base.taxes
    renamed = base.model_copy(update={"taxes": (tax.model_copy(update={"name": "USt"}),)})
    assert credit_hash(renamed) == credit_hash(base)
    assert hash_of_subject(Kind.CREDIT, renamed.document()) == credit_hash(base)


@pytest.mark.parametrize("taxes", [None, "all", [1], [["name"]], {"name": 1}])
def test_a_forged_subject_is_hashed_whatever_its_taxes_are(taxes):
    forged = planned().document() | {"taxes": taxes}
    assert hash_of_subject(Kind.CREDIT, forged) != credit_hash(planned())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ()),
        ({"total_taxes": [a_tax(854)]}, ("tax txr_de is 854 instead of 855",)),
        ({"total_taxes": []}, ("tax txr_de is missing instead of 855",)),
        (
            {"lines": {"data": []}},
            (
                "amount of line il_1 is missing instead of 5000",
                "discount of line il_1 is missing instead of 500",
                "tax of line il_1 is missing instead of 855",
            ),
        ),
    ],
)
def test_a_cent_in_a_line_or_a_tax_is_named(fields, said):
    subject, found = planned(), figures(**fields)
    held = CreditFound(
        object="cn_1",
        amount=5_355,
        currency="usd",
        reduces_due=5_355,
        to_balance=0,
        balance_after=0,
        lines=found.lines,
        taxes=found.taxes,
        metadata={},
    )
    assert credit_differences(subject, held) == said

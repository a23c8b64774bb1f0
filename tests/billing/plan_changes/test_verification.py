"""All that was approved is bound by the hash, and compared with what Stripe holds."""

from typing import Any

import pytest

from billing.plan_changes.revert import revert_report
from billing.plan_changes.subject import PlanChangeSubject, WaitingChange, build_subject, subject_hash
from billing.plan_changes.verification import ResultLines, unforeseen, verify
from billing.stripe.invoice_amounts import InvoiceAmounts

from ..builders import (
    APRIL_END,
    APRIL_START,
    MAY_END,
    a_line,
    a_query,
    a_subject,
    previewed,
    some_amounts,
    some_facts,
    some_terms,
    taxed_amounts,
)

DEBIT = a_line(amount_minor=10_000)
MAY = a_line(kind="renewal", amount_minor=10_000, start=APRIL_END, end=MAY_END)


def a_taxed_subject(amounts: InvoiceAmounts | None = None, **query: Any) -> PlanChangeSubject:
    preview = previewed(DEBIT, amounts=amounts or taxed_amounts())
    return build_subject(a_query(**query), preview, previewed(MAY), limits=())


AMOUNTS = taxed_amounts()
[OFF], [TAX] = AMOUNTS.discounts, AMOUNTS.taxes
OTHERWISE: dict[str, dict[str, Any]] = {
    "Lines": {"gross": AMOUNTS.gross + 1},
    "Discount Launch (10% off)": {"discounts": (OFF.model_copy(update={"amount_minor": 1001}),)},
    "Subtotal": {"subtotal": AMOUNTS.subtotal - 1},
    "Tax 19% (DE VAT)": {"taxes": (TAX.model_copy(update={"amount_minor": 1711}),)},
    "Included tax that is not charged": {"waived_tax": 1},
    "Shipping": {"shipping": 1},
    "Balance before": {"starting_balance": -501, "total": AMOUNTS.total + 1},
    "Amount due": {"amount_due": AMOUNTS.amount_due + 1},
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_cent_of_any_amount_is_another_subject_and_a_named_difference(name: str) -> None:
    other = AMOUNTS.model_copy(update=OTHERWISE[name])
    assert subject_hash(a_taxed_subject(other)) != subject_hash(a_taxed_subject())
    checked = verify(a_taxed_subject(), ResultLines(lines=(DEBIT,), amounts=other))
    assert not checked.ok
    assert name in [one.name for one in checked.differences if one.what == "amount"]


def test_what_is_as_approved_differs_in_nothing() -> None:
    assert verify(a_taxed_subject(), ResultLines(lines=(DEBIT,), amounts=AMOUNTS)).ok


def test_the_name_of_a_tax_or_coupon_binds_nobody() -> None:
    renamed = AMOUNTS.model_copy(update={"taxes": (TAX.model_copy(update={"name": "txr_de"}),)})
    assert subject_hash(a_taxed_subject(renamed)) == subject_hash(a_taxed_subject())


def test_of_a_change_that_is_left_to_the_next_invoice_the_amounts_are_that_ones() -> None:
    subject = a_taxed_subject(invoicing="next_invoice")
    found = ResultLines(lines=(DEBIT,), amounts=some_amounts(), invoice_items=("ii_1",))
    names = [one.words.split(":")[0] for one in verify(subject, found).differences]
    assert names[0] == "Next invoice, Discount Launch (10% off)"
    assert all(name.startswith("Next invoice, ") for name in names)


def test_a_revert_is_held_against_the_amounts_that_were_shown_of_it() -> None:
    found = ResultLines(lines=(DEBIT,), amounts=some_amounts())
    assert not revert_report(a_taxed_subject(), found).verified
    assert revert_report(a_taxed_subject(), found.model_copy(update={"amounts": AMOUNTS})).verified


@pytest.mark.parametrize("status", ["void", "uncollectible"])
def test_an_invoice_that_nobody_has_to_pay_is_no_result_whatever_it_says(status: str) -> None:
    found = ResultLines(lines=(DEBIT,), amounts=AMOUNTS, invoice="in_1", invoice_status=status)
    [difference] = verify(a_taxed_subject(), found).differences
    assert ("in_1" in difference.words, status in difference.words) == (True, True)
    for fine in ("paid", "open", "draft"):
        assert verify(a_taxed_subject(), found.model_copy(update={"invoice_status": fine})).ok


def test_what_a_change_took_away_unseen_is_named() -> None:
    found = ResultLines(lines=(MAY,), amounts=some_amounts())
    ahead = a_subject(MAY, effective="period_end")
    assert verify(ahead, found).ok
    [difference] = verify(ahead, found, unforeseen(ahead, ahead.to, ["discounts"])).differences
    assert difference.words.startswith("discounts: ")


def test_what_it_had_replaced_and_came_after_all_is_named_even_where_it_bills_the_same() -> None:
    waiting = WaitingChange(
        operation="op_1", schedule="sub_sched_1", to=some_terms(seats=4), effective_at=1_769_904_000
    )
    query = a_query(effective="period_end", replaces=waiting)
    ahead = build_subject(query, previewed(MAY), previewed(MAY), limits=())
    found = ResultLines(lines=(MAY,), amounts=some_amounts())
    assert verify(ahead, found, unforeseen(ahead, ahead.to, [])).ok
    [difference] = verify(ahead, found, unforeseen(ahead, waiting.to, [])).differences
    assert difference.words.startswith("op_1: ")


def test_what_is_kept_binds_the_approval_of_a_change_at_the_end_of_the_period_alone() -> None:
    keeps = {"discounts": [{"discount": "di_1"}]}
    later = [a_taxed_subject(effective="period_end", facts=some_facts(keeps=one)) for one in ({}, keeps)]
    now = [a_taxed_subject(facts=some_facts(keeps=one)) for one in ({}, keeps)]
    assert len({subject_hash(one) for one in later}) == 2
    assert len({subject_hash(one) for one in now}) == 1


def test_what_it_replaces_binds_the_approval() -> None:
    waiting = WaitingChange(
        operation="op_1", schedule="sub_sched_1", to=some_terms(seats=4), effective_at=1_769_904_000
    )
    plain = a_taxed_subject(effective="period_end")
    assert len({subject_hash(one) for one in (plain, plain.model_copy(update={"replaces": waiting}))}) == 2
    assert a_taxed_subject(effective="period_end", replaces=waiting).replaces == waiting


# --- The next invoice -------------------------------------------------------------------------------------


def test_the_next_invoice_is_due_from_the_balance_that_this_one_leaves() -> None:
    credit = a_line(kind="credit", amount_minor=-2500)
    following = a_subject(credit, renewal=10_000).preview.next_invoice
    assert (following.total, following.amount_minor) == (10_000, 7500)


def test_what_this_invoice_takes_is_off_the_next_one_with_its_tax() -> None:
    """It waits for both previews: 1000 with 190 of tax on it."""
    waits = a_line(amount_minor=1000, start=APRIL_START)
    renewal = previewed(waits, MAY, line_totals=(1190, 11_900), amounts=some_amounts(13_090))
    subject = build_subject(a_query(), previewed(waits, DEBIT), renewal, limits=())
    assert subject.preview.next_invoice.total == 11_900


def test_a_change_that_is_left_to_the_next_invoice_asks_for_what_that_one_does() -> None:
    preview = a_taxed_subject(invoicing="next_invoice").preview
    assert (preview.due_now.amount_minor, preview.amounts) == (0, AMOUNTS)
    following = preview.next_invoice
    assert (following.total, following.amount_minor) == (AMOUNTS.total, AMOUNTS.amount_due)


@pytest.mark.parametrize("name", ["Total", "Amount due"])
def test_a_next_invoice_that_asks_for_something_else_is_named(name: str) -> None:
    subject = a_taxed_subject()
    approved = subject.preview.next_invoice
    other = {"Total": "total", "Amount due": "amount_minor"}[name]
    following = approved.model_copy(update={other: getattr(approved, other) + 1, "date": None})
    found = ResultLines(lines=(DEBIT,), amounts=AMOUNTS, following=following)
    [difference] = verify(subject, found).differences
    assert difference.words.startswith(f"Next invoice, {name}: ")
    assert verify(subject, found.model_copy(update={"following": approved})).ok

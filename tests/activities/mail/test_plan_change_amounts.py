"""What mails and chats say of a plan change's discounts, taxes and balance."""

import re

from billing.core.operations import State
from billing.plan_changes.items.others import OtherItem
from billing.plan_changes.report import applied_report, mismatch_problem
from billing.plan_changes.subject import PlanChangeSubject
from billing.plan_changes.verification import ResultLines, verify

from ...billing.builders import some_amounts, taxed_amounts
from .contexts import GROWTH, a_subject, an_upgrade, ended, notice, render, review, shown


def a_taxed_upgrade() -> PlanChangeSubject:
    subject, amounts = an_upgrade(), taxed_amounts()
    preview = subject.preview.model_copy(
        update={"amounts": amounts, "due_now": amounts.due, "total": amounts.total}
    )
    return subject.model_copy(update={"preview": preview})


ROWS = """
  USD 100.00  Subtotal
  USD -10.00  Discount Launch (10% off)
   USD 17.10  Tax 19% (DE VAT)
  USD 107.10  Total
   USD -5.00  Balance before
    USD 0.00  Balance afterwards
"""


def test_whoever_decides_reads_discounts_taxes_and_balance() -> None:
    mail = render("review_requested", review(a_taxed_upgrade()))
    assert ROWS in mail.plain
    assert "Due now:      USD 102.10" in mail.plain


def test_finance_reads_them_of_what_was_applied() -> None:
    subject = a_taxed_upgrade()
    found = ResultLines(
        lines=subject.preview.lines, amounts=subject.preview.amounts, invoice="in_1", invoice_status="paid"
    )
    result = shown(applied_report(subject, found, verify(subject, found)))
    mail = render("notice", notice("plan_change_applied", subject, result=result))
    assert ROWS in mail.plain
    assert "not what was approved" not in mail.plain


def test_a_mismatch_names_the_amount_what_was_approved_and_what_is() -> None:
    subject = a_taxed_upgrade()
    found = ResultLines(lines=subject.preview.lines, amounts=some_amounts(10_000), invoice="in_1")
    checked = verify(subject, found)
    result, problem = shown(applied_report(subject, found, checked)), mismatch_problem(checked).model_dump()
    for mail in (
        render("plan_change_ended", ended(State.MISMATCHED, result=result, problem=problem)),
        render("notice", notice("plan_change_applied", subject, result=result)),
    ):
        assert "Tax 19% (DE VAT): USD 17.10 approved, USD 0.00 in Stripe" in mail.plain
        assert "Discount Launch (10% off): USD 10.00 approved, USD 0.00 in Stripe" in mail.plain
        assert "Amount due: USD 102.10 approved, USD 100.00 in Stripe" in mail.plain


def test_a_change_whose_result_cannot_be_read_says_why() -> None:
    problem = {"code": "preview_does_not_add_up", "message": "Invoice in_1 totals USD 3.76."}
    mail = render("plan_change_ended", ended(State.MISMATCHED, an_upgrade(), problem=problem))
    assert "totals USD 3.76." in mail.plain


def test_what_is_beside_the_plan_is_said_before_and_after_and_that_usage_comes_on_top() -> None:
    held = (
        OtherItem(price="price_support", quantity=2, name="Priority support"),
        OtherItem(price="price_exports", quantity=None, name="Exports"),
    )
    more = (held[0].model_copy(update={"quantity": 5}), held[1])
    subject = a_subject(
        [],
        0,
        before=GROWTH.model_copy(update={"others": held}),
        after=GROWTH.model_copy(update={"others": more}),
    )
    mail = render("review_requested", review(subject))
    lines = [line for line in mail.plain.splitlines() if line.startswith(("From:", "To: "))]
    assert [line.partition("; ")[2] for line in lines] == [
        "with 2 × Priority support, Exports by usage",
        "with 5 × Priority support, Exports by usage",
    ]
    assert "What is used is billed on top" in mail.plain
    assert "dd-ons of Growth" in mail.subject


def test_what_is_to_be_paid_first_is_named_by_its_whole_address() -> None:
    message = "Its pay link is at /console/plans/invoices/in_1. Then ask again."
    problem = {"code": "subscription_past_due", "message": message}
    mail = render("plan_change_ended", ended(State.FAILED, an_upgrade(), problem=problem))
    assert re.search(r"is at https?://[^/ ]+/console/plans/invoices/in_1\. Then", mail.plain)

"""What mails say of an invoice that is voided or written off."""

from typing import Any

import pytest

from billing.core.operations import Problem, State
from billing.money.waiver import (
    Action,
    WaivableFacts,
    WaivableInvoice,
    WaivedInvoice,
    WaiverSubject,
    WaiverWanted,
    plan_waiver,
)
from billing.money.waiver_report import WaiverResult, waiver_problem, waiver_report

from .contexts import API, ended, render

NOTE = "It bills March a second time."
REASONS = {"void": "billed_twice", "write_off": "insolvent"}


def a_waiver(action: Action, **fields: Any) -> WaiverSubject:
    invoice = {
        "invoice": "in_1",
        "number": "ACME-0042",
        "customer": "cus_1",
        "status": "open",
        "currency": "usd",
        "total": 60_000,
        "paid": 0,
        "credited": 0,
        "remaining": 60_000,
    }
    wanted = {"action": action, "invoice": "in_1", "reason": REASONS[action], "note": NOTE}
    facts = WaivableFacts(invoice=WaivableInvoice.model_validate(invoice | fields))
    subject = plan_waiver(WaiverWanted.model_validate(wanted), facts)
    assert isinstance(subject, WaiverSubject)
    return subject


def found(subject: WaiverSubject, **fields: Any) -> WaivedInvoice:
    given = {"status": subject.becomes, "currency": "usd", "total": 60_000, "paid": 0, "credited": 0}
    return WaivedInvoice.model_validate(given | {"metadata": {}} | fields)


def result(subject: WaiverSubject, **fields: Any) -> WaiverResult:
    return waiver_report(subject, found(subject, **fields))


@pytest.mark.parametrize(
    ("action", "noun", "figure", "reason", "status"),
    [
        ("void", "void", "Void:      USD 600.00", "billed twice", "void"),
        ("write_off", "write-off", "Write-off: USD 600.00", "the customer is insolvent", "uncollectible"),
    ],
)
def test_who_asked_for_it_hears_that_it_is_done(
    action: Action, noun: str, figure: str, reason: str, status: str
) -> None:
    subject = a_waiver(action)
    mail = render("money_ended", ended(State.COMPLETED, subject, result=result(subject)))
    title = f"{noun} of USD 600.00 on invoice ACME-0042 of Customer 01"
    assert mail.subject == f"Done: {title}"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Your {title} is done, and the result in Stripe is what was agreed.

In Stripe, the invoice is {status}: the customer is not asked for it anymore.

{figure}
Customer:  Customer 01
Invoice:   ACME-0042 for USD 600.00, USD 600.00 of it unpaid
Reason:    {reason}

Note, kept here and in Stripe:
  > {NOTE}

See what happened:
{API}/operations/op_1

-- 
Plixo Billing for Acme
"""
    )


def test_what_the_balance_gets_back_is_said() -> None:
    subject = a_waiver("void", remaining=1_000, from_balance=59_000)
    plain = render("money_ended", ended(State.REJECTED, subject, person="per_bea")).plain
    assert "Void:      USD 600.00" in plain
    assert "USD 10.00 of it unpaid" in plain
    assert "USD 590.00 goes back to the customer's balance" in plain
    assert "was rejected by Bea Billing. Nothing was voided." in plain


@pytest.mark.parametrize("action", ["void", "write_off"])
def test_finance_and_whoever_asked_hear_what_differs(action: Action) -> None:
    subject = a_waiver(action)
    other = result(subject, paid=60_000)
    problem = waiver_problem(subject, found(subject, paid=60_000))
    assert problem is not None
    context = ended(State.MISMATCHED, subject, result=other, problem=problem)
    asked = render("money_ended", context)
    assert asked.subject.startswith("Not as agreed: ")
    assert "- In Stripe, paid is 60000 instead of 0" in asked.plain
    notice = render("notice", context | {"kind": f"{action}_differs", "notice": "ntc_1"})
    assert notice.subject.startswith("Not as agreed: ")
    assert "- In Stripe, paid is 60000 instead of 0" in notice.plain
    assert f"{API}/finance/ntc_1" in notice.plain


def test_what_is_not_possible_is_said_with_what_to_do_about_it() -> None:
    problem = Problem(code="invoice_part_paid", message="Of invoice ACME-0042 USD 40.00 was paid.")
    mail = render("money_ended", ended(State.BLOCKED, a_waiver("void"), problem=problem))
    assert mail.subject.startswith("Not possible: ")
    assert "Write the rest off" in mail.plain


@pytest.mark.parametrize("action", ["void", "write_off"])
def test_approvers_are_asked_with_the_figures(action: Action) -> None:
    context = {"approval": "apr_1", "kind": action, "subject": a_waiver(action), "requested_by": "per_bea"}
    mail = render("review_requested", context)
    assert "USD 600.00 on invoice ACME-0042 of Customer 01" in mail.subject
    assert NOTE in mail.plain

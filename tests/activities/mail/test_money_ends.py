"""What mails say of a refund or credit that has ended, to whoever asked for it."""

import pytest

from billing.core.operations import Problem, State

from .contexts import API, ended, notice, render
from .money_contexts import (
    DISPUTED,
    REFUND,
    SIGNED,
    TITLE,
    a_credit,
    a_credit_note,
    a_note_by_lines,
    a_refund,
    credited,
    refunded,
)


def test_a_refund_that_is_done_names_the_refund_in_stripe_and_its_note() -> None:
    mail = render("money_ended", ended(State.COMPLETED, a_refund(), result=refunded(a_refund(), "succeeded")))
    assert mail.subject == f"Done: {TITLE}"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Your {TITLE} is done: Stripe has returned the money.
If the customer's bank returns it later, you will be notified.

In Stripe:
- USD 120.00, succeeded

{REFUND}
Note, kept here and in Stripe:
  > Seats that nobody used in March.

See what happened:
{API}/operations/op_1
{SIGNED}"""
    )


@pytest.mark.parametrize("status", ["pending", "requires_action", "failed:unknown", "canceled"])
def test_money_that_stripe_has_not_returned_is_not_called_returned(status: str) -> None:
    mail = render("money_ended", ended(State.COMPLETED, a_refund(), result=refunded(a_refund(), status)))
    assert mail.subject == f"Closed: {TITLE}"
    assert "was closed as is: no money reached the customer." in mail.plain
    assert "returned the money" not in mail.plain


def test_a_refund_left_at_what_came_through_says_how_much_that_is() -> None:
    subject = a_refund(payments=2)
    result = refunded(subject, "succeeded", "failed:lost_or_stolen_card")
    context = ended(State.COMPLETED, subject, result=result, person="per_bea", comment="The rest by wire.")
    mail = render("money_ended", context)
    assert mail.subject == f"Closed: {TITLE}"
    assert f"Your {TITLE} was closed by Bea Billing as is." in mail.plain
    assert (
        """\
In Stripe:
- USD 100.00, succeeded
- USD 20.00, failed: the card was reported lost or stolen

USD 100.00 reached the customer, USD 20.00 did not.
"""
        in mail.plain
    )
    assert "Comment:\n  > The rest by wire." in mail.plain
    assert "Trying again" not in mail.plain


def test_a_refund_closed_after_it_failed_says_by_whom() -> None:
    context = ended(State.FAILED, a_refund(), result=refunded(a_refund(), "failed"), person="per_bea")
    mail = render("money_ended", context)
    assert mail.subject == f"Failed: {TITLE}"
    assert f"Your {TITLE} failed and was closed by Bea Billing." in mail.plain
    assert "failed: the bank gave no reason" in mail.plain


@pytest.mark.parametrize(
    ("state", "start", "sentence"),
    [
        (State.REJECTED, "Rejected", "was rejected by Cora Controller. Nothing was refunded."),
        (State.CANCELLED, "Cancelled", "was cancelled by Cora Controller. Nothing was refunded."),
        (State.EXPIRED, "Expired", "expired: nobody decided in time. Nothing was refunded."),
        (State.BLOCKED, "Not possible", "is not possible as requested. Nothing was refunded."),
    ],
)
def test_a_refund_that_was_not_made_says_so(state: State, start: str, sentence: str) -> None:
    context = ended(state, a_refund(), person="per_cora", comment="They used them.")
    mail = render("money_ended", context)
    assert mail.subject == f"{start}: {TITLE}"
    assert sentence in mail.plain
    assert "Comment:\n  > They used them." in mail.plain
    assert "kept here and in Stripe" not in mail.plain
    assert "Nothing was credited." in render("money_ended", ended(state, a_credit())).plain


def test_one_that_was_given_up_does_not_claim_to_know_what_stripe_holds() -> None:
    problem = {"code": "gave_up", "message": "Stripe or the database could not be reached for days."}
    mail = render("money_ended", ended(State.FAILED, a_credit(), problem=problem))
    assert "could not be carried out.\n\nStripe or the database could not be reached for days.\n" in (
        mail.plain
    )
    assert "Nothing was" not in mail.plain


def test_a_blocked_refund_says_why_and_what_helps() -> None:
    context = {"state": "blocked", "problem": DISPUTED.model_dump(), "kind": "refund"}
    mail = render("money_ended", context)
    assert mail.subject == "Not possible: Acme, refund"
    assert "Your refund is not possible as requested. Nothing was refunded." in mail.plain
    assert "\nThe customer disputes the charge.\nHow to fix it: Answer the dispute in Stripe;" in (mail.plain)


def test_a_credit_that_is_given_says_what_it_did_to_the_bills() -> None:
    note = render(
        "money_ended", ended(State.COMPLETED, a_credit_note(), result=credited(a_credit_note()))
    ).plain
    balance = render("money_ended", ended(State.COMPLETED, a_credit(), result=credited(a_credit()))).plain
    assert "is done, and the result in Stripe is what was agreed." in note
    assert (
        """\
Given in Stripe: USD 80.00
- USD 30.00 off invoice ACME-0007; nothing is due on it anymore
- USD 50.00 to the customer's balance
- The customer's next bills are now lower by USD 50.00 in all.
"""
        in note
    )
    assert "Given in Stripe: USD 80.00\n- USD 80.00 to the customer's balance\n" in balance


@pytest.mark.parametrize(
    ("balance", "sentence"),
    [
        (4_000, "- The customer's next bills are still higher by USD 40.00.\n"),
        (0, "- The customer's balance is now USD 0.00.\n"),
        (-9_000, "- The customer's next bills are now lower by USD 90.00 in all.\n"),
    ],
)
def test_the_balance_is_told_by_what_it_means(balance: int, sentence: str) -> None:
    result = credited(a_credit(), balance_after=balance)
    assert sentence in render("money_ended", ended(State.COMPLETED, a_credit(), result=result)).plain


def test_a_credit_that_came_out_otherwise_shows_both_and_what_can_be_done() -> None:
    result = credited(a_credit_note(), reduces_due=2_000, to_balance=6_000, invoice_remaining=1_000)
    mail = render("money_ended", ended(State.MISMATCHED, a_credit_note(), result=result))
    assert mail.subject == "Not as agreed: credit of USD 80.00 to Customer 01 for invoice ACME-0007"
    assert (
        """\
                    agreed  in Stripe
Off the invoice  USD 30.00  USD 20.00
To the balance   USD 50.00  USD 60.00
"""
        in mail.plain
    )
    assert "USD 20.00 off invoice ACME-0007; USD 10.00 is still due on it\n" in mail.plain
    assert "ask a controller or Legal to accept it as it is." in mail.plain
    assert "instead of" not in mail.plain


def test_a_difference_that_is_no_amount_is_told_in_words() -> None:
    result = credited(a_credit(), voided=True)
    mail = render("money_ended", ended(State.MISMATCHED, a_credit(), result=result))
    assert "\n- it was voided\n" in mail.plain
    assert "agreed  in Stripe" not in mail.plain


def test_a_note_by_lines_says_which_with_their_discounts_and_taxes() -> None:
    subject = a_note_by_lines()
    held = credited(subject, lines=subject.lines, taxes=subject.taxes)
    plain = render("money_ended", ended(State.COMPLETED, subject, result=held)).plain
    assert "Stripe mails it to the customer" in plain
    assert "- Seats: USD 50.00, less a discount of USD 5.00, tax USD 8.55\n" in plain
    assert "Tax 19% (DE VAT): USD 8.55" in plain
    context = {"approval": "apr_1", "kind": "credit", "subject": subject, "requested_by": "per_bea"}
    asked = render("review_requested", context).plain
    assert "- Seats: USD 50.00" in asked


def test_a_tax_of_a_line_that_differs_is_named() -> None:
    subject = a_note_by_lines()
    result = credited(subject, lines=subject.lines)
    mail = render("money_ended", ended(State.MISMATCHED, subject, result=result)).plain
    assert "- In Stripe, tax txr_1 is missing instead of 855" in mail


REFUSED = Problem(code="stripe_refused", message="Metadata values can have up to 500 characters.")


def test_a_note_that_stripe_refused_is_given_as_the_reason() -> None:
    context = ended(State.MISMATCHED, a_credit(), result=credited(a_credit()), problem=REFUSED.model_dump())
    mail = render("money_ended", context).plain
    assert "was made, but not everything about it is as agreed.\n\nMetadata values can have up to 500" in mail
    assert "differs from what was agreed" not in mail


def test_finance_hears_why_a_credit_is_not_as_agreed() -> None:
    told = {"result": credited(a_credit()), "problem": REFUSED.model_dump()}
    mail = render("notice", notice("credit_differs", a_credit(), **told))
    assert mail.subject.startswith("Not as agreed: credit of USD 80.00")
    assert "Metadata values can have up to 500 characters." in mail.plain
    told = {
        "result": credited(a_credit(), to_balance=1),
        "problem": {"code": "credit_differs", "message": "In Stripe, to_balance is 1 instead of 8000."},
    }
    mail = render("notice", notice("credit_differs", a_credit(), **told))
    assert "To the balance  USD 80.00   USD 0.01" in mail.plain
    assert "instead of" not in mail.plain


def test_an_accepted_credit_says_who_accepted_it() -> None:
    result = credited(a_credit(), to_balance=7_000)
    context = ended(State.COMPLETED, a_credit(), result=result, person="per_cora", comment="Fine.")
    mail = render("money_ended", context)
    assert "is done: Cora Controller accepted it as it is in Stripe." in mail.plain
    assert "is what was agreed" not in mail.plain

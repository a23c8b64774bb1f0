"""What mails say of refunds and credits to those who decide on them."""

from typing import get_args

import pytest

from billing.core.operations import Role
from billing.money.refund import Reason

from .contexts import API, DEADLINE, an_upgrade, render, review, shown
from .money_contexts import NOTE, REFUND, SIGNED, TITLE, a_credit, a_credit_note, a_refund


def test_whoever_decides_on_a_refund_sees_all_that_it_is_and_what_silence_means() -> None:
    subject = a_refund()
    rule = "USD 120.00 is beyond Bea Billing's authority of USD 100.00 for one item"
    mail = render("review_requested", review(subject, reason=subject.reason, kind="refund", rule=rule))

    assert mail.subject == f"Approve a {TITLE}?"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Bea Billing requests a {TITLE}.

{REFUND}
{NOTE}
Why you are asked: {rule}.

Please decide by {DEADLINE}.
If nobody decides by then, the request expires and nothing is refunded.

Decide here:
{API}/approvals/apr_1
{SIGNED}"""
    )


def test_whoever_decides_on_a_credit_sees_how_it_reaches_the_customer() -> None:
    mail = render("review_requested", review(a_credit()))
    assert mail.subject == "Approve a credit of USD 80.00 to Customer 01?"
    assert (
        """\
Credit:   USD 80.00; no money is paid out
Customer: Customer 01
As:       customer balance, taken off the customer's next bills
Reason:   goodwill

Note:
  > For the outage on 3 March.
"""
        in mail.plain
    )
    assert "the request expires and nothing is credited." in mail.plain


def test_a_credit_note_is_shown_with_its_invoice_and_where_each_part_of_it_goes() -> None:
    mail = render("review_requested", review(a_credit_note()))
    assert (
        """\
As:       credit note on invoice ACME-0007
          USD 30.00 off the amount due on it now
          USD 50.00 to the customer's balance, taken off the next bills
Reason:   the order was changed
"""
        in mail.plain
    )


def test_a_refund_of_several_payments_shows_the_part_of_each() -> None:
    mail = render("review_requested", review(a_refund(payments=2)))
    assert "Invoice:  ACME-0042\nPayments: 2 (USD 100.00 + USD 20.00)\nReason:" in mail.plain


def test_what_was_refunded_before_is_told() -> None:
    subject = shown(a_refund()) | {"refunded_before": {"amount_minor": 4_500, "currency": "usd"}}
    mail = render("review_requested", review() | {"subject": subject})
    assert "Paid:     USD 300.00, of which USD 45.00 was already refunded\n" in mail.plain


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_is_told_in_words(reason: str) -> None:
    mail = render("review_requested", review(a_refund(reason=reason)))
    [line] = [line for line in mail.plain.splitlines() if line.startswith("Reason:")]
    assert "_" not in line
    assert ("Stripe will then block the card" in mail.plain) == (reason == "fraudulent")


def test_an_approval_that_needs_all_roles_says_which() -> None:
    roles = (Role.CONTROLLER, Role.LEGAL)
    mail = render("review_requested", review(a_refund(), needs="all"), roles=roles)
    assert (
        "One approval is not enough: each of these roles must approve: a controller and Legal." in mail.plain
    )
    rest = render("review_reminder", review(a_refund(), needs="all"), roles=roles[1:])
    assert "each role must approve, and yours is still missing." in rest.plain
    assert "One approval" not in render("review_requested", review(a_refund(), needs="any")).plain


@pytest.mark.parametrize("template", ["review_requested", "review_reminder", "review_escalated"])
def test_whoever_is_asked_for_a_special_reason_is_told_it(template: str) -> None:
    mail = render(template, review(a_refund(), why="nobody else holds controller"))
    assert "\nNobody else holds controller.\n\nRefund:" in mail.plain
    assert "Nobody decided in time" not in mail.plain


def test_a_reminder_and_an_escalation_say_that_they_are_one() -> None:
    reminder = render("review_reminder", review(a_refund()))
    escalation = render("review_escalated", review(a_credit()))
    assert reminder.subject == f"Reminder: approve a {TITLE}?"
    assert f"The {TITLE} that Bea Billing requested is still waiting for a decision." in reminder.plain
    assert escalation.subject == "Your turn: approve a credit of USD 80.00 to Customer 01?"
    assert "Nobody decided in time on the credit of USD 80.00 to Customer 01" in escalation.plain


def test_free_words_as_a_reason_are_quoted_and_those_of_the_subject_are_not_told_twice() -> None:
    words = render("review_requested", review(a_refund(), reason="They left."))
    assert "Reason given:\n  > They left." in words.plain
    for known in ("requested_by_customer", a_refund().note):
        assert "Reason given" not in render("review_requested", review(a_refund(), reason=known)).plain


def test_the_requester_hears_which_changes_are_asked_for_and_where_to_send_them() -> None:
    context = {"subject": shown(a_refund()), "person": "per_cora", "comment": "Half of it."}
    mail = render("changes_requested", context)
    assert mail.subject == f"Changes requested: {TITLE}"
    assert f"asks for changes to your {TITLE} before approving it.\nNothing was refunded." in mail.plain
    assert "Comment:\n  > Half of it.\n\nRefund:   USD 120.00" in mail.plain
    assert "Send a revised request or cancel it" in mail.plain
    credit = render("changes_requested", context | {"subject": shown(a_credit())})
    assert "Send a revised request or cancel it" in credit.plain


def test_who_is_asked_to_be_a_delegate_hears_by_whom_for_what_until_when_and_how_to_answer() -> None:
    context = {
        "approval": "apr_1",
        "delegation": "dlg_1",
        "subject": shown(a_refund()),
        "person": "per_cora",
        "until": "2026-04-13T21:00:00+00:00",
        "comment": "I am on leave.",
    }
    mail = render("delegated", context)
    assert mail.subject == f"Decide for Cora Controller? {TITLE}"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Cora Controller asks you to decide in their place on a {TITLE}.
If you accept, this holds until {DEADLINE}.

You would decide under your own name. You can't decide on anything that Cora Controller requested,
revised or retried, just as they can't. Until you accept, nothing changes for you.

Comment by Cora Controller:
  > I am on leave.

{REFUND}
{NOTE}
Accept or decline:
{API}/delegations/dlg_1
{SIGNED}"""
    )
    change = render("delegated", context | {"subject": shown(an_upgrade())})
    assert "in their place on a plan change for Acme." in change.plain
    assert "To:   Scale, 5 seats" in change.plain


def test_a_delegate_for_every_approval_is_asked_so() -> None:
    mail = render("delegated", {"person": "per_cora"})
    assert "asks you to decide in their place on what they are asked to approve." in mail.plain
    assert f"{API}/delegations\n" in mail.plain


def test_whoever_delegates_hears_whether_they_can_count_on_it() -> None:
    context = {"person": "per_cora", "until": "2026-04-13T21:00:00+00:00", "accepted": True}
    taken, declined = [render("delegation_answered", context | {"accepted": yes}) for yes in (True, False)]

    assert taken.subject == "Cora Controller decides in your place: Acme, approval"
    assert f"Cora Controller decides in your place until {DEADLINE}." in taken.plain
    assert declined.subject == "Cora Controller does not decide in your place: Acme, approval"
    assert (
        "Your approvals still need your decision: decide them yourself, or ask somebody else."
        in declined.plain
    )

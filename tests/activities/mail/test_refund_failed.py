"""What mails say of a refund that failed, to whoever asked for it and to Finance."""

import inspect
import re

import pytest
import stripe

from billing.money.refund_report import FAILURES

from .contexts import API, DEADLINE, notice, render
from .money_contexts import DISPUTED, NOTE, REFUND, SIGNED, TITLE, a_refund, failed, refunded


def test_the_requester_hears_what_failed_why_and_what_to_do() -> None:
    mail = render(
        "refund_failed", failed(a_refund(), "failed:lost_or_stolen_card", after_success=True, number=2)
    )
    assert mail.subject == f"Failed after all: {TITLE}"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Your {TITLE} failed: the customer does not have the money.
This refund had been reported as succeeded, but has since failed.
It has failed twice so far.

In Stripe:
- USD 120.00, failed: the card was reported lost or stolen
  Retrying will not help: agree with the customer on another way.

The refund and its note are open again. You can retry it, or close it as is.

{REFUND}
{NOTE}
See what happened:
{API}/operations/op_1
{SIGNED}"""
    )


def test_the_reasons_are_those_that_stripe_gives() -> None:
    source = inspect.getsource(stripe.Refund)
    told = re.search(r"reason for the refund failure\. Possible values are: (.*)", source)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == set(FAILURES)


@pytest.mark.parametrize("reason", FAILURES)
def test_every_reason_for_a_failure_is_told_in_words_and_with_what_helps(reason: str) -> None:
    plain = render("refund_failed", failed(a_refund(), f"failed:{reason}")).plain
    _, told = plain.split("- USD 120.00, failed: ")
    why, advice = told.splitlines()[:2]
    assert "_" not in why + advice
    assert why.count(" ") > 3
    assert advice.startswith("  ")
    assert advice.endswith(".")


def test_a_reason_that_stripe_adds_later_is_shown_as_it_is() -> None:
    plain = render("refund_failed", failed(a_refund(), "failed:solar_flare")).plain
    assert "failed: Stripe's reason is solar_flare\n  Retrying may help" in plain


def test_a_refund_that_failed_in_part_says_which_part_came_through() -> None:
    mail = render("refund_failed", failed(a_refund(payments=2), "succeeded", "failed:declined"))
    assert mail.subject == f"Failed in part: {TITLE}"
    assert "failed in part: the customer does not have all of the money." in mail.plain
    assert "USD 100.00 reached the customer, USD 20.00 did not." in mail.plain
    assert "had been reported as succeeded" not in mail.plain
    assert "so far" not in mail.plain


def test_a_part_that_stripe_refused_is_told_with_the_refusal() -> None:
    context = failed(a_refund(payments=2), "refused", "not_tried", problem=DISPUTED.model_dump())
    plain = render("refund_failed", context).plain
    assert "- USD 100.00, refused by Stripe\n- USD 20.00, not tried\n" in plain
    assert "\nThe customer disputes the charge.\nHow to fix it: Answer the dispute" in plain


def test_the_third_failure_is_counted() -> None:
    mail = render("refund_failed", failed(a_refund(), "failed", number=3))
    assert mail.subject == f"Failed again: {TITLE}"
    assert "It has failed 3 times so far." in mail.plain


# --- Finance ------------------------------------------------------------------------------------------


def test_finance_hears_of_a_failed_refund_with_what_it_means_for_the_books() -> None:
    result = refunded(a_refund(), "failed:declined")
    mail = render("notice", notice("refund_failed", a_refund(), result=result, after_success=True))
    assert mail.subject == f"Failed: {TITLE}"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

A {TITLE} failed in Stripe: the customer does not have the money.
It had been reported as succeeded, so it may already be in the books.
Money that does not reach the customer stays in your Stripe balance, or returns to it. The person who
requested the refund can retry or close it.

In Stripe:
- USD 120.00, failed: the customer's bank declined it
  Retrying may help; otherwise agree with the customer on another way.

{REFUND}
{NOTE}
Please confirm by {DEADLINE} that you have seen this. After that, it is escalated to the controllers.

Confirm that you have seen it:
{API}/finance/ntc_1
{SIGNED}"""
    )


def test_finance_hears_of_a_refund_that_came_through_in_part() -> None:
    subject = a_refund(payments=2)
    result = refunded(subject, "succeeded", "failed:declined")
    mail = render("notice", notice("refund_incomplete", subject, result=result))
    assert mail.subject == f"Incomplete: {TITLE}"
    assert "came through in part: of several payments, not all could be refunded." in mail.plain
    assert "USD 100.00 reached the customer, USD 20.00 did not." in mail.plain


def test_the_controller_hears_which_kind_of_refund_finance_has_not_acknowledged() -> None:
    for kind, word in (("refund_failed", "failed"), ("refund_incomplete", "incomplete")):
        mail = render("notice_escalated", notice(kind, a_refund()))
        assert mail.subject == f"Finance has not confirmed: {word} {TITLE}"
        assert f"by {DEADLINE} and has not." in mail.plain

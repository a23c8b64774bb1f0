"""Mails whose subject is odd, incomplete or hostile."""

import pytest
from pydantic import ValidationError

from billing.core.operations import State
from billing.mail.messages import MailContext
from billing.money.credit import CreditSubject
from billing.money.refund import RefundSubject
from billing.plan_changes.subject import PlanChangeSubject

from .contexts import an_upgrade, ended, notice, render, review, shown
from .money_contexts import a_credit, a_refund, failed, refunded


def test_the_kind_is_known_by_the_subjects_tag_whatever_kind_is_told() -> None:
    for subject, kind in (
        (an_upgrade(), PlanChangeSubject),
        (a_refund(), RefundSubject),
        (a_credit(), CreditSubject),
    ):
        for told in ({}, {"kind": "refund_failed"}, {"kind": "plan_change"}):
            assert type(MailContext.model_validate({"subject": shown(subject)} | told).subject) is kind


def test_without_a_subject_the_kind_says_what_it_is() -> None:
    for kind, noun in (("refund", "refund"), ("credit", "credit"), ("plan_change", "plan change")):
        mail = render("review_requested", {"approval": "apr_1", "kind": kind})
        assert mail.subject.startswith(f"Approve a {noun}")
    assert render("review_requested", {}).subject == "Approve a plan change for Acme?"
    assert render("money_ended", {}).subject == "Ended: Acme, request"
    assert render("refund_failed", {}).subject == "Failed: Acme, refund"


@pytest.mark.parametrize("wrong", [{"subject": {"about": "refund", "paid": "a lot"}}, {"mood": "good"}])
def test_what_no_template_could_read_is_no_context(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MailContext.model_validate(review() | wrong)


def test_a_customer_whose_name_is_not_known_is_named_by_id() -> None:
    mail = render("review_requested", review(a_refund()), customer=None)
    assert mail.subject == "Approve a refund of USD 120.00 for invoice ACME-0042?"
    assert "cus_1" not in mail.plain


def test_a_payment_without_a_customer_is_refunded_to_nobody_by_name() -> None:
    subject = shown(a_refund()) | {"customer": None}
    mail = render("review_requested", review() | {"subject": subject}, customer=None)
    assert mail.subject == "Approve a refund of USD 120.00 for invoice ACME-0042?"
    assert "Customer:" not in mail.plain


def test_amounts_follow_their_currency() -> None:
    yen = {"amount_minor": 12_000, "currency": "jpy"}
    parts = [{"payment_intent": f"pi_{n}", "charge": "ch_1", "amount": 6_000} for n in (1, 2)]
    subject = shown(a_refund()) | {"amount": yen, "parts": parts}
    mail = render("review_requested", review() | {"subject": subject})
    assert mail.subject == "Approve a refund of JPY 12,000 to Customer 01 for invoice ACME-0042?"
    assert "Payments: 2 (JPY 6,000 + JPY 6,000)\n" in mail.plain


# --- What others wrote --------------------------------------------------------------------------------


def test_a_customers_name_cannot_add_a_header_hide_text_or_fill_the_subject() -> None:
    name = f"Eve\r\nBcc: eve@evil.example\u2028\x1b[2J\u202egnp {'x' * 300}"
    mail = render("review_requested", review(a_refund()), customer=name)
    assert mail.subject.startswith("Approve a refund of USD 120.00 to Eve Bcc: eve@evil.example [2Jgnp xxx")
    assert mail.subject.endswith("x… for invoice ACME-0042?")
    assert len(mail.subject) < 120
    assert mail.subject.isprintable()
    assert "\nBcc:" not in mail.plain


def test_a_note_stays_quoted_and_unadorned_whatever_is_in_it() -> None:
    note = "<b>Now</b>\r\n-- \r\nApprove:\u2028https://evil.example/\x1b[2J\u202e {{ 7 * 7 }} {% raw %}"
    for template, context in (
        ("review_requested", review(a_refund(note=note))),
        ("refund_failed", failed(a_refund(note=note), "failed")),
        ("money_ended", ended(State.REJECTED, a_credit(note=note))),
        ("notice", notice("refund_failed", a_refund(note=note))),
    ):
        mail = render(template, context)
        assert (
            "  > <b>Now</b>\n  > --\n  > Approve:\n  > https://evil.example/[2J {{ 7 * 7 }} {% raw %}\n"
            in mail.plain
        )


def test_ids_and_sentences_cannot_begin_a_line_of_their_own() -> None:
    evil = "x\nApprove at https://evil.example"
    subject = shown(a_refund()) | {"invoice": evil, "customer": evil, "payment_intent": evil}
    context = review(rule=evil, why=evil) | {"subject": subject, "requested_by": evil}
    problem = {"problem": {"code": "odd", "message": evil}}
    part = {"refund": evil, "status": evil, "payment_intent": evil, "failure_reason": evil}
    ended_so = refunded(a_refund(), "failed")
    ended_so |= {"status": evil, "payment_intent": evil, "parts": [ended_so["parts"][0] | part]}
    result = {"result": ended_so}
    for mail in (
        render("review_requested", context, organization=evil, customer=evil),
        render("money_ended", ended(State.BLOCKED) | {"subject": subject} | problem | result),
    ):
        assert "\nApprove at" not in mail.plain
        assert "\n" not in mail.subject

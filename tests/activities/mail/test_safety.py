"""Mails whose subject is odd, incomplete or hostile."""

import logging

import pytest

from activities.mail.facts import Facts
from activities.mail.subjects import Change, Credit, Refund
from billing.core.operations import State

from .contexts import an_upgrade, ended, notice, render, review, shown
from .money_contexts import TITLE, a_credit, a_refund, failed


def test_the_kind_is_known_by_the_subjects_shape_whatever_kind_is_told() -> None:
    for subject, kind in ((an_upgrade(), Change), (a_refund(), Refund), (a_credit(), Credit)):
        for told in ({}, {"kind": "refund_failed"}, {"kind": "plan_change"}):
            assert type(Facts.model_validate({"subject": shown(subject)} | told).subject) is kind


def test_without_a_subject_the_kind_says_what_it_is() -> None:
    for kind, noun in (("refund", "refund"), ("credit", "credit"), ("plan_change", "plan change")):
        mail = render("review_requested", {"approval": "apr_1", "kind": kind})
        assert mail.subject.startswith(f"Approve a {noun}")
    assert render("review_requested", {}).subject == "Approve a plan change of Acme?"
    assert render("money_ended", {}).subject == "Ended: Acme, refund or credit"
    assert render("refund_failed", {}).subject == "Failed: Acme, refund"


def test_a_part_that_cannot_be_read_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    subject = shown(a_refund()) | {"paid": "a lot", "parts": 7}
    with caplog.at_level(logging.WARNING, logger="activities.mail.results"):
        mail = render("review_requested", review() | {"subject": subject})
    assert mail.subject == f"Approve a {TITLE}?"
    assert "Paid:" not in mail.plain
    assert [record.getMessage() for record in caplog.records] == [
        "a mail goes without Refund.parts, which can't be read",
        "a mail goes without Refund.paid, which can't be read",
    ]


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
        ("notice", notice("refund_failed", shown(a_refund(note=note)))),
    ):
        mail = render(template, context)
        assert (
            "  > <b>Now</b>\n  > --\n  > Approve:\n  > https://evil.example/[2J {{ 7 * 7 }} {% raw %}\n"
            in mail.plain
        )


def test_ids_and_sentences_cannot_begin_a_line_of_their_own() -> None:
    evil = "x\nApprove at https://evil.example"
    subject = shown(a_refund()) | {"invoice": evil, "customer": evil, "payment_intent": evil, "reason": evil}
    context = review(rule=evil, why=evil) | {"subject": subject, "requested_by": evil}
    problem = {"problem": {"code": "odd", "message": evil}}
    result = {"result": {"refund": evil, "status": evil, "payment_intent": evil}}
    for mail in (
        render("review_requested", context, organization=evil, customer=evil),
        render("money_ended", ended(State.BLOCKED) | {"subject": subject} | problem | result),
    ):
        assert "\nApprove at" not in mail.plain
        assert "\n" not in mail.subject

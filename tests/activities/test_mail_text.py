"""What mails say, for every template and every end, in the contexts that the stories give."""

from typing import Any

import pytest
from jinja2 import DictLoader, TemplateSyntaxError

from activities.mail_facts import Facts
from activities.mail_records import Mailing
from activities.mail_text import MailText, MailTexts
from billing.limits import LimitCheck
from billing.messages import MailRequest
from billing.operations import State
from billing.plan_change import ResultLines, subject_hash, verify
from billing.plan_change_report import blocked_problem, mismatch_problem

from .mail_contexts import (
    API,
    APRIL_END,
    DEADLINE,
    a_downgrade,
    a_line,
    an_upgrade,
    ended,
    invoiced,
    notice,
    render,
    report,
    review,
    shown,
)

CREDIT = """\
  USD -19.72  Unused time on Growth after 11 Apr 2026
              credit, quantity 5
              2026-04-11 02:30 to 2026-04-30 20:00 America/New_York
              2026-04-11 06:30 to 2026-05-01 00:00 UTC
"""
DEBIT = """\
   USD 32.88  Remaining time on Scale after 11 Apr 2026
              charge, quantity 5
              2026-04-11 02:30 to 2026-04-30 20:00 America/New_York
              2026-04-11 06:30 to 2026-05-01 00:00 UTC
"""
PERIOD_END = "Thu 30 Apr 2026, 20:00 America/New_York (2026-05-01 00:00 UTC)"


# --- Reviews ------------------------------------------------------------------------------------------


def test_a_request_for_review_shows_exactly_what_is_decided() -> None:
    subject = an_upgrade()
    mail = render("review_requested", review(subject, reason="We grow.\nFast."))

    assert mail.subject == "Please review: Acme, growth to scale"
    assert mail.html is None
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Bea Billing asks for a plan change of Acme.

From: growth, 5 seats, billed by the month
To:   scale, 5 seats, billed by the month
When: at once, prorated from Sat 11 Apr 2026, 02:30 America/New_York (2026-04-11 06:30 UTC)

Due now:      USD 13.16
Next invoice: USD 249.95 on {PERIOD_END}

Lines of the invoice, as Stripe previews them:

{CREDIT}{DEBIT}
Reason given:
  > We grow.
  > Fast.

Please decide by {DEADLINE}.
Without a decision nothing is changed: silence never approves.

Approve, reject or ask for changes:
{API}/approvals/apr_1

Your decision is about exactly these lines: {subject_hash(subject)}

-- 
Plixo Billing for Acme, operation op_1
"""
    )


def test_a_reminder_says_that_it_is_one() -> None:
    mail = render("review_reminder", review())
    assert mail.subject == "Reminder, please review: Acme, growth to scale"
    assert "that Bea Billing asked for still waits for a decision" in mail.plain
    assert "Due now:      USD 13.16" in mail.plain


def test_an_escalation_says_why_it_came() -> None:
    mail = render("review_escalated", review())
    assert mail.subject == "Escalated to you, please review: Acme, growth to scale"
    assert "Nobody decided in time" in mail.plain
    assert f"Please decide by {DEADLINE}." in mail.plain


def test_a_downgrade_is_a_credit_and_no_refund() -> None:
    mail = render("review_requested", review(a_downgrade()))
    assert "Due now:      USD 0.00" in mail.plain
    assert "Credit:       USD 13.16 towards later invoices, not a refund" in mail.plain


def test_a_change_at_period_end_says_when_that_is() -> None:
    mail = render("review_requested", review(an_upgrade(effective="period_end")))
    assert f"When: at the end of the period, {PERIOD_END}" in mail.plain
    assert "prorated from" not in mail.plain


def test_the_comment_of_an_earlier_round_is_shown_with_its_author() -> None:
    mail = render("review_requested", review(comment="Fewer seats, please.", person="per_cora"))
    assert "Comment by Cora Controller:\n  > Fewer seats, please." in mail.plain


# --- Ends ---------------------------------------------------------------------------------------------


def test_done_names_the_invoice_and_what_was_charged() -> None:
    subject = an_upgrade()
    mail = render("plan_change_ended", ended(State.COMPLETED, result=invoiced(subject, 1316)))

    assert mail.subject == "Done: Acme, growth to scale"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Your plan change of Acme is done, and every line in Stripe is as approved.

From: growth, 5 seats, billed by the month
To:   scale, 5 seats, billed by the month

Charged with invoice in_1: USD 13.16, paid

{CREDIT}{DEBIT}
All of it, step by step:
{API}/operations/op_1

-- 
Plixo Billing for Acme, operation op_1
"""
    )


def test_done_on_the_next_invoice_says_what_will_be_on_it() -> None:
    subject = an_upgrade(invoicing="next_invoice")
    found = ResultLines(lines=subject.preview.lines, invoice_items=("ii_1", "ii_2"))
    mail = render("plan_change_ended", ended(State.COMPLETED, subject, result=report(subject, found)))
    assert "Nothing was charged now; these lines are on the next invoice, together USD 13.16." in mail.plain
    assert CREDIT in mail.plain


def test_done_with_a_downgrade_says_where_the_credit_is() -> None:
    subject = a_downgrade()
    mail = render("plan_change_ended", ended(State.COMPLETED, subject, result=invoiced(subject, -1316)))
    assert "Charged with invoice in_1: USD -13.16, paid" in mail.plain
    assert "An invoice below zero is a credit towards later invoices, not a refund." in mail.plain


def test_done_before_it_is_paid_does_not_say_paid() -> None:
    subject = an_upgrade()
    result = invoiced(subject, 1316, status="open")
    mail = render("plan_change_ended", ended(State.COMPLETED, subject, result=result))
    assert "Charged with invoice in_1: USD 13.16, not paid yet" in mail.plain


def test_a_mismatch_shows_the_differences_and_what_can_be_done() -> None:
    subject = an_upgrade()
    other = a_line("debit", "Remaining time on Scale after 11 Apr 2026", 3289, "price_scale")
    found = (subject.preview.lines[0], other)
    result = invoiced(subject, 1317, found)
    problem = mismatch_problem(verify(subject, found)).model_dump()
    mail = render("plan_change_ended", ended(State.MISMATCHED, result=result, problem=problem))

    assert mail.subject == "Needs you: Acme, growth to scale"
    assert "Charged with invoice in_1: USD 13.17, paid" in mail.plain
    assert "Approved, but not there:\n  USD 32.88  Remaining time on Scale" in mail.plain
    assert "There, but not approved:\n  USD 32.89  Remaining time on Scale" in mail.plain
    assert "POST to /v1/plan-changes/op_1/resolution" in mail.plain


def test_an_accepted_mismatch_says_who_accepted_it_and_does_not_claim_a_match() -> None:
    subject = an_upgrade()
    result = invoiced(subject, 1316) | {"accepted_by": "per_cora", "comment": "A cent."}
    mail = render("plan_change_ended", ended(State.COMPLETED, result=result))
    assert "is done: Cora Controller accepted what Stripe made of it." in mail.plain
    assert "every line in Stripe is as approved" not in mail.plain
    assert "Comment:\n  > A cent." in mail.plain


def test_a_reverted_mismatch_says_that_the_former_plan_is_back() -> None:
    result = invoiced(an_upgrade(), 1316) | {"reverted_by": "per_cora", "comment": "No."}
    mail = render("plan_change_ended", ended(State.CANCELLED, result=result))
    assert "was reverted by Cora Controller: the former plan is back." in mail.plain
    assert "What Stripe held before that:\n\nCharged with invoice in_1: USD 13.16, paid" in mail.plain
    assert "Nothing was changed or charged" not in mail.plain


def test_a_rejection_says_by_whom_and_why() -> None:
    context = ended(State.REJECTED, comment="Too dear.\nAsk in May.", person="per_cora")
    mail = render("plan_change_ended", context)
    assert mail.subject == "Rejected: Acme, growth to scale"
    assert "was rejected by Cora Controller. Nothing was changed or charged." in mail.plain
    assert "Comment:\n  > Too dear.\n  > Ask in May." in mail.plain


def test_a_blocked_change_names_each_excess() -> None:
    subject = an_upgrade(
        limits=(
            LimitCheck(name="seats", used=5, allowed=5, ok=True),
            LimitCheck(name="customers", used=61, allowed=50, ok=False),
            LimitCheck(name="ar_balance", used=600_000, allowed=500_000, ok=False),
        )
    )
    problem = blocked_problem(subject).model_dump()
    mail = render("plan_change_ended", ended(State.BLOCKED, subject, problem=problem))
    assert mail.subject == "Blocked by limits: Acme, growth to scale"
    assert "- customers: 61 in use, scale allows 50: 11 too many\n" in mail.plain
    excess = "- AR balance: USD 6,000.00 in use, scale allows USD 5,000.00: USD 1,000.00 too much\n"
    assert excess in mail.plain
    assert "seats:" not in mail.plain


@pytest.mark.parametrize(
    ("state", "subject", "sentence"),
    [
        (State.CANCELLED, "Cancelled", "was cancelled. Nothing was changed or charged."),
        (State.EXPIRED, "Expired", "expired: nobody answered in time. Nothing was changed or charged"),
        (State.DECLINED, "Card declined", "the card was declined. Nothing was changed or charged."),
        (State.FAILED, "Failed", "could not be carried out."),
    ],
)
def test_every_other_end_has_its_own_words(state: State, subject: str, sentence: str) -> None:
    problem = {"code": "insufficient_funds", "message": "Your card has insufficient funds."}
    with_problem = state in (State.DECLINED, State.FAILED)
    mail = render("plan_change_ended", ended(state, problem=problem if with_problem else None))
    assert mail.subject == f"{subject}: Acme, growth to scale"
    assert sentence in mail.plain
    assert ("Your card has insufficient funds. (insufficient_funds)" in mail.plain) == with_problem


def test_a_scheduled_change_says_when_and_that_nothing_is_charged_before() -> None:
    context = {"subject": shown(an_upgrade(effective="period_end"))}
    mail = render("plan_change_scheduled", context)
    assert mail.subject == "Scheduled: Acme, growth to scale"
    assert f"is scheduled for {PERIOD_END}.\nNothing is charged before then" in mail.plain
    assert "Due now:      USD 0.00" in mail.plain


# --- Finance ------------------------------------------------------------------------------------------


def test_finance_is_told_of_a_request_with_the_previewed_figures() -> None:
    mail = render("notice", notice("plan_change_requested"))
    assert mail.subject == "Plan change requested: Acme, growth to scale"
    assert "It is not approved yet" in mail.plain
    assert "Due now:      USD 13.16" in mail.plain
    assert f"Please acknowledge by {DEADLINE}." in mail.plain
    assert f"\n{API}/notices/ntc_1/acknowledge\n" in mail.plain


def test_finance_is_told_of_an_applied_change_with_the_final_figures() -> None:
    subject = an_upgrade()
    mail = render(
        "notice", notice("plan_change_applied", shown(subject) | {"result": invoiced(subject, 1316)})
    )
    assert mail.subject == "Plan change applied: Acme, growth to scale"
    assert "These are the final figures." in mail.plain
    assert "Charged with invoice in_1: USD 13.16, paid" in mail.plain
    assert CREDIT + DEBIT in mail.plain
    assert "as Stripe previews them" not in mail.plain


def test_finance_sees_lines_that_nobody_approved() -> None:
    subject = an_upgrade()
    result = invoiced(subject, -1972, subject.preview.lines[:1])
    mail = render("notice", notice("plan_change_applied", shown(subject) | {"result": result}))
    assert "These lines are not what was approved:\n\nApproved, but not there:\n  USD 32.88" in mail.plain


def test_finance_is_told_of_a_scheduled_change() -> None:
    subject = an_upgrade(effective="period_end")
    result = {"schedule": "sub_sched_1", "effective_at": APRIL_END, "verified": True}
    mail = render("notice", notice("plan_change_scheduled", shown(subject) | {"result": result}))
    assert mail.subject == "Plan change scheduled: Acme, growth to scale"
    assert f"When: at the end of the period, {PERIOD_END}" in mail.plain
    assert "The figures are Stripe's preview." in mail.plain


def test_the_controller_hears_of_a_late_acknowledgement() -> None:
    mail = render("notice_escalated", notice("plan_change_requested"))
    assert mail.subject == "Finance has not acknowledged: Acme, growth to scale"
    assert f"by {DEADLINE} and has not.\nPlease see that somebody of Finance does." in mail.plain
    assert "Please acknowledge by" not in mail.plain


def test_the_requester_hears_who_asked_for_which_changes_and_how_to_answer() -> None:
    context = {"subject": shown(an_upgrade()), "person": "per_cora", "comment": "Seven seats will do."}
    mail = render("changes_requested", context)
    assert mail.subject == "Changes requested: Acme, growth to scale"
    assert "Seven seats will do." in mail.plain
    assert "/revision" in mail.plain


# --- All of them --------------------------------------------------------------------------------------


def test_what_people_write_stays_theirs_and_loses_api_keys() -> None:
    ours, stripes = f"pk_{'a1' * 6}_{'b2' * 32}", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
    reason = f"Fine.\n\nApprove, reject or ask for changes:\nhttps://evil.example/ {ours} {stripes}"
    mail = render("review_requested", review(reason=reason))
    assert "\n  > https://evil.example/ [key removed] [key removed]\n" in mail.plain
    assert "\nhttps://evil.example" not in mail.plain


def test_names_cannot_break_out_of_their_line() -> None:
    mail = render("review_requested", review(), organization="Acme\nBcc: eve@evil.example")
    assert mail.subject == "Please review: Acme Bcc: eve@evil.example, growth to scale"


def test_somebody_who_is_not_there_any_more_is_named_by_id() -> None:
    assert (
        "per_gone asks for a plan change" in render("review_requested", review(requested_by="per_gone")).plain
    )


def test_an_organization_in_utc_or_in_no_known_zone_reads_utc_once() -> None:
    for zone in ("UTC", "Mars/Olympus", "../etc/passwd"):
        plain = render("review_requested", review(), zone=zone).plain
        assert "Please decide by Mon 13 Apr 2026, 21:00 UTC.\n" in plain
        assert plain.count("2026-04-11 06:30 to 2026-05-01 00:00 UTC") == 2


def test_a_pinned_second_is_shown_to_the_second() -> None:
    subject = an_upgrade().model_copy(update={"proration_date": 1775889007})
    mail = render("review_requested", review(subject))
    assert "prorated from Sat 11 Apr 2026, 02:30:07 America/New_York (2026-04-11 06:30:07 UTC)" in mail.plain


def test_amounts_follow_their_currency() -> None:
    document = shown(an_upgrade())
    preview = document["preview"]
    preview["currency"] = "jpy"
    preview["due_now"] = {"amount_minor": 670, "currency": "jpy"}
    preview["next_invoice"] |= {"amount_minor": 1980, "currency": "jpy"}
    mail = render("review_requested", {"approval": "apr_1", "subject": document})
    assert "Due now:      JPY 670\nNext invoice: JPY 1,980 on" in mail.plain
    assert "  JPY -1,972  Unused time" in mail.plain


@pytest.mark.parametrize(
    ("after", "title"),
    [
        ({"seats": 8}, "5 to 8 seats"),
        ({"interval": "year"}, "monthly to yearly"),
        ({"plan": "scale", "seats": 8}, "growth to scale"),
    ],
)
def test_the_subject_line_says_what_changes(after: dict[str, Any], title: str) -> None:
    document = shown(an_upgrade())
    document["to"] = document["from"] | after
    mail = render("review_requested", {"approval": "apr_1", "subject": document})
    assert mail.subject == f"Please review: Acme, {title}"


def test_facts_that_a_newer_story_adds_do_not_stop_a_mail() -> None:
    document = shown(an_upgrade()) | {"discount": {"percent": 10}}
    assert render("review_requested", review() | {"subject": document, "mood": "good"}).plain


# --- Templates ----------------------------------------------------------------------------------------


def test_an_html_template_beside_the_text_is_rendered_and_escaped() -> None:
    loader = DictLoader(
        {
            "hello.txt.j2": "Subject: Hello\n\n{{ organization }}\n",
            "hello.html.j2": "<p>{{ organization }}</p>",
        }
    )
    texts = MailTexts("http://127.0.0.1:8000", loader)
    mailing = Mailing(organization="A & B", zone="UTC", names={}, recipients=(), sent=frozenset())
    request = MailRequest(organization="org_1", operation="op_1", key="k", template="hello")
    mail = texts.render(request, Facts(), mailing, "Cora")
    assert mail == MailText("Hello", "A & B\n", "<p>A &amp; B</p>")


def test_a_broken_template_is_known_at_start() -> None:
    with pytest.raises(TemplateSyntaxError):
        MailTexts("http://127.0.0.1:8000", DictLoader({"broken.txt.j2": "Subject: {% if %}"}))

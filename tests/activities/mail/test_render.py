"""What mails say, for every template and every end, in the contexts that the workflows give."""

import re
from typing import Any

import pytest
from jinja2 import DictLoader, TemplateSyntaxError

from activities.mail.records import Mailing
from activities.mail.render import MailTexts
from billing.cancellations.report import ended_sooner_problem, taken_back_problem
from billing.core.operations import Problem, State
from billing.mail.messages import MailContext, MailRequest
from billing.plan_changes.limits import LimitCheck
from billing.plan_changes.obstacles import PlannedEnd
from billing.plan_changes.report import (
    ScheduledPlanChange,
    blocked_problem,
    mismatch_problem,
    replaced_problem,
)
from billing.plan_changes.subject import WaitingChange
from billing.plan_changes.verification import ResultLines, verify

from ...billing.cancellations.made import a_cancellation
from .contexts import (
    API,
    APRIL_END,
    DEADLINE,
    GROWTH,
    TEXTS,
    a_downgrade,
    a_line,
    an_upgrade,
    ended,
    invoiced,
    notice,
    payment_due,
    render,
    report,
    reverted,
    review,
    shown,
    unpaid,
    unread_revert,
)

CREDIT = """\
  USD -19.72  Unused time on Growth after 11 Apr 2026
              credit for 5 seats, Apr 11, 2026 to Apr 30, 2026
"""
DEBIT = """\
   USD 32.88  Remaining time on Scale after 11 Apr 2026
              charge for 5 seats, Apr 11, 2026 to Apr 30, 2026
"""
PERIOD_END = "Thu, Apr 30, 2026, 8:00 PM EDT"


# --- Reviews ------------------------------------------------------------------------------------------


def test_a_request_for_review_shows_exactly_what_is_decided() -> None:
    subject = an_upgrade()
    mail = render("review_requested", review(subject, reason="We grow.\nFast."))

    assert mail.subject == "Approve the plan change for Acme, Growth to Scale (USD 13.16 due now)?"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Bea Billing requests a plan change for Acme.

From: Growth, 5 seats, billed by the month
To:   Scale, 5 seats, billed by the month
When: immediately, prorated to the second

Due now:      USD 13.16
Next invoice: USD 249.95 on {PERIOD_END}

Lines of the invoice, as Stripe previews them:

{CREDIT}{DEBIT}
Reason given:
  > We grow.
  > Fast.

Please decide by {DEADLINE}.
If nobody decides by then, the request expires and nothing is changed.

Decide here:
{API}/approvals/apr_1

-- 
Plixo Billing for Acme
"""
    )


def test_a_reminder_says_that_it_is_one() -> None:
    mail = render("review_reminder", review())
    assert mail.subject == "Reminder: approve the plan change for Acme, Growth to Scale (USD 13.16 due now)?"
    assert "that Bea Billing requested is still waiting for a decision" in mail.plain
    assert "Due now:      USD 13.16" in mail.plain


def test_an_escalation_says_why_it_came() -> None:
    mail = render("review_escalated", review())
    assert mail.subject == "Your turn: approve the plan change for Acme, Growth to Scale (USD 13.16 due now)?"
    assert "Nobody decided in time" in mail.plain
    assert f"Please decide by {DEADLINE}." in mail.plain


def test_a_downgrade_is_a_credit_and_no_refund() -> None:
    mail = render("review_requested", review(a_downgrade()))
    assert "Due now:      USD 0.00" in mail.plain
    assert "Credit:       USD 13.16 toward later invoices, not a refund" in mail.plain


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

    assert mail.subject == "Done: Acme, Growth to Scale (USD 13.16 due now)"
    assert (
        mail.plain
        == f"""\
Hello Cora Controller,

Your plan change for Acme is done, and every line and amount in Stripe matches the approval.

From: Growth, 5 seats, billed by the month
To:   Scale, 5 seats, billed by the month

Charged on a separate invoice: USD 13.16, paid

{CREDIT}{DEBIT}
See what happened:
{API}/operations/op_1

-- 
Plixo Billing for Acme
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
    assert "Charged on a separate invoice: USD -13.16, paid" in mail.plain
    assert "A negative invoice is a credit toward later invoices, not a refund." in mail.plain


def test_done_before_it_is_paid_does_not_say_paid() -> None:
    subject = an_upgrade()
    result = invoiced(subject, 1316, status="open")
    mail = render("plan_change_ended", ended(State.COMPLETED, subject, result=result))
    assert "Charged on a separate invoice: USD 13.16, not paid yet" in mail.plain


def test_a_mismatch_shows_the_differences_and_what_can_be_done() -> None:
    subject = an_upgrade()
    other = a_line("debit", "Remaining time on Scale after 11 Apr 2026", 3289, "price_scale")
    found = (subject.preview.lines[0], other)
    result = invoiced(subject, 1317, found)
    problem = mismatch_problem(verify(subject, ResultLines(lines=found))).model_dump()
    mail = render("plan_change_ended", ended(State.MISMATCHED, result=result, problem=problem))

    assert mail.subject == "Needs your attention: Acme, Growth to Scale (USD 13.16 due now)"
    assert "Charged on a separate invoice: USD 13.17, paid" in mail.plain
    assert "Approved, but missing in Stripe:\n  USD 32.88  Remaining time on Scale" in mail.plain
    assert "In Stripe, but not approved:\n  USD 32.89  Remaining time on Scale" in mail.plain
    assert "ask a controller to accept it as it is, or restore the previous plan" in mail.plain


def test_what_takes_the_place_of_another_says_so_and_the_other_that_it_was_replaced() -> None:
    waiting = WaitingChange(operation="op_1", schedule="sub_sched_1", to=GROWTH, effective_at=1_769_904_000)
    subject = an_upgrade().model_copy(update={"replaces": waiting, "effective": "period_end"})
    problem = replaced_problem("op_2").model_dump()
    mail = render("plan_change_ended", ended(State.CANCELLED, problem=problem))
    told = render("notice", notice("plan_change_requested", subject))

    assert "was replaced by another one. Nothing was changed or charged." in mail.plain
    assert "Its place was taken by another request" in mail.plain
    assert "Replaces: the change to Growth" in told.plain


@pytest.mark.parametrize(
    ("problem", "subject"),
    [(taken_back_problem("op_2"), "Taken back: "), (ended_sooner_problem("op_2"), "Ended sooner: ")],
)
def test_a_planned_end_that_does_not_come_by_itself_was_not_withdrawn(problem: Problem, subject: str) -> None:
    planned = a_cancellation("at_period_end")
    mail = render("cancellation_ended", ended(State.CANCELLED, planned, problem=problem.model_dump()))
    assert mail.subject.startswith(subject)
    assert "does not take effect" in mail.plain
    assert "ithdrawn" not in mail.plain
    assert "Nothing was changed" not in mail.plain


def test_who_reviews_a_change_is_told_which_end_it_takes_back() -> None:
    end = PlannedEnd(at=1_777_593_600, at_period_end=True)
    subject = an_upgrade().model_copy(update={"takes_back": end})
    told = render("notice", notice("plan_change_requested", subject)).plain
    assert "Takes back: the end of the subscription, which was planned for Thu, Apr 30, 2026" in told


def test_an_accepted_mismatch_says_who_accepted_it_and_does_not_claim_a_match() -> None:
    subject = an_upgrade()
    result = invoiced(subject, 1316) | {"accepted_by": "per_cora", "comment": "A cent."}
    mail = render("plan_change_ended", ended(State.COMPLETED, result=result))
    assert "is done: Cora Controller accepted it as it is in Stripe." in mail.plain
    assert "matches the approval" not in mail.plain
    assert "Comment:\n  > A cent." in mail.plain


def test_a_reverted_mismatch_says_that_the_former_plan_is_back() -> None:
    result = invoiced(an_upgrade(), 1316) | {"reverted_by": "per_cora", "comment": "No."}
    mail = render("plan_change_ended", ended(State.CANCELLED, result=result))
    assert "was reverted by Cora Controller: the previous plan is in place again." in mail.plain
    assert "In Stripe before that:\n\nCharged on a separate invoice: USD 13.16, paid" in mail.plain
    assert "Nothing was changed or charged" not in mail.plain


def test_a_revert_says_what_it_billed_or_that_nobody_knows() -> None:
    done, nothing, unread = (
        render("plan_change_ended", ended(State.CANCELLED, result=result)).plain
        for result in (reverted(1316), reverted(0), unread_revert())
    )
    assert "For restoring the previous plan:\n\nCharged on a separate invoice: USD -13.16, paid" in done
    assert "Nothing was billed for restoring the previous plan." in nothing
    assert "What restoring the previous plan billed could not be read from Stripe." in unread


def test_a_mismatch_says_what_a_revert_would_bring() -> None:
    mail = render("plan_change_ended", ended(State.MISMATCHED, result=reverted(1316)))
    assert "A revert credits USD 13.16 to the balance at once." in mail.plain


def test_a_rejection_says_by_whom_and_why() -> None:
    context = ended(State.REJECTED, comment="Too dear.\nAsk in May.", person="per_cora")
    mail = render("plan_change_ended", context)
    assert mail.subject == "Rejected: Acme, Growth to Scale (USD 13.16 due now)"
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
    assert mail.subject == "Blocked by limits: Acme, Growth to Scale (USD 13.16 due now)"
    assert "- Customers: 61 in use, 50 allowed after the change: 11 too many\n" in mail.plain
    allowed = "USD 5,000.00 allowed after the change"
    assert f"- AR balance: USD 6,000.00 in use, {allowed}: USD 1,000.00 too much\n" in mail.plain
    assert "Seats:" not in mail.plain


@pytest.mark.parametrize(
    ("state", "subject", "sentence"),
    [
        (State.CANCELLED, "Cancelled", "was cancelled. Nothing was changed or charged."),
        (State.EXPIRED, "Expired", "expired: nobody decided in time. Nothing was changed or charged"),
        (State.DECLINED, "Card declined", "the card was declined. Nothing was changed or charged."),
        (State.FAILED, "Failed", "could not be carried out."),
    ],
)
def test_every_other_end_has_its_own_words(state: State, subject: str, sentence: str) -> None:
    problem = {"code": "insufficient_funds", "message": "Your card has insufficient funds."}
    with_problem = state in (State.DECLINED, State.FAILED)
    mail = render("plan_change_ended", ended(state, problem=problem if with_problem else None))
    assert mail.subject == f"{subject}: Acme, Growth to Scale (USD 13.16 due now)"
    assert sentence in mail.plain
    assert ("Your card has insufficient funds." in mail.plain) == with_problem


def test_who_pays_is_led_to_the_page_where_it_is_done() -> None:
    mail = render("plan_change_payment_due", payment_due("authentication"))
    assert mail.subject == "Confirm the payment: Acme, Growth to Scale (USD 13.16 due now)"
    assert "waits for its payment of USD 13.16. Until then the plan stays as it is." in mail.plain
    assert "Your bank asks you to confirm the payment." in mail.plain
    assert "If it is not paid by Sun, Apr 12, 2026, 1:30 AM EDT, Stripe drops the change" in mail.plain
    assert f"\n{API}/plans/invoices/in_9\n" in mail.plain
    refused = {"code": "generic_decline", "message": "Your card was declined."}
    again = render("plan_change_payment_due", payment_due("payment_method", problem=refused))
    assert again.subject.startswith("Pay: Acme")
    assert "The last try failed: Your card was declined. Pay with another card" in again.plain


def test_what_was_not_paid_in_time_is_said_to_be_so() -> None:
    problem = {"code": "payment_expired", "message": "The change was not paid in time."}
    mail = render("plan_change_ended", ended(State.EXPIRED, problem=problem))
    assert "expired: it was not paid in time." in mail.plain
    assert "nobody decided" not in mail.plain


def test_a_change_whose_debit_came_back_is_told_as_unpaid() -> None:
    subject = an_upgrade()
    mail = render("plan_change_ended", ended(State.MISMATCHED, subject, result=unpaid(subject)))
    assert "was applied as approved, but it is not paid: The change is there" in mail.plain
    finance = render("notice", notice("plan_change_applied", subject, result=unpaid(subject)))
    assert "was applied in Stripe, but it is not paid: The change is there" in finance.plain
    assert "USD 13.16, not paid yet" in finance.plain


def test_a_scheduled_change_says_when_and_that_nothing_is_charged_before() -> None:
    context = {"subject": shown(an_upgrade(effective="period_end"))}
    mail = render("plan_change_scheduled", context)
    assert mail.subject == "Scheduled: Acme, Growth to Scale (USD 13.16 on the next invoice)"
    assert f"is scheduled for {PERIOD_END}.\nNothing is charged before then" in mail.plain
    assert "Due now:      USD 0.00" in mail.plain


# --- Finance ------------------------------------------------------------------------------------------


def test_finance_is_told_of_a_request_with_the_previewed_figures() -> None:
    mail = render("notice", notice("plan_change_requested"))
    assert mail.subject == "Plan change requested: Acme, Growth to Scale (USD 13.16 due now)"
    assert "It is not approved yet" in mail.plain
    assert "Due now:      USD 13.16" in mail.plain
    assert f"Please confirm by {DEADLINE} that you have seen this." in mail.plain
    assert f"\n{API}/finance/ntc_1\n" in mail.plain


def test_finance_is_told_of_an_applied_change_with_the_final_figures() -> None:
    subject = an_upgrade()
    mail = render("notice", notice("plan_change_applied", subject, result=invoiced(subject, 1316)))
    assert mail.subject == "Plan change applied: Acme, Growth to Scale (USD 13.16 due now)"
    assert "These are the final figures." in mail.plain
    assert "Charged on a separate invoice: USD 13.16, paid" in mail.plain
    assert CREDIT + DEBIT in mail.plain
    assert "as Stripe previews them" not in mail.plain


def test_finance_is_told_of_a_revert_with_what_it_billed() -> None:
    mail = render("notice", notice("plan_change_reverted", an_upgrade(), result=reverted(1316)))
    assert mail.subject == "Plan change taken back: Acme, Growth to Scale (USD 13.16 due now)"
    assert "From: Scale, 5 seats, billed by the month\nTo:   Growth, 5 seats" in mail.plain
    assert "Charged on a separate invoice: USD -13.16, paid" in mail.plain
    assert "USD 13.16, paid" not in mail.plain


def test_finance_sees_lines_that_nobody_approved() -> None:
    subject = an_upgrade()
    result = invoiced(subject, -1972, subject.preview.lines[:1])
    mail = render("notice", notice("plan_change_applied", subject, result=result))
    assert "This is not what was approved:\n\nApproved, but missing in Stripe:\n  USD 32.88" in mail.plain


def test_finance_is_told_of_a_scheduled_change() -> None:
    subject = an_upgrade(effective="period_end")
    result = shown(ScheduledPlanChange(schedule="sub_sched_1", effective_at=APRIL_END))
    mail = render("notice", notice("plan_change_scheduled", subject, result=result))
    assert mail.subject == "Plan change scheduled: Acme, Growth to Scale (USD 13.16 on the next invoice)"
    assert f"When: at the end of the period, {PERIOD_END}" in mail.plain
    assert "The figures are Stripe's preview." in mail.plain


def test_the_controller_hears_of_a_late_acknowledgement() -> None:
    mail = render("notice_escalated", notice("plan_change_requested"))
    assert mail.subject == "Finance has not confirmed: Acme, Growth to Scale (USD 13.16 due now)"
    assert f"by {DEADLINE} and has not.\nPlease ask somebody in Finance to do so." in mail.plain
    assert "Please acknowledge by" not in mail.plain


def test_the_requester_hears_who_asked_for_which_changes_and_how_to_answer() -> None:
    context = {"subject": shown(an_upgrade()), "person": "per_cora", "comment": "Seven seats will do."}
    mail = render("changes_requested", context)
    assert mail.subject == "Changes requested: Acme, Growth to Scale (USD 13.16 due now)"
    assert "Seven seats will do." in mail.plain
    assert "Send a revised request or cancel it" in mail.plain


def test_the_requester_hears_why_a_revision_cannot_be_done() -> None:
    problem = {"code": "limits_exceeded", "message": "51 customers in use, Starter allows 50."}
    mail = render(
        "changes_requested", {"subject": shown(an_upgrade()), "person": "per_cora", "problem": problem}
    )
    assert "can't be done as it was revised: 51 customers in use, Starter allows 50." in mail.plain
    assert "asks for changes" not in mail.plain


# --- All of them --------------------------------------------------------------------------------------


def test_what_people_write_stays_theirs_and_loses_api_keys() -> None:
    ours, stripes = f"pk_{'a1' * 6}_{'b2' * 32}", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
    reason = f"Fine.\n\nDecide here:\nhttps://evil.example/ {ours} {stripes}"
    mail = render("review_requested", review(reason=reason))
    assert "\n  > https://evil.example/ [key removed] [key removed]\n" in mail.plain
    assert "\nhttps://evil.example" not in mail.plain


def test_names_cannot_break_out_of_their_line() -> None:
    mail = render("review_requested", review(), organization="Acme\nBcc: eve@evil.example")
    assert mail.subject == (
        "Approve the plan change for Acme Bcc: eve@evil.example, Growth to Scale (USD 13.16 due now)?"
    )


def test_somebody_who_is_not_there_any_more_is_not_named_by_id() -> None:
    plain = render("review_requested", review(requested_by="per_gone")).plain
    assert "a former colleague requests a plan change" in plain


def test_whoever_has_no_zone_that_is_known_reads_utc() -> None:
    for zone in ("UTC", "Mars/Olympus", "../etc/passwd"):
        plain = render("review_requested", review(), zone=zone).plain
        assert "Please decide by Mon, Apr 13, 2026, 9:00 PM UTC.\n" in plain
        assert plain.count("Apr 11, 2026 to May 1, 2026") == 2


def test_times_are_given_once_in_the_zone_of_the_reader() -> None:
    request = MailRequest(
        organization="org_1",
        operation="op_1",
        key="k",
        template="review_requested",
        context=MailContext.model_validate(review()),
    )
    mailing = Mailing("Acme", "America/New_York", {}, (), frozenset())
    zones = {"Europe/Berlin": "11:00 PM CEST", "Asia/Dubai": "UTC+04", None: "5:00 PM EDT"}
    for zone, clock in zones.items():
        plain = TEXTS.render(request, mailing, "Cora", zone=zone).plain
        [line] = [one for one in plain.splitlines() if one.startswith("Please decide by")]
        assert line.endswith(f"{clock}.")
        assert line.count(":") == 1


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
        ({"interval": "year"}, "monthly to yearly billing"),
        ({"plan": "scale", "seats": 8}, "Growth to Scale"),
    ],
)
def test_the_subject_line_says_what_changes(after: dict[str, Any], title: str) -> None:
    document = shown(an_upgrade())
    document["to"] = document["from"] | after
    mail = render("review_requested", {"approval": "apr_1", "subject": document})
    assert mail.subject == f"Approve the plan change for Acme, {title} (USD 13.16 due now)?"


# --- Templates ----------------------------------------------------------------------------------------


def test_the_html_is_made_of_the_text_and_escaped() -> None:
    loader = DictLoader(
        {
            "hello.txt.j2": "Subject: Hello\n\n{{ organization }}\n\nNote:\n  > <b>1 & 2</b>\n  > http://evil.example\n"
            "\nRead it:\n{{ console }}/operations/op_1\n"
        }
    )
    texts = MailTexts("http://127.0.0.1:8000", loader)
    mailing = Mailing(organization="A & B <i>", zone="UTC", names={}, recipients=(), sent=frozenset())
    request = MailRequest(organization="org_1", operation="op_1", key="k", template="hello")
    mail = texts.render(request, mailing, "Cora")
    assert mail.html is not None
    assert "A &amp; B &lt;i&gt;" in mail.html
    assert "&lt;b&gt;1 &amp; 2&lt;/b&gt;\nhttp://evil.example" in mail.html
    assert re.findall('href="([^"]*)"', mail.html) == ["http://127.0.0.1:8000/console/operations/op_1"]


@pytest.mark.parametrize("name", ["broken.txt.j2", "_part.txt.j2"])
def test_a_broken_template_is_known_at_start(name: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        MailTexts("http://127.0.0.1:8000", DictLoader({name: "Subject: {% if %}"}))

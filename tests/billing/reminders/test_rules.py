"""Which step is taken, and why not; how long it is caught up with; what comes next."""

from datetime import date
from typing import Any

import pytest

from billing.policy.portal import ReminderStep
from billing.reminders.rules import (
    WORDS,
    InvoiceFacts,
    NextReminder,
    StepDecision,
    UnsentReminder,
    decide,
    held_until,
    next_step,
    why_not,
    why_not_asked,
    words,
)

from .reminding import DUE_7D, at, facts, held, only, to, told, utc

# --- One step ------------------------------------------------------------------------------------------


def test_a_step_is_due_at_opening_time_of_its_day_where_the_customer_is():
    assert decide(facts(), at("2026-04-15 12:59:59")) == []
    assert decide(facts(), at("2026-04-15 13:00")) == [
        StepDecision("due-7d", "due", "due", utc("2026-04-15 13:00"))
    ]


def test_a_step_that_was_decided_is_not_decided_again():
    assert decide(facts(decided=frozenset({"due-7d"})), at("2026-04-15 14:00")) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "paid"}, "paid"),
        ({"status": "void"}, "void"),
        ({"status": "uncollectible"}, "uncollectible"),
        ({"status": "draft"}, "not_open"),
        ({"opted_out": True}, "opted_out"),
        ({"to": to(email=None)}, "no_address"),
        ({"bounced_address": "ann@customer.example"}, "bounced"),
        ({"paused": True}, "paused"),
        ({"paused": True, "paused_until": date(2026, 4, 16)}, "paused"),
        ({"collection_method": "charge_automatically"}, "not_collected"),
    ],
)
def test_a_step_is_skipped_and_says_why(fields, reason):
    assert decide(facts(**fields), at("2026-04-15 14:00")) == [
        StepDecision("due-7d", "skipped", reason, utc("2026-04-15 13:00"))
    ]
    assert next_step(facts(**fields), at("2026-04-15 14:00")) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"bounced_address": "ann@former.example"},
        {"paused": True, "paused_until": date(2026, 4, 15)},
        {"collection_method": "send_invoice"},
    ],
    ids=["another address bounced", "the pause is over on its last day", "Stripe does not charge by itself"],
)
def test_what_is_no_longer_in_the_way_skips_nothing(fields):
    assert told(facts(**fields), at("2026-04-15 14:00")) == [("due-7d", "due", "due")]


def test_a_pause_ends_when_its_day_begins_where_the_customer_is():
    paused = facts(paused=True, paused_until=date(2026, 4, 16), to=to("Pacific/Auckland"))

    assert why_not(paused, at("2026-04-15 11:59")) == "paused"
    assert why_not(paused, at("2026-04-15 12:00")) is None


def test_nobody_is_sent_to_a_portal_that_does_not_work():
    rules = at("2026-04-15 14:00", portal_incident=True)

    assert told(facts(), rules) == [("due-7d", "skipped", "portal_incident")]


def test_what_is_wrong_with_the_invoice_is_told_before_what_is_wrong_with_the_customer():
    both = facts(status="paid", opted_out=True, paused=True)

    assert told(both, at("2026-04-15 14:00")) == [("due-7d", "skipped", "paid")]


def test_of_several_steps_only_the_newest_goes_out():
    assert told(facts(), at("2026-04-21 13:00")) == [
        ("due-7d", "skipped", "newer_step"),
        ("due-1d", "due", "due"),
    ]


def test_of_two_steps_at_the_same_time_the_later_of_the_policy_goes_out():
    again = ReminderStep(name="again", of="approval_cycle", days=-7)
    same_day = facts(cycle_days=30)

    assert told(same_day, at("2026-04-15 14:00", policy=only(DUE_7D, again))) == [
        ("due-7d", "skipped", "newer_step"),
        ("again", "due", "due"),
    ]


def test_an_earlier_step_does_not_go_out_after_a_later_one():
    seen = facts(decided=frozenset({"due-1d"}))

    assert told(seen, at("2026-04-21 14:00")) == [("due-7d", "skipped", "newer_step")]


def test_every_reason_has_its_sentence():
    assert all(sentence.endswith(".") for sentence in WORDS.values())
    assert words("paid") == "The invoice is paid."
    assert words("from_the_future") == "from_the_future"


# --- The catch-up window -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "state", "reason"),
    [
        ("2026-04-15 13:00", "due", "due"),
        ("2026-04-16 20:59:59", "due", "due"),
        ("2026-04-17 13:00", "due", "due"),
        ("2026-04-18 13:00", "held", "weekend"),
        ("2026-04-18 13:00:01", "skipped", "missed"),
        ("2026-04-20 13:00", "skipped", "missed"),
    ],
)
def test_a_step_is_caught_up_with_for_72_hours(now, state, reason):
    assert told(facts(), at(now, policy=only(DUE_7D))) == [("due-7d", state, reason)]


def test_the_window_begins_when_the_step_could_first_be_taken():
    """Due on Saturday, 18 April; Monday at nine is the first chance, Thursday at nine the last."""
    due = facts(due_date=utc("2026-04-25 12:00"))

    assert decide(due, at("2026-04-18 13:00")) == [
        StepDecision("due-7d", "held", "weekend", utc("2026-04-20 13:00"))
    ]
    assert decide(due, at("2026-04-23 13:00")) == [
        StepDecision("due-7d", "due", "due", utc("2026-04-18 13:00"))
    ]
    assert told(due, at("2026-04-23 13:00:01")) == [("due-7d", "skipped", "missed")]


def test_a_held_step_whose_opening_was_missed_by_more_than_the_window_is_left_out():
    held = facts(
        decided=frozenset({"due-7d"}),
        unsent=(UnsentReminder("cml_1", "due-7d", "held", utc("2026-04-15 13:00")),),
    )

    assert decide(held, at("2026-04-18 13:00:01", policy=only(DUE_7D))) == [
        StepDecision("due-7d", "skipped", "missed", utc("2026-04-15 13:00"), "cml_1", "held")
    ]


# --- What comes next -----------------------------------------------------------------------------------


def test_the_next_step_is_sent_when_the_customers_hours_begin():
    """The 18th is a Saturday."""
    assert next_step(facts(due_date=utc("2026-04-25 12:00")), at("2026-04-10 12:00")) == NextReminder(
        "due-7d", utc("2026-04-18 13:00"), utc("2026-04-20 13:00")
    )


def test_a_step_that_is_due_now_is_the_next_one():
    assert next_step(facts(), at("2026-04-15 22:00")) == NextReminder(
        "due-7d", utc("2026-04-15 13:00"), utc("2026-04-16 13:00")
    )


def test_what_is_held_is_the_next_one():
    assert next_step(held(), at("2026-04-15 22:00")) == NextReminder(
        "due-7d", utc("2026-04-16 13:00"), utc("2026-04-16 13:00")
    )


def test_a_step_that_was_missed_is_not_waited_for():
    assert next_step(facts(), at("2026-04-19 12:00")) == NextReminder(
        "due-1d", utc("2026-04-21 13:00"), utc("2026-04-21 13:00")
    )


def test_what_is_held_and_was_moved_comes_on_its_new_day():
    assert next_step(held(due_date=utc("2026-05-06 12:00")), at("2026-04-15 22:00")) == NextReminder(
        "due-7d", utc("2026-04-29 13:00"), utc("2026-04-29 13:00")
    )


# --- Asked for by hand ---------------------------------------------------------------------------------


def asked(due_at: str = "2026-04-16 13:00", state: Any = "held", **fields: Any) -> InvoiceFacts:
    """Somebody asked in the evening of the 15th: it waits for Thursday at nine."""
    unsent = UnsentReminder("cml_1", "asked:k", state, utc(due_at), fields.pop("ours", False))
    return facts(decided=frozenset({"asked:k", "due-7d"}), unsent=(unsent,), **fields)


def test_what_somebody_asked_for_waits_for_the_customers_hours_and_then_goes_out():
    assert decide(asked(), at("2026-04-16 12:59")) == []
    assert told(asked(), at("2026-04-16 13:00")) == [("asked:k", "due", "due")]
    assert next_step(asked(), at("2026-04-16 01:00")) == NextReminder(
        "asked:k", utc("2026-04-16 13:00"), utc("2026-04-16 13:00")
    )


def test_what_somebody_asked_for_is_held_again_where_its_hour_is_over():
    assert told(asked(), at("2026-04-16 22:00")) == [("asked:k", "held", "quiet_hours")]


def test_what_somebody_asked_for_is_skipped_as_soon_as_it_is_paid():
    assert told(asked(status="paid"), at("2026-04-16 01:00")) == [("asked:k", "skipped", "paid")]


def test_a_run_does_not_decide_again_what_it_is_sending():
    assert decide(asked(state="due", ours=True), at("2026-04-16 14:00")) == []
    assert told(asked(state="due"), at("2026-04-16 14:00")) == [("asked:k", "due", "due")]


def test_nobody_is_reminded_by_hand_within_a_day_of_a_reminder():
    rules = at("2026-04-16 14:00")
    assert why_not_asked(facts(), rules, None) is None
    assert why_not_asked(facts(), rules, utc("2026-04-15 14:00")) is None
    assert why_not_asked(facts(), rules, utc("2026-04-15 14:01")) == "reminded_lately"
    assert why_not_asked(asked(), rules, None) == "reminded_lately"
    assert why_not_asked(facts(paused=True), rules, None) == "paused"


def test_by_hand_too_nobody_is_written_to_at_night():
    assert held_until(facts(), at("2026-04-16 14:00")) is None
    assert held_until(facts(), at("2026-04-16 01:00")) == utc("2026-04-16 13:00")

"""Reminders of links and approval cycles, and which link a mail carries."""

import pytest

from billing.reminders.rules import (
    NextReminder,
    StepDecision,
    UnsentReminder,
    decide,
    fresh_link_needed,
    next_step,
)

from .reminding import DUE_1D, DUE_7D, LINK_3D, OVERDUE_3D, POLICY, a_link, at, facts, only, utc


def test_the_approval_cycle_begins_when_the_invoice_was_issued():
    """Issued on 1 April with 30 days to approve: 1 May less five days is a Sunday."""
    found = facts(due_date=None, issued_at=utc("2026-04-01 12:00"), cycle_days=30)

    assert decide(found, at("2026-04-26 12:59")) == []
    assert decide(found, at("2026-04-26 13:00")) == [
        StepDecision("cycle-5d", "held", "weekend", utc("2026-04-27 13:00"))
    ]
    assert next_step(found, at("2026-04-20 12:00")) == NextReminder(
        "cycle-5d", utc("2026-04-26 13:00"), utc("2026-04-27 13:00")
    )


def test_without_a_due_date_a_cycle_and_a_link_there_is_nothing_to_remind_of():
    bare = facts(due_date=None)

    assert decide(bare, at("2027-04-15 14:00")) == []
    assert next_step(bare, at("2026-04-15 14:00")) is None


def test_each_link_is_reminded_of_once_before_it_expires():
    found = facts(due_date=None, link=a_link())

    assert decide(found, at("2026-05-05 12:59")) == []
    assert decide(found, at("2026-05-05 13:00")) == [
        StepDecision("link-3d:plk_1", "due", "due", utc("2026-05-05 13:00"))
    ]
    again = found._replace(decided=frozenset({"link-3d:plk_1"}))
    assert decide(again, at("2026-05-05 14:00")) == []
    newer = again._replace(link=a_link("plk_2", "2026-05-05 13:00", "2026-06-04 13:00"))
    assert decide(newer, at("2026-05-05 14:00")) == []
    assert next_step(newer, at("2026-05-05 14:00")) == NextReminder(
        "link-3d:plk_2", utc("2026-06-01 13:00"), utc("2026-06-01 13:00")
    )


def test_a_link_that_lives_shorter_than_the_step_is_long_has_none():
    short = facts(due_date=None, link=a_link(created="2026-05-06 12:00"))

    assert decide(short, at("2026-05-07 14:00")) == []


def test_a_held_reminder_of_a_link_that_was_replaced_is_gone():
    held = facts(
        due_date=None,
        link=a_link("plk_2", "2026-05-06 12:00", "2026-06-05 12:00"),
        decided=frozenset({"link-3d:plk_1"}),
        unsent=(UnsentReminder("cml_1", "link-3d:plk_1", "held", utc("2026-05-06 13:00")),),
    )

    assert decide(held, at("2026-05-06 12:30")) == [
        StepDecision("link-3d:plk_1", "skipped", "step_gone", utc("2026-05-06 13:00"), "cml_1", "held")
    ]


@pytest.mark.parametrize(
    ("link", "now", "step", "needed"),
    [
        (None, "2026-04-15 14:00", "due-7d", True),
        (a_link(), "2026-04-15 14:00", "due-7d", False),
        (a_link(expires="2026-04-15 14:00"), "2026-04-15 14:00", "due-7d", True),
        (a_link(expires="2026-04-21 13:00"), "2026-04-15 14:00", "due-7d", True),
        (a_link(expires="2026-04-21 13:00:01"), "2026-04-15 14:00", "due-7d", False),
        (a_link(), "2026-05-05 14:00", "link-3d:plk_1", True),
        (a_link("plk_2"), "2026-05-05 14:00", "link-3d:plk_1", True),
        (a_link(expires="2026-05-13 14:00:01"), "2026-05-06 14:00", "overdue-3d", False),
    ],
    ids=[
        "there is none",
        "it outlives the next step",
        "it has just died",
        "it dies with the next step",
        "it dies just after the next step",
        "the mail is about its end",
        "the mail is the last one, and it dies soon",
        "the link's own step comes next",
    ],
)
def test_a_mail_carries_a_link_that_lives_to_the_next_one(link, now, step, needed):
    policy = only(DUE_7D, DUE_1D, OVERDUE_3D) if not step.startswith("link") else POLICY
    if link and link.expires_at == utc("2026-05-13 14:00:01"):
        policy = only(DUE_7D, DUE_1D, OVERDUE_3D, LINK_3D)

    assert fresh_link_needed(facts(link=link), at(now, policy=policy), step) is needed


def test_the_link_of_the_last_reminder_lives_for_a_week():
    rules = at("2026-04-27 14:00", policy=only(OVERDUE_3D))

    assert fresh_link_needed(facts(link=a_link(expires="2026-05-04 14:00")), rules, "overdue-3d")
    assert not fresh_link_needed(facts(link=a_link(expires="2026-05-04 14:00:01")), rules, "overdue-3d")

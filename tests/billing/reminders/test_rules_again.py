"""What was decided and not sent is looked at again; and what always holds."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.business_time import is_open, next_opening
from billing.reminders.rules import (
    InvoiceFacts,
    LinkFacts,
    Rules,
    StepDecision,
    UnsentReminder,
    decide,
    why_not,
)

from .reminding import POLICY, ZONES, at, facts, held, to, told, utc

# --- What was decided and not sent ---------------------------------------------------------------------


def test_what_is_held_goes_out_at_the_opening_and_not_before():
    assert decide(held(), at("2026-04-16 12:59:59")) == []
    assert decide(held(), at("2026-04-16 13:00")) == [
        StepDecision("due-7d", "due", "due", utc("2026-04-15 13:00"), "cml_1", "held")
    ]


def test_what_is_held_is_held_again_when_nobody_looked_before_closing():
    assert decide(held(), at("2026-04-16 21:00")) == [
        StepDecision("due-7d", "held", "quiet_hours", utc("2026-04-17 13:00"), "cml_1", "held")
    ]


@pytest.mark.parametrize(
    ("fields", "reason"), [({"status": "paid"}, "paid"), ({"opted_out": True}, "opted_out")]
)
def test_what_is_held_is_skipped_as_soon_as_something_comes_between(fields, reason):
    assert decide(held(**fields), at("2026-04-15 22:00")) == [
        StepDecision("due-7d", "skipped", reason, utc("2026-04-15 13:00"), "cml_1", "held")
    ]


def test_what_is_held_makes_way_for_a_newer_step():
    found = held(due_at="2026-04-21 13:00")

    assert told(found, at("2026-04-21 13:00")) == [
        ("due-1d", "due", "due"),
        ("due-7d", "skipped", "newer_step"),
    ]


def test_what_is_held_has_time_when_the_due_date_was_moved():
    moved = held(due_date=utc("2026-05-06 12:00"))

    assert decide(moved, at("2026-04-16 13:00")) == []
    assert decide(moved, at("2026-04-29 13:00")) == [
        StepDecision("due-7d", "due", "due", utc("2026-04-29 13:00"), "cml_1", "held")
    ]


def test_what_another_run_left_is_taken_over_but_not_before_it_may_be_tried_again():
    left = held("due", due_at="2026-04-16 13:30")

    assert decide(left, at("2026-04-16 13:10")) == [
        StepDecision("due-7d", "due", "due", utc("2026-04-16 13:30"), "cml_1", "due")
    ]


def test_what_the_run_itself_has_still_to_send_is_held_when_its_hour_is_over():
    assert decide(held("due", ours=True), at("2026-04-16 20:59")) == []
    assert decide(held("due", ours=True), at("2026-04-16 21:00")) == [
        StepDecision("due-7d", "held", "quiet_hours", utc("2026-04-17 13:00"), "cml_1", "due")
    ]


# --- What always holds ---------------------------------------------------------------------------------

DAYS = st.integers(-40, 40).map(lambda days: timedelta(days=days))
MOMENTS = st.integers(0, 3 * 366 * 24 * 60).map(
    lambda minutes: utc("2026-01-01") + timedelta(minutes=minutes)
)


@st.composite
def anything(draw: st.DrawFn) -> tuple[InvoiceFacts, datetime]:
    """An invoice of a customer somewhere, and a moment near its steps."""
    now = draw(MOMENTS)
    zone, country = draw(st.sampled_from(sorted(ZONES.items())))
    link = LinkFacts("plk_1", now - timedelta(days=50), now + draw(DAYS)) if draw(st.booleans()) else None
    found = facts(
        to=to(zone, draw(st.sampled_from([country, None]))),
        due_date=now + draw(DAYS) if draw(st.booleans()) else None,
        issued_at=now + draw(DAYS),
        cycle_days=draw(st.none() | st.integers(0, 60)),
        link=link,
        status=draw(st.sampled_from(["open", "open", "open", "paid"])),
        paused=draw(st.sampled_from([False, False, True])),
    )
    return found, now


@given(anything(), st.data())
def test_every_due_step_gets_exactly_one_decision_within_the_customers_hours(one, data):
    found, now = one
    rules = Rules(POLICY, now)
    steps = rules.steps(found)
    decided = data.draw(st.sets(st.sampled_from([s.key for s in steps])) if steps else st.just(set()))
    found = found._replace(decided=frozenset(decided))
    hours = POLICY.hours(found.to.zone, found.to.country, None)

    made = decide(found, rules)

    assert sorted(decision.step for decision in made) == sorted(
        step.key for step in steps if step.at <= now and step.key not in decided
    )
    assert sum(decision.state != "skipped" for decision in made) <= 1
    for decision in made:
        if decision.state == "held":
            assert not is_open(now, hours)
            assert decision.due_at == next_opening(now, hours) > now
        if decision.state == "due":
            assert is_open(now, hours)


@given(anything(), st.lists(st.integers(1, 60 * 24 * 4), min_size=1, max_size=30))
def test_however_seldom_it_is_swept_each_step_is_settled_once_and_sent_in_hours(one, gaps):
    """A sweep after the other, each of which sends what is due at once."""
    found, now = one
    rows: dict[str, tuple[str, datetime]] = {}
    sent: list[str] = []
    hours = POLICY.hours(found.to.zone, found.to.country, None)
    for gap in gaps:
        now += timedelta(minutes=gap)
        waits = tuple(
            UnsentReminder(key, key, "held", due) for key, (state, due) in rows.items() if state == "held"
        )
        rules = Rules(POLICY, now)
        asked = found._replace(decided=frozenset(rows), unsent=waits)
        for made in decide(asked, rules):
            assert (made.step in rows) == (made.mail is not None)
            assert rows.get(made.step, ("held",))[0] == "held"
            rows[made.step] = (made.state, made.due_at)
            if made.state == "due":
                assert is_open(now, hours)
                sent.append(made.step)
        assert set(rows) == {step.key for step in rules.steps(found) if step.at <= now}
        assert all(due > now for state, due in rows.values() if state == "held")
    assert len(sent) == len(set(sent))
    assert not (sent and why_not(found, Rules(POLICY, now)))

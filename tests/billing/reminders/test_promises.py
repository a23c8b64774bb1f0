"""Days that may be promised, and the reminder after a promise that was not kept."""

from datetime import date

import pytest
from pydantic import ValidationError

from billing.policy.portal import PromisePolicy, ReminderStep
from billing.portal.promises import PromiseDays, is_over_at, promise_days, resumes_on
from billing.reminders.rules import PromiseFacts, StepDecision, decide, next_step

from .reminding import OVERDUE_3D, at, facts, only, utc

STEP = ReminderStep(name="promise-1d", of="promise", days=1)
POLICY = only(OVERDUE_3D, STEP)
PROMISED = facts(
    promise=PromiseFacts("prm_1", date(2026, 4, 27)), paused=True, paused_until=resumes_on(date(2026, 4, 27))
)
"""Due on 22 April, promised for the Monday after."""


def test_days_count_from_the_due_date_where_the_customer_is():
    days = promise_days(
        PromisePolicy(days=30),
        due_date=utc("2026-04-22 22:00"),
        issued_at=utc("2026-03-23 12:00"),
        at=utc("2026-04-24 22:00"),
        zone="Asia/Kolkata",
    )
    assert days == PromiseDays(date(2026, 4, 25), date(2026, 5, 23))
    assert [days.allow(date(2026, *day)) for day in ((4, 24), (4, 25), (5, 23), (5, 24))] == [
        False,
        True,
        True,
        False,
    ]


def test_without_a_due_date_they_count_from_the_invoice():
    days = promise_days(
        PromisePolicy(days=3),
        due_date=None,
        issued_at=utc("2026-03-23 12:00"),
        at=utc("2026-03-27 12:00"),
        zone="UTC",
    )
    assert not days


def test_a_day_is_over_at_midnight_there():
    assert is_over_at(date(2026, 3, 28), "Europe/Berlin") == utc("2026-03-28 23:00")
    assert is_over_at(date(2026, 3, 29), "Europe/Berlin") == utc("2026-03-29 22:00")


def test_until_the_day_is_over_nobody_is_reminded_and_then_once():
    early = at("2026-04-25 14:00", policy=POLICY)
    assert decide(PROMISED, early) == [
        StepDecision("overdue-3d", "skipped", "paused", utc("2026-04-25 13:00"))
    ]
    missed = PROMISED._replace(decided=frozenset({"overdue-3d"}))
    assert decide(missed, at("2026-04-27 14:00", policy=POLICY)) == []
    assert decide(missed, at("2026-04-28 13:00", policy=POLICY)) == [
        StepDecision("promise-1d:prm_1", "due", "due", utc("2026-04-28 13:00"))
    ]
    told = missed._replace(decided=frozenset({"overdue-3d", "promise-1d:prm_1"}))
    assert next_step(told, at("2026-04-28 14:00", policy=POLICY)) is None
    again = told._replace(promise=PromiseFacts("prm_2", date(2026, 5, 4)), paused=False)
    coming = next_step(again, at("2026-04-28 14:00", policy=POLICY))
    assert coming is not None
    assert (coming.step, coming.due_at) == ("promise-1d:prm_2", utc("2026-05-05 13:00"))


def test_who_promised_nothing_has_no_such_step():
    assert decide(facts(), at("2026-05-05 14:00", policy=only(STEP))) == []


def test_a_step_of_a_promise_comes_after_its_day():
    with pytest.raises(ValidationError, match="needs positive days"):
        ReminderStep(name="promise", of="promise", days=0)

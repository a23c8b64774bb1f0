"""At which hours reminders go out: exact times in four zones."""

from datetime import time, timedelta

import pytest

from billing.reminders.rules import NextReminder, Rules, StepDecision, decide, next_step

from .reminding import DUE_1D, DUE_7D, OVERDUE_3D, ZONES, at, facts, only, to, told, utc


@pytest.mark.parametrize(
    ("zone", "step_day", "now", "opening"),
    [
        ("America/New_York", "2026-03-06", "2026-03-06 22:00", "2026-03-09 13:00"),
        ("America/New_York", "2026-10-30", "2026-10-30 21:00", "2026-11-02 14:00"),
        ("Europe/Berlin", "2026-03-27", "2026-03-27 16:00", "2026-03-30 07:00"),
        ("Europe/Berlin", "2026-10-23", "2026-10-23 15:00", "2026-10-26 08:00"),
        ("Asia/Kolkata", "2026-03-27", "2026-03-27 11:30", "2026-03-30 03:30"),
        ("Asia/Kolkata", "2026-10-23", "2026-10-23 11:30", "2026-10-26 03:30"),
        # Easter Monday is free in New Zealand: Tuesday morning there is Monday evening in UTC.
        ("Pacific/Auckland", "2026-04-02", "2026-04-02 04:00", "2026-04-06 21:00"),
        ("Pacific/Auckland", "2026-09-25", "2026-09-25 05:00", "2026-09-27 20:00"),
    ],
)
def test_a_weekend_with_a_clock_change_ends_at_nine_by_the_new_clocks(zone, step_day, now, opening):
    due_date = utc(f"{step_day} 06:00") + timedelta(days=7)
    country = "NZ" if zone == "Pacific/Auckland" else None
    held = facts(due_date=due_date, to=to(zone, country))

    [made] = decide(held, at(now, policy=only(DUE_7D)))

    assert (made.state, made.reason, made.due_at) == ("held", "quiet_hours", utc(opening))


@pytest.mark.parametrize(
    ("zone", "day", "opens", "moment"),
    [
        # The clocks skip the time: it is as long after the change as it would have been.
        ("America/New_York", "2026-03-08", time(2, 30), "2026-03-08 07:30"),
        ("Europe/Berlin", "2026-03-29", time(2, 30), "2026-03-29 01:30"),
        ("Pacific/Auckland", "2026-09-27", time(2, 30), "2026-09-26 14:30"),
        # They show it twice: the first one counts.
        ("America/New_York", "2026-11-01", time(1, 30), "2026-11-01 05:30"),
        ("Europe/Berlin", "2026-10-25", time(2, 30), "2026-10-25 00:30"),
        ("Pacific/Auckland", "2026-04-05", time(2, 30), "2026-04-04 13:30"),
        # They are never changed.
        ("Asia/Kolkata", "2026-03-29", time(2, 30), "2026-03-28 21:00"),
        ("Asia/Kolkata", "2026-10-25", time(2, 30), "2026-10-24 21:00"),
    ],
)
def test_an_opening_time_within_a_clock_change_comes_once(zone, day, opens, moment):
    policy = only(DUE_7D, days=tuple(range(7)), opens=opens)
    due = facts(due_date=utc(f"{day} 06:00") + timedelta(days=7), to=to(zone))
    before = Rules(policy, utc(moment) - timedelta(seconds=1))

    assert decide(due, before) == []
    assert next_step(due, before) == NextReminder("due-7d", utc(moment), utc(moment))
    assert decide(due, at(moment, policy=policy)) == [StepDecision("due-7d", "due", "due", utc(moment))]


@pytest.mark.parametrize(
    ("zone", "now", "open_", "opening"),
    [
        ("America/New_York", "2026-04-15 12:59", False, "2026-04-15 13:00"),
        ("America/New_York", "2026-04-15 20:59", True, None),
        ("America/New_York", "2026-04-15 21:00", False, "2026-04-16 13:00"),
        ("Europe/Berlin", "2026-04-15 06:59", False, "2026-04-15 07:00"),
        ("Europe/Berlin", "2026-04-15 14:59", True, None),
        ("Europe/Berlin", "2026-04-15 15:00", False, "2026-04-16 07:00"),
        ("Asia/Kolkata", "2026-04-15 03:29", False, "2026-04-15 03:30"),
        ("Asia/Kolkata", "2026-04-15 11:29", True, None),
        ("Asia/Kolkata", "2026-04-15 11:30", False, "2026-04-16 03:30"),
        ("Pacific/Auckland", "2026-04-14 20:59", False, "2026-04-14 21:00"),
        ("Pacific/Auckland", "2026-04-15 04:59", True, None),
        ("Pacific/Auckland", "2026-04-15 05:00", False, "2026-04-15 21:00"),
    ],
)
def test_nothing_goes_out_before_nine_or_from_five_where_the_customer_is(zone, now, open_, opening):
    """Tuesday's step, looked at around Wednesday's opening and closing."""
    found = facts(due_date=utc("2026-04-21 06:00"), to=to(zone))

    [made] = decide(found, at(now))

    if open_:
        assert (made.state, made.reason) == ("due", "due")
    else:
        assert (made.state, made.reason, made.due_at) == ("held", "quiet_hours", utc(opening))


@pytest.mark.parametrize(
    ("zone", "country", "subdivision", "now", "opening"),
    [
        ("America/New_York", "US", None, "2026-11-26 15:00", "2026-11-27 14:00"),
        ("Europe/Berlin", "DE", None, "2026-12-25 10:00", "2026-12-28 08:00"),
        ("Europe/Berlin", "DE", "BY", "2026-01-06 10:00", "2026-01-07 08:00"),
        ("Asia/Kolkata", "IN", None, "2026-01-26 06:00", "2026-01-27 03:30"),
        ("Pacific/Auckland", "NZ", None, "2026-02-05 22:00", "2026-02-08 20:00"),
        ("America/New_York", "US", None, "2027-01-01 15:00", "2027-01-04 14:00"),
    ],
    ids=["Thanksgiving", "Christmas", "Epiphany in Bavaria", "Republic Day", "Waitangi Day", "New Year"],
)
def test_a_public_holiday_where_the_customer_is_is_waited_out(zone, country, subdivision, now, opening):
    found = facts(due_date=utc(now) + timedelta(days=7), to=to(zone, country, subdivision=subdivision))

    [made] = decide(found, at(now))

    assert (made.state, made.reason, made.due_at) == ("held", "holiday", utc(opening))


@pytest.mark.parametrize(("country", "subdivision"), [("DE", "BE"), ("DE", None), ("US", None), (None, None)])
def test_a_holiday_of_somebody_else_stops_nothing(country, subdivision):
    found = facts(due_date=utc("2026-01-13 10:00"), to=to("Europe/Berlin", country, subdivision=subdivision))

    assert told(found, at("2026-01-06 10:00")) == [("due-7d", "due", "due")]


@pytest.mark.parametrize(
    ("step", "due_date", "moment"),
    [
        (DUE_1D, "2026-04-01", "2026-03-31 13:00"),
        (DUE_7D, "2026-03-03", "2026-02-24 14:00"),
        (OVERDUE_3D, "2026-04-28", "2026-05-01 13:00"),
        (DUE_7D, "2028-03-07", "2028-02-29 14:00"),
        (DUE_1D, "2028-03-01", "2028-02-29 14:00"),
        (OVERDUE_3D, "2028-02-26", "2028-02-29 14:00"),
        (OVERDUE_3D, "2028-02-29", "2028-03-03 14:00"),
        (DUE_7D, "2027-03-08", "2027-03-01 14:00"),
        (DUE_7D, "2027-01-05", "2026-12-29 14:00"),
        (OVERDUE_3D, "2026-12-30", "2027-01-02 14:00"),
    ],
)
def test_days_are_counted_over_month_ends_leap_days_and_years(step, due_date, moment):
    found = facts(due_date=utc(f"{due_date} 18:00"))
    before = Rules(only(step), utc(moment) - timedelta(days=1))

    upcoming = next_step(found, before)

    assert upcoming is not None
    assert upcoming.due_at == utc(moment)


def test_the_day_is_counted_from_the_due_date_as_the_customer_sees_it():
    """At 23:00 UTC on the 21st it is the 22nd in Auckland, and still the 21st in New York."""
    due = utc("2026-04-21 23:00")
    found = {zone: next_step(facts(due_date=due, to=to(zone)), at("2026-04-10 12:00")) for zone in ZONES}

    assert {zone: upcoming.due_at for zone, upcoming in found.items() if upcoming} == {
        "America/New_York": utc("2026-04-14 13:00"),
        "Europe/Berlin": utc("2026-04-15 07:00"),
        "Asia/Kolkata": utc("2026-04-15 03:30"),
        "Pacific/Auckland": utc("2026-04-14 21:00"),
    }

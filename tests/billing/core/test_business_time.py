from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from billing.core.business_time import (
    Calendar,
    add_business,
    calendar_month,
    end_of_business_day,
    is_open,
    next_opening,
)

NEW_YORK = Calendar(
    name="office",
    zone="America/New_York",
    country="US",
    days=(0, 1, 2, 3, 4),
    opens=time(9),
    closes=time(17),
)
BERLIN = NEW_YORK.model_copy(
    update={"zone": "Europe/Berlin", "country": "DE", "subdivision": "BE", "closes": time(17, 30)}
)
NIGHT = Calendar(name="night", zone="America/New_York", days=tuple(range(7)), opens=time(0), closes=time(8))
ALL_DAY = Calendar(
    name="all day", zone="America/New_York", days=tuple(range(7)), opens=time(0), closes=time(0)
)
ALWAYS = Calendar(name="24x7", zone="UTC", always=True)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def ny(text: str) -> datetime:
    """A New York wall-clock time as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-04-15 10:00", 2, "2026-04-15 12:00"),
        ("2026-04-15 09:00", 8, "2026-04-15 17:00"),
        ("2026-04-15 16:00", 2, "2026-04-16 10:00"),
        ("2026-04-15 17:00", 1, "2026-04-16 10:00"),
        ("2026-04-15 06:00", 1, "2026-04-15 10:00"),
        ("2026-04-15 23:30", 1, "2026-04-16 10:00"),
        ("2026-04-17 16:30", 1, "2026-04-20 09:30"),
        ("2026-04-18 12:00", 0.25, "2026-04-20 09:15"),
        ("2026-04-15 10:00", 80, "2026-04-29 10:00"),
        ("2026-04-15 10:00", 0, "2026-04-15 10:00"),
        ("2026-04-18 12:00", 0, "2026-04-20 09:00"),
    ],
    ids=[
        "within a day",
        "a whole day ends at closing time",
        "over night",
        "from closing time",
        "from before opening",
        "from late at night",
        "over a weekend",
        "from within a weekend",
        "two weeks",
        "nothing while open",
        "nothing while closed waits for opening",
    ],
)
def test_counts_opening_hours_only(start, amount, end):
    assert add_business(ny(start), hours(amount), NEW_YORK) == ny(end)


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-07-02 16:00", 2, "2026-07-06 10:00"),
        ("2026-11-25 16:00", 2, "2026-11-27 10:00"),
        ("2026-12-24 16:00", 2, "2026-12-28 10:00"),
        ("2027-12-30 16:00", 2, "2028-01-03 10:00"),
        ("2026-01-16 16:00", 2, "2026-01-20 10:00"),
    ],
    ids=[
        "Independence Day, observed",
        "Thanksgiving",
        "Christmas",
        "New Year, observed in the old year",
        "King",
    ],
)
def test_public_holidays_are_free(start, amount, end):
    assert add_business(ny(start), hours(amount), NEW_YORK) == ny(end)


def test_holidays_of_a_subdivision_are_free_there_only():
    womens_day_eve = datetime(2027, 3, 5, 16, tzinfo=UTC)
    monday = datetime(2027, 3, 8, 9, tzinfo=UTC)
    assert is_open(monday, BERLIN.model_copy(update={"subdivision": "BY"}))
    assert not is_open(monday, BERLIN)
    assert next_opening(womens_day_eve + hours(1), BERLIN) == datetime(2027, 3, 9, 8, tzinfo=UTC)


def test_without_a_country_nothing_is_a_holiday():
    everywhere = NEW_YORK.model_copy(update={"country": None})
    assert is_open(ny("2026-12-25 10:00"), everywhere)
    assert not is_open(ny("2026-12-25 10:00"), NEW_YORK)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-06 16:00", "2026-03-09 16:00"),
        ("2026-10-30 16:00", "2026-11-02 16:00"),
    ],
    ids=["spring", "autumn"],
)
def test_an_office_day_is_eight_hours_on_both_sides_of_a_clock_change(start, end):
    assert add_business(ny(start), hours(8), NEW_YORK) == ny(end)


def test_opening_hours_follow_the_wall_clock_through_a_clock_change():
    assert next_opening(utc("2026-03-06 23:00"), NEW_YORK) == utc("2026-03-09 13:00")
    assert next_opening(utc("2026-03-05 23:00"), NEW_YORK) == utc("2026-03-06 14:00")
    assert next_opening(utc("2026-10-30 23:00"), NEW_YORK) == utc("2026-11-02 14:00")


def test_a_night_that_loses_an_hour_has_one_less():
    assert add_business(ny("2026-03-08 00:00"), hours(7), NIGHT) == ny("2026-03-08 08:00")
    assert add_business(ny("2026-03-08 00:00"), hours(8), NIGHT) == ny("2026-03-09 01:00")


def test_a_night_that_gains_an_hour_has_one_more():
    assert add_business(ny("2026-11-01 00:00"), hours(9), NIGHT) == ny("2026-11-01 08:00")
    assert add_business(ny("2026-11-01 00:00"), hours(10), NIGHT) == ny("2026-11-02 01:00")


def test_an_opening_time_that_the_clocks_skip_is_as_long_after_the_change():
    early = NIGHT.model_copy(update={"opens": time(2, 30)})
    assert next_opening(ny("2026-03-08 01:00"), early) == utc("2026-03-08 07:30")


def test_an_opening_time_that_the_clocks_show_twice_is_the_first():
    early = NIGHT.model_copy(update={"opens": time(1, 30)})
    assert next_opening(ny("2026-11-01 00:00"), early) == utc("2026-11-01 05:30")


def test_a_closing_time_that_the_clocks_show_twice_is_the_last():
    short = NIGHT.model_copy(update={"closes": time(1, 30)})
    assert end_of_business_day(ny("2026-11-01 00:00"), short) == utc("2026-11-01 06:30")
    assert add_business(ny("2026-11-01 00:00"), hours(2.5), short) == utc("2026-11-01 06:30")


def test_a_day_that_a_clock_change_swallows_is_left_out():
    swallowed = NIGHT.model_copy(update={"opens": time(2, 30), "closes": time(3, 15)})
    assert next_opening(ny("2026-03-08 00:00"), swallowed) == ny("2026-03-09 02:30")


def test_closing_at_midnight_makes_whole_days():
    assert add_business(ny("2026-04-15 23:00"), hours(2), ALL_DAY) == ny("2026-04-16 01:00")
    assert add_business(ny("2026-03-07 12:00"), hours(24), ALL_DAY) == ny("2026-03-08 13:00")
    assert end_of_business_day(ny("2026-03-08 12:00"), ALL_DAY) == utc("2026-03-09 04:00")


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-01-30 12:00", 1, "2026-02-02 12:00"),
        ("2028-02-28 12:00", 1, "2028-02-29 12:00"),
        ("2027-02-26 12:00", 1, "2027-03-01 12:00"),
        ("2026-04-30 12:00", 1, "2026-05-01 12:00"),
        ("2026-12-31 12:00", 1, "2027-01-04 12:00"),
    ],
    ids=["January", "leap day", "February", "April", "year"],
)
def test_months_and_years_end_without_a_seam(start, days, end):
    assert add_business(ny(start), hours(8 * days), NEW_YORK) == ny(end)


def test_round_the_clock_every_hour_counts():
    christmas_eve = utc("2026-12-24 20:00")
    assert add_business(christmas_eve, hours(30), ALWAYS) == utc("2026-12-26 02:00")
    assert is_open(utc("2026-12-27 03:00"), ALWAYS)
    assert next_opening(christmas_eve, ALWAYS) == christmas_eve
    assert end_of_business_day(christmas_eve, ALWAYS) == utc("2026-12-25 00:00")


def test_a_day_round_the_clock_ends_at_midnight_of_its_zone():
    tokyo = ALWAYS.model_copy(update={"zone": "Asia/Tokyo"})
    assert end_of_business_day(utc("2026-04-15 14:59"), tokyo) == utc("2026-04-15 15:00")
    assert end_of_business_day(utc("2026-04-15 15:00"), tokyo) == utc("2026-04-16 15:00")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-04-15 08:59:59", False),
        ("2026-04-15 09:00:00", True),
        ("2026-04-15 16:59:59", True),
        ("2026-04-15 17:00:00", False),
        ("2026-04-18 12:00:00", False),
    ],
)
def test_is_open_from_opening_until_just_before_closing(at, expected):
    assert is_open(ny(at), NEW_YORK) is expected


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-04-15 10:00", "2026-04-15 17:00"),
        ("2026-04-15 07:00", "2026-04-15 17:00"),
        ("2026-04-15 17:00", "2026-04-16 17:00"),
        ("2026-04-17 18:00", "2026-04-20 17:00"),
        ("2026-11-25 18:00", "2026-11-27 17:00"),
    ],
)
def test_what_comes_after_hours_belongs_to_the_next_business_day(at, end):
    assert end_of_business_day(ny(at), NEW_YORK) == ny(end)


def test_any_zone_of_the_start_gives_the_same_instant_in_utc():
    tokyo = datetime(2026, 4, 15, 23, tzinfo=ZoneInfo("Asia/Tokyo"))
    end = add_business(tokyo, hours(1), NEW_YORK)
    assert end == ny("2026-04-15 11:00")
    assert end.tzinfo is UTC


@pytest.mark.parametrize("ask", [is_open, next_opening, end_of_business_day])
def test_a_time_without_a_zone_is_refused(ask):
    with pytest.raises(ValueError, match="without a zone"):
        ask(datetime(2026, 4, 15, 10), NEW_YORK)  # noqa: DTZ001


def test_time_does_not_run_backward():
    with pytest.raises(ValueError, match="forward only"):
        add_business(ny("2026-04-15 10:00"), hours(-1), NEW_YORK)


OFFICE = {"name": "x", "zone": "UTC", "days": [0], "opens": "09:00", "closes": "17:00"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (OFFICE | {"zone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        (OFFICE | {"zone": "../etc/passwd"}, "unknown time zone '../etc/passwd'"),
        (OFFICE | {"zone": ""}, "unknown time zone ''"),
        (OFFICE | {"country": "XX"}, "unknown country 'XX'"),
        (OFFICE | {"country": "HolidayBase"}, "unknown country 'HolidayBase'"),
        (OFFICE | {"country": "US", "subdivision": "ZZ"}, "unknown subdivision 'ZZ' of US"),
        (OFFICE | {"subdivision": "NY"}, "unknown subdivision 'NY' of no country"),
        (OFFICE | {"days": []}, "at least one day"),
        (OFFICE | {"days": [True]}, "valid integer"),
        (OFFICE | {"opens": 9}, "give a time of day, such as 09:00:00"),
        (OFFICE | {"days": [7]}, "less than or equal to 6"),
        (OFFICE | {"opens": "17:00", "closes": "09:00"}, r"closes \(09:00\) must be after opens \(17:00\)"),
        (OFFICE | {"opens": "09:00", "closes": "09:00"}, "must be after"),
        (OFFICE | {"opens": "09:00+02:00"}, "without an offset"),
        ({"name": "x", "zone": "UTC"}, "needs closes, days, opens, or always = true"),
        ({"name": "x", "zone": "UTC", "days": [0], "opens": "09:00"}, "needs closes, or always"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused_with_a_reason(fields, message):
    with pytest.raises(ValidationError, match=message):
        Calendar.model_validate(fields)


@pytest.mark.parametrize("calendar", [NEW_YORK, BERLIN, NIGHT, ALL_DAY, ALWAYS], ids=lambda c: c.name)
def test_a_calendar_survives_json(calendar):
    assert Calendar.model_validate_json(calendar.model_dump_json()) == calendar


calendars = st.sampled_from([NEW_YORK, BERLIN, NIGHT, ALL_DAY, ALWAYS])
# Around both clock changes of 2026 as often as anywhere else.
starts = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.builds(
        lambda change, minutes: change + timedelta(minutes=minutes),
        st.sampled_from([utc("2026-03-08 07:00"), utc("2026-11-01 06:00"), utc("2026-03-29 01:00")]),
        st.integers(-3000, 3000),
    ),
)
amounts = st.timedeltas(timedelta(0), timedelta(days=4))


@given(calendars, starts, amounts)
def test_the_end_lies_within_opening_hours_and_not_before_the_start(calendar, start, amount):
    end = add_business(start, amount, calendar)
    assert end >= start + amount
    assert is_open(end, calendar) or is_open(end - timedelta(microseconds=1), calendar)


@given(calendars, starts, amounts, amounts)
def test_two_spans_add_up_to_one(calendar, start, first, second):
    halfway = add_business(start, first, calendar)
    assert add_business(halfway, second, calendar) == add_business(start, first + second, calendar)


@given(calendars, starts, st.timedeltas(timedelta(0), timedelta(days=9)), amounts, amounts)
def test_later_starts_and_longer_spans_never_end_earlier(calendar, start, later, amount, longer):
    end = add_business(start, amount, calendar)
    assert end <= add_business(start + later, amount, calendar)
    assert end <= add_business(start, amount + longer, calendar)


@given(calendars, starts)
def test_the_next_opening_is_open_and_the_day_ends_after_it(calendar, at):
    opening = next_opening(at, calendar)
    assert opening >= at
    assert is_open(opening, calendar)
    closing = end_of_business_day(at, calendar)
    assert closing > opening
    assert end_of_business_day(opening, calendar) == closing


@pytest.mark.parametrize(
    ("month", "zone", "begins", "ends"),
    [
        ("2026-03", "America/New_York", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"),
        ("2026-12", "Europe/Vienna", "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z"),
        ("2026-02", "Asia/Kolkata", "2026-01-31T18:30:00Z", "2026-02-28T18:30:00Z"),
    ],
)
def test_a_month_is_the_calendars_in_its_zone(month: str, zone: str, begins: str, ends: str) -> None:
    expected = (datetime.fromisoformat(begins), datetime.fromisoformat(ends))
    assert calendar_month(month, zone) == expected


def test_what_is_no_month_is_refused() -> None:
    with pytest.raises(ValueError, match="does not match"):
        calendar_month("March", "UTC")

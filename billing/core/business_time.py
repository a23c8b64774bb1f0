"""Business time: opening hours of a calendar, in its own zone, without its country's holidays.

Hours are wall-clock hours: an office that opens at nine opens at nine on both sides of a clock change.
What passes in between is counted as it really passes, so a day of 25 hours has 25 of them.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import holidays
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from .operations import Message

MIDNIGHT = time(0)
DAY = timedelta(days=1)


def _not_a_number(value: object) -> object:
    # Else pydantic would take `opens = 9` for nine seconds past midnight.
    if isinstance(value, int | float):
        raise ValueError("give a time of day, such as 09:00:00")
    return value


WallClock = Annotated[time, BeforeValidator(_not_a_number)]


class Calendar(Message):
    """When work is done. `days` counts from 0 for Monday; `closes` of 00:00 is the end of the day.

    `country` (ISO 3166-1) and `subdivision` (ISO 3166-2) name whose public holidays are free; None: nobody's.
    A calendar that is `always` open needs no more than a zone, in which its days end.
    Unknown zones and countries are validation errors that name them.
    """

    name: str
    zone: str
    country: str | None = None
    subdivision: str | None = None
    days: tuple[Annotated[int, Field(strict=True, ge=0, le=6)], ...] = ()
    opens: WallClock = MIDNIGHT
    closes: WallClock = MIDNIGHT
    always: bool = False

    @field_validator("zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        return _zone(zone).key

    @field_validator("country")
    @classmethod
    def _country_is_known(cls, country: str | None) -> str | None:
        if country is not None and country not in _countries():
            raise ValueError(f"unknown country {country!r}: give its ISO 3166-1 code in capitals, such as US")
        return country

    @field_validator("subdivision")
    @classmethod
    def _subdivision_is_known(cls, subdivision: str | None, others: ValidationInfo) -> str | None:
        country = others.data.get("country")
        if subdivision is not None and "country" in others.data and subdivision not in _subdivisions(country):
            raise ValueError(f"unknown subdivision {subdivision!r} of {country or 'no country'}")
        return subdivision

    @model_validator(mode="after")
    def _hours_make_sense(self) -> Self:
        if self.always:
            return self
        if missing := {"days", "opens", "closes"} - self.model_fields_set:
            raise ValueError(f"needs {', '.join(sorted(missing))}, or always = true")
        if not self.days:
            raise ValueError("needs at least one day, 0 (Monday) to 6 (Sunday)")
        if self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("opens and closes are times of the calendar's own zone: without an offset")
        if self.closes <= self.opens and self.closes != MIDNIGHT:
            raise ValueError(f"closes ({self.closes:%H:%M}) must be after opens ({self.opens:%H:%M})")
        return self


def is_open(at: datetime, calendar: Calendar) -> bool:
    """Whether work is done at this instant; at closing time it no longer is."""
    return next_opening(at, calendar) == at


def next_opening(at: datetime, calendar: Calendar) -> datetime:
    """The first instant from `at` on at which work is done, in UTC: `at` itself if it is then."""
    at = _utc(at)
    if calendar.always:
        return at
    opens, _ = next(window for window in _windows(at, calendar) if window[1] > at)
    return max(opens, at)


def end_of_business_day(at: datetime, calendar: Calendar) -> datetime:
    """When the business day ends that is going on at `at`, or else the next one, in UTC."""
    at = _utc(at)
    if calendar.always:
        zone = _zone(calendar.zone)
        tomorrow = at.astimezone(zone).date() + DAY
        return _instant(tomorrow, MIDNIGHT, zone)
    return next(closes for _, closes in _windows(at, calendar) if closes > at)


def add_business(start: datetime, amount: timedelta, calendar: Calendar) -> datetime:
    """The instant, in UTC, by which `amount` of working time has passed since `start`.

    It lies within opening hours, closing time included: eight hours from nine end at five, not at the
    next morning's nine. Raises ValueError for a time without a zone or a negative amount.
    """
    start = _utc(start)
    if amount < timedelta(0):
        raise ValueError(f"business time runs forward only, not by {amount}")
    if calendar.always:
        return start + amount
    cursor, left = start, amount
    for opens, closes in _windows(start, calendar):
        cursor = max(cursor, opens)
        # Windows that clock changes make overlap are not counted twice: the cursor never goes back.
        if closes < cursor:
            continue
        if left <= closes - cursor:
            return cursor + left
        left -= closes - cursor
        cursor = closes
    raise AssertionError("windows never end")


Closed = Literal["weekend", "holiday", "hours"]


def closed_because(at: datetime, calendar: Calendar) -> Closed | None:
    """Why no work is done at this instant: by the day there, or by the hour; None: it is."""
    if is_open(at, calendar):
        return None
    day = at.astimezone(_zone(calendar.zone)).date()
    if day.weekday() not in calendar.days:
        return "weekend"
    return "holiday" if _is_holiday(day, calendar) else "hours"


def local_day(at: datetime, zone: str) -> date:
    """The date there at this instant."""
    return _utc(at).astimezone(_zone(zone)).date()


def local_instant(day: date, at: time, zone: str) -> datetime:
    """When the clocks there show this for the first time, in UTC.

    Where a clock change skips it, as long after the change as it would have been.
    """
    return _instant(day, at, _zone(zone))


def known_zone(zone: str) -> bool:
    """Whether it is the IANA name of a time zone."""
    try:
        _zone(zone)
    except ValueError:
        return False
    return True


def known_country(country: str) -> bool:
    """Whether the holidays of this country (ISO 3166-1) are known."""
    return country in _countries()


def known_subdivision(country: str, subdivision: str | None) -> bool:
    """Whether the holidays of this part (ISO 3166-2) of the country are known."""
    return subdivision in _subdivisions(country)


def _windows(at: datetime, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """Opening and closing instants in UTC, in order, from the day before `at` on."""
    zone = _zone(calendar.zone)
    # A time that a clock change skips is moved forward, at midnight into the next day: hence the day before.
    day = at.astimezone(zone).date() - DAY
    while True:
        if day.weekday() in calendar.days and not _is_holiday(day, calendar):
            closing_day = day + DAY if calendar.closes == MIDNIGHT else day
            opens = _instant(day, calendar.opens, zone)
            closes = _instant(closing_day, calendar.closes, zone, last=True)
            if opens < closes:  # a clock change may skip all of a short day
                yield opens, closes
        day += DAY


def _instant(day: date, at: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """When the zone's clocks show this: the first time, or the `last` where they show it twice.

    Where they skip it, as long after the change as it would have been (PEP 495, fold=0).
    """
    local = datetime.combine(day, at, tzinfo=zone)
    instant = local.astimezone(UTC)
    skipped = instant.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None)
    if last and not skipped:
        return local.replace(fold=1).astimezone(UTC)
    return instant


def _is_holiday(day: date, calendar: Calendar) -> bool:
    return calendar.country is not None and day in _public_holidays(
        calendar.country, calendar.subdivision, day.year
    )


@lru_cache(maxsize=512)
def _public_holidays(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """Cached, since building one takes up to a tenth of a second."""
    # The language is given, lest it be guessed from the environment.
    found = holidays.country_holidays(country, subdiv=subdivision, years=year, language="en_US")
    return frozenset(day for day in found if day.year == year)


@lru_cache(maxsize=1)
def _countries() -> dict[str, list[str]]:
    """Countries with the codes and other names of their subdivisions."""
    return holidays.list_supported_countries(include_aliases=True)


def _subdivisions(country: str | None) -> list[str]:
    return [] if country is None else _countries().get(country, [])


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(f"unknown time zone {name!r}: give an IANA name, such as Europe/Berlin") from unknown


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time without a zone has no business time")
    return at.astimezone(UTC)


def calendar_month(month: str, zone: str) -> tuple[datetime, datetime]:
    """When a month such as `2026-03` begins in a zone, and when the next one does, in UTC.

    Raises ValueError for what is no month.
    """
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
    next_ = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.astimezone(UTC), next_.astimezone(UTC)

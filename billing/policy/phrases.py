"""The parts that the policy's sentences are made of: roles, spans of time, days and lists."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from types import MappingProxyType

from ..core.business_time import Calendar
from ..core.operations import Role

ROLE_WORDS: Mapping[Role, str] = MappingProxyType(
    {
        Role.BILLING_ADMIN: "a billing admin",
        Role.CONTROLLER: "a controller",
        Role.LEGAL: "Legal",
        Role.FINANCE: "Finance",
        Role.AUDITOR: "an auditor",
    }
)
"""Somebody who has the role."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def join(words: Iterable[str], last: str) -> str:
    """`a, b or c`."""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def roles(names: Iterable[Role], last: str = "or") -> str:
    return join((ROLE_WORDS[name] for name in names), last)


def count(number: int, noun: str) -> str:
    """`1 day`, `30 days`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span(minutes: int, calendar: Calendar | None = None) -> str:
    """`8 business hours`, `1 hour 30 minutes`; of business time where a calendar has hours."""
    kind = "business " if calendar is not None and not calendar.always else ""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return count(rest, f"{kind}minute")
    return count(hours, f"{kind}hour") + (f" {count(rest, 'minute')}" if rest else "")


def every(minutes: int, calendar: Calendar | None = None) -> str:
    """`every 4 business hours`, `every hour`."""
    told = span(minutes, calendar)
    return f"every {told.removeprefix('1 ') if minutes in (1, 60) else told}"


def days(numbers: Sequence[int]) -> str:
    """`Monday to Friday`, or each by its name; 0 is Monday."""
    ordered = sorted(set(numbers))
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{_DAYS[ordered[0]]} to {_DAYS[ordered[-1]]}"
    return join((_DAYS[number] for number in ordered), "and")


def clock(at: time) -> str:
    """`9:00 AM`; the end of the day is `midnight`."""
    if at == time(0):
        return "midnight"
    seconds = f":{at:%S}" if at.second else ""
    return f"{at.hour % 12 or 12}:{at:%M}{seconds} {at:%p}"


def capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"

"""A customer's promise to pay an invoice by a day. Days are theirs: by the clock where they are."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from ..core.business_time import local_day, local_instant
from ..core.money import Money
from ..core.operations import Message
from ..policy.portal import PromisePolicy

LONGEST_WORD = 300
"""Characters that a customer may add to a promise."""


class PromiseDays(NamedTuple):
    """From which day to which a customer may choose; nothing can be chosen when `first` is after `last`."""

    first: date
    last: date

    def allow(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __bool__(self) -> bool:
        return self.first <= self.last


class BrokenPromise(Message):
    """What the admins hear of an invoice that was not paid by the day that its customer had named."""

    invoice: str
    number: str | None
    customer: str | None
    """Their name."""
    day: date
    unpaid: Money
    word: str | None


def promise_days(
    policy: PromisePolicy, *, due_date: datetime | None, issued_at: datetime, at: datetime, zone: str
) -> PromiseDays:
    """The days that may be promised at `at`, of an invoice issued at `issued_at`."""
    since = local_day(due_date or issued_at, zone)
    return PromiseDays(local_day(at, zone), since + timedelta(days=policy.days))


def is_over_at(day: date, zone: str) -> datetime:
    """When the day has passed there, in UTC."""
    return local_instant(day + timedelta(days=1), time(0), zone)


def resumes_on(day: date) -> date:
    """From when on the customer is reminded again who promised to pay by `day`."""
    return day + timedelta(days=1)

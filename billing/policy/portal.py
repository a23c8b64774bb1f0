"""The business rules of the mini-portal and of reminders, as `policy.toml` states them."""

from datetime import time
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..core.business_time import Calendar, WallClock
from ..core.operations import Message

Days = Annotated[int, Field(strict=True, gt=0, le=366)]
Minutes = Annotated[int, Field(strict=True, gt=0, le=366 * 24 * 60)]


class PortalPolicy(Message):
    """How long links live, and what happens when a customer can't get in.

    A link lives for `link_days`, or for the customer's approval cycle and `cycle_margin_days` if that is
    longer, but at most for `most_link_days`. Trouble has to be over when the business day ends in `calendar`;
    the controller hears of it `escalate_before` plain minutes earlier. `failures` failed visits to an invoice
    within `failures_within` minutes are trouble. A new link is mailed at most every `new_link_every` minutes
    for one invoice, and for at most `asks_per_hour` requests from one address. `session_minutes` is how long
    a page stays open.
    """

    calendar: str
    escalate_before: Minutes
    link_days: Days
    cycle_margin_days: Days
    most_link_days: Days
    session_minutes: Minutes
    failures: Annotated[int, Field(strict=True, gt=0, le=1000)]
    failures_within: Minutes
    new_link_every: Minutes
    asks_per_hour: Annotated[int, Field(strict=True, gt=0, le=10_000)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most_link_days < self.link_days:
            raise ValueError("most_link_days must be at least link_days")
        return self


class PromisePolicy(Message):
    """A customer may promise to pay an invoice by a day that is at most `days` after its due date, or after
    it was finalized where it has none; `per_invoice` times, the last promise counts."""

    days: Days = 30
    per_invoice: Annotated[int, Field(strict=True, gt=0, le=10)] = 2


class ReminderStep(Message):
    """So many days after (or, negative, before) the due date, a link's expiry, the day by which the customer
    promised to pay, or the end of their approval cycle, which begins when the invoice is finalized."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_+-]{0,39}$")]
    of: Literal["due_date", "link_expiry", "approval_cycle", "promise"]
    days: Annotated[int, Field(strict=True, ge=-366, le=366)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.of == "link_expiry" and self.days >= 0:
            raise ValueError("a step of link_expiry needs negative days: before the link dies")
        if self.of == "promise" and self.days <= 0:
            raise ValueError("a step of promise needs positive days: until its day there are no reminders")
        return self


class ReminderPolicy(Message):
    """When customers are reminded, in their own zone: on `days` (0 is Monday) that are no public holiday,
    from `opens` to `closes`. A step that could not be taken for `catch_up` minutes is left out."""

    days: tuple[Annotated[int, Field(strict=True, ge=0, le=6)], ...]
    opens: WallClock
    closes: WallClock
    catch_up: Minutes
    steps: tuple[ReminderStep, ...]

    @field_validator("steps")
    @classmethod
    def _each_is_its_own(cls, steps: tuple[ReminderStep, ...]) -> tuple[ReminderStep, ...]:
        names = [step.name for step in steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same name")
        days = [(step.of, step.days) for step in steps]
        for number, day in enumerate(days):
            if day in days[:number]:
                first = names[days.index(day)]
                raise ValueError(f"steps {first} and {names[number]} are the same day: remove one of them")
        return steps

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.hours("UTC", None, None)
        if self.closes == time(0):
            raise ValueError("closes must be before midnight: reminders do not go out at night")
        return self

    def hours(self, zone: str, country: str | None, subdivision: str | None) -> Calendar:
        """When a customer there may be written to. Raises ValueError for an unknown zone or country."""
        return Calendar(
            name="reminders",
            zone=zone,
            country=country,
            subdivision=subdivision,
            days=self.days,
            opens=self.opens,
            closes=self.closes,
        )

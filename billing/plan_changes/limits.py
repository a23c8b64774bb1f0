"""A plan's limits against what an organization uses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from ..core.errors import CurrencyMismatch
from ..core.money import Currency, Money
from ..core.operations import Message
from .plans import Plan, Price

LimitName = Literal["seats", "customers", "ar_balance"]


class Usage(Message):
    """What an organization uses: active people, customers, and unpaid invoices in minor units."""

    seats: int = Field(ge=0)
    customers: int = Field(ge=0)
    ar_balance: int
    currency: Currency


class LimitCheck(Message):
    """One limit: `allowed` of None is unlimited. `ar_balance` is in minor units."""

    name: LimitName
    used: int
    allowed: int | None
    ok: bool


NEAR = (80, 100)
"""Percent of a limit at which the admins of an organization are told."""


class LimitReached(Message):
    """A limit of the plan of which so many percent are in use, in minor units for the AR balance."""

    name: LimitName
    percent: int
    used: int
    allowed: int
    currency: Currency

    @property
    def words(self) -> str:
        """How much of it is in use, within a sentence."""
        used, allowed = str(self.used), str(self.allowed)
        if self.name == "ar_balance":
            used, allowed = (
                Money(amount_minor=amount, currency=self.currency).format()
                for amount in (self.used, self.allowed)
            )
            return f"{used} of {allowed} in unpaid invoices (AR balance)"
        return f"{used} of {allowed} {self.name}"


def percent_reached(used: int, allowed: int | None) -> int:
    """The highest of `NEAR` that the usage has come to; 0 below all of them, or without a limit."""
    if allowed is None or used <= 0:
        return 0
    return max((percent for percent in NEAR if used * 100 >= allowed * percent), default=0)


def crossed(
    checks: Sequence[LimitCheck], told: Mapping[str, int], currency: str
) -> tuple[tuple[LimitReached, ...], dict[str, int]]:
    """What has been reached since it was last told of, and what is reached now, by the limits' names.

    What falls below is told of again when it comes back.
    """
    reached = {check.name: percent_reached(check.used, check.allowed) for check in checks}
    news = tuple(
        LimitReached(
            name=check.name,
            percent=reached[check.name],
            used=check.used,
            allowed=check.allowed or 0,
            currency=currency,
        )
        for check in checks
        if reached[check.name] > told.get(check.name, 0)
    )
    return news, {name: percent for name, percent in reached.items() if percent}


def check_limits(
    plan: Plan, price: Price | None, seats: int, usage: Usage
) -> tuple[LimitCheck, LimitCheck, LimitCheck]:
    """Whether the usage would fit the plan at this price with so many seats bought.

    Raises CurrencyMismatch if an AR balance in one currency would be held against a limit in another.
    """
    limits = plan.limits_at(price)
    if limits.ar_balance is not None and price is not None and price.currency != usage.currency:
        raise CurrencyMismatch(usage.currency, price.currency)
    return (
        _check("seats", usage.seats, min(seats, plan.seats_included or seats)),
        _check("customers", usage.customers, limits.customers),
        _check("ar_balance", usage.ar_balance, limits.ar_balance),
    )


def excesses(checks: Iterable[LimitCheck], currency: str) -> tuple[str, ...]:
    """A part of a sentence for each limit that is exceeded: by what, and by how much."""
    return tuple(_excess(check, currency) for check in checks if not check.ok)


def _check(name: LimitName, used: int, allowed: int | None) -> LimitCheck:
    return LimitCheck(name=name, used=used, allowed=allowed, ok=allowed is None or used <= allowed)


def _excess(check: LimitCheck, currency: str) -> str:
    allowed = check.allowed or 0
    if check.name == "ar_balance":
        used, most, over = (
            Money(amount_minor=amount, currency=currency).format()
            for amount in (check.used, allowed, check.used - allowed)
        )
        return f"AR balance: {used} in use, {most} allowed after the change: {over} too much"
    excess = check.used - allowed
    what = check.name.capitalize()
    return f"{what}: {check.used} in use, {allowed} allowed after the change: {excess} too many"

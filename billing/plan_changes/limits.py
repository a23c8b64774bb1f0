"""A plan's limits against what an organization uses."""

from collections.abc import Iterable
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

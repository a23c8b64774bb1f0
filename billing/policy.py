"""The business rules, as `policy.toml` states them. An operation keeps the policy that it started under."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from .business_time import Calendar
from .errors import InvalidPolicy as InvalidPolicy
from .money import Currency, Money
from .operations import Kind, Message, Role

Minutes = Annotated[int, Field(strict=True, gt=0, le=366 * 24 * 60)]
"""A duration in whole minutes; over a calendar, of business time."""

T = TypeVar("T")


def _not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    # Unlike min_length, this says nothing about items that are there but wrong.
    if not items:
        raise ValueError("needs at least one")
    return items


Roles = Annotated[tuple[Role, ...], AfterValidator(_not_empty)]


class LadderStep(Message):
    """One rung: who is asked, for how long, and how often they are reminded (business minutes)."""

    roles: Roles
    respond_within: Minutes
    remind_every: Minutes | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.remind_every is not None and self.remind_every >= self.respond_within:
            raise ValueError("remind_every must be shorter than respond_within, or nobody is ever reminded")
        return self


Ladder = Annotated[tuple[LadderStep, ...], AfterValidator(_not_empty)]


class AuthorityLimit(Message):
    """What a person may decide alone in one currency: per item, and in total over a rolling window."""

    per_item: Money
    window_days: Annotated[int, Field(strict=True, gt=0, le=3660)]
    window_total: Money

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.per_item.currency != self.window_total.currency:
            raise ValueError("per_item and window_total must be in the same currency")
        if self.per_item.amount_minor < 0:
            raise ValueError("per_item must not be negative")
        if self.window_total < self.per_item:
            raise ValueError("window_total must be at least per_item")
        return self


def _one_a_currency(limits: tuple[AuthorityLimit, ...]) -> tuple[AuthorityLimit, ...]:
    # Two would have to be read as "either will do", which is hardly what their author meant.
    currencies = [limit.per_item.currency for limit in limits]
    if len(set(currencies)) < len(currencies):
        raise ValueError("has more than one limit in the same currency")
    return limits


AuthorityLimits = Annotated[tuple[AuthorityLimit, ...], AfterValidator(_one_a_currency)]


class NoticePolicy(Message):
    """Finance acknowledges a notice within so many business minutes, or the controller hears of it."""

    calendar: str
    acknowledge_within: Minutes


class StripePolicy(Message):
    """What we may ask of Stripe: the account's budget, shared by all workers."""

    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PlanChangePolicy(Message):
    """`ladder` and `calendar` review it; `revise_within` is how long one whose reviewer asked for changes
    waits for them (business minutes), `scheduled_poll` how often one scheduled for period end is looked at
    (plain minutes), and `resolve` who may accept or revert a mismatch."""

    ladder: str
    calendar: str
    revise_within: Minutes
    scheduled_poll: Minutes
    resolve: Roles


class Policy(Message):
    """All of it. `authority` is by kind of operation and role, one limit a currency."""

    currency: Currency
    calendars: dict[str, Calendar]
    ladders: dict[str, Ladder]
    authority: dict[Kind, dict[Role, AuthorityLimits]] = Field(default_factory=dict)
    notices: NoticePolicy
    stripe: StripePolicy
    plan_change: PlanChangePolicy


def policy_from_toml(text: str) -> Policy:
    """The policy that a file states. Raises InvalidPolicy with every error at once, each with its path."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as unreadable:
        raise InvalidPolicy([f"not TOML: {unreadable}"]) from unreadable
    for name, calendar in _table(document, "calendars").items():
        if isinstance(calendar, dict):
            calendar.setdefault("name", name)
    errors = list(_dangling(document))
    try:
        policy = Policy.model_validate(document)
    except ValidationError as invalid:
        errors = [_described(error) for error in invalid.errors()] + errors
    if errors:
        raise InvalidPolicy(errors)
    return policy


def _dangling(document: Mapping[str, Any]) -> Iterator[str]:
    """References to calendars and ladders that are not there. Reads the raw file, so that they are reported
    beside whatever else is wrong with it."""
    for section, key, names in (
        ("notices", "calendar", "calendars"),
        ("plan_change", "calendar", "calendars"),
        ("plan_change", "ladder", "ladders"),
    ):
        name = _table(document, section).get(key)
        known = _table(document, names)
        if isinstance(name, str) and name not in known:
            listed = ", ".join(sorted(known)) or "none"
            yield f"{section}.{key}: {name!r} is not one of the {names}: {listed}"


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def _described(error: Any) -> str:
    path = ""
    for part in error["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else part
    return f"{path}: {error['msg'].removeprefix('Value error, ')}"

"""The business rules, as `policy.toml` states them. An operation keeps the policy that it started under."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..core.business_time import Calendar, add_business
from ..core.errors import InvalidPolicy as InvalidPolicy
from ..core.hashing import digest, exact
from ..core.money import CURRENCIES, Currency, Money, is_code
from ..core.operations import Kind, Message, Role
from ..core.text import Slug
from .incidents import CasePolicy, IncidentPolicy
from .portal import PortalPolicy, PromisePolicy, ReminderPolicy
from .reasons import CancellationReason, CreditReason, RefundReason, VoidReason, WriteOffReason
from .review_rules import ReviewRule as ReviewRule
from .review_rules import unreachable
from .sign_in import SignInPolicy

REASONS: Mapping[str, Collection[str]] = {
    "refund": get_args(RefundReason),
    "credit": get_args(CreditReason),
    "void": get_args(VoidReason),
    "write_off": get_args(WriteOffReason),
    "cancellation": get_args(CancellationReason),
}
"""By section: a reason that nobody can choose would be a rule that never fits, and nobody would notice."""

LATER = ("void", "write_off", "cancellation")
"""Sections that a policy which an operation keeps may lack, and a file may not."""

Minutes = Annotated[int, Field(strict=True, gt=0, le=366 * 24 * 60)]
"""A duration in whole minutes; over a calendar, of business time."""

T = TypeVar("T")


def _each_once(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    if len(set(roles)) < len(roles):
        raise ValueError("names a role twice")
    return roles


def _not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    # Unlike min_length, this says nothing about items that are there but wrong.
    if not items:
        raise ValueError("needs at least one")
    return items


Roles = Annotated[tuple[Role, ...], AfterValidator(_not_empty), AfterValidator(_each_once)]


class LadderStep(Message):
    """One rung: who is asked, for how long, and how often they are reminded (business minutes).

    One of the roles decides, or with `needs` of "all" somebody of each. `calendar` is the rung's own where
    its people keep other hours than the ladder's.
    """

    roles: Roles
    respond_within: Minutes
    remind_every: Minutes | None = None
    needs: Literal["any", "all"] = "any"
    calendar: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.remind_every is not None and self.remind_every >= self.respond_within:
            raise ValueError("remind_every must be shorter than respond_within, or nobody is ever reminded")
        return self


Ladder = Annotated[tuple[LadderStep, ...], AfterValidator(_not_empty)]


class AuthorityLimit(Message):
    """What a person may decide alone in one currency: per item, and in total over a rolling window.

    `customer_total` is the most that one customer gets over the same window by everybody together.
    """

    per_item: Money
    window_days: Annotated[int, Field(strict=True, gt=0, le=3660)]
    window_total: Money
    customer_total: Money | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.customer_total is not None:
            if self.customer_total.currency != self.per_item.currency:
                raise ValueError("per_item and customer_total must be in the same currency")
            if self.customer_total < self.per_item:
                raise ValueError("customer_total must be at least per_item")
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
    waits for them (business minutes), `scheduled_poll` how often one that waits for the period's end or for
    its payment is looked at (plain minutes), and `resolve` who may accept or revert a mismatch. `add_ons` are
    those that can be requested beside a plan, by the short names of their products in Stripe."""

    ladder: str
    calendar: str
    revise_within: Minutes
    scheduled_poll: Minutes
    resolve: Roles
    add_ons: tuple[Slug, ...] = ()


class ReviewPolicy(Message):
    """How a kind of request is reviewed: by the ladder of the first rule that fits, in `calendar`'s business
    time; `revise_within` is as for plan changes."""

    calendar: str
    revise_within: Minutes
    review: tuple[ReviewRule, ...]

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        if not self.review or self.review[-1].reasons or self.review[-1].above:
            raise ValueError("the last review rule needs neither reasons nor above, so that one fits")
        return self

    def rule_for(self, reason: str, amount: Money) -> ReviewRule:
        """The rule by which it is reviewed."""
        return next((rule for rule in self.review if rule.fits(reason, amount)), self.review[-1])


class CancellationPolicy(ReviewPolicy):
    """Every cancellation is reviewed; `waiting_poll` is how often one that waits for the end of its period is
    looked at in Stripe (plain minutes)."""

    waiting_poll: Minutes


class MoneyPolicy(ReviewPolicy):
    """How money back is reviewed, where it is beyond its requester's authority. `always` names reasons that
    are reviewed whatever the amount. `retype_above` are the amounts, one a currency, above which whoever asks
    types the amount once more."""

    always: tuple[str, ...] = ()
    retype_above: tuple[Money, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        currencies = [bound.currency for bound in self.retype_above]
        if len(set(currencies)) < len(currencies):
            raise ValueError("retype_above has more than one amount in the same currency")
        if any(bound.amount_minor < 0 for bound in self.retype_above):
            raise ValueError("retype_above must not be negative")
        return self

    def wants_retyped(self, amount: Money) -> bool:
        """Whether a slip in the amount would be dear; in a currency without a bound every one is."""
        bounds = (bound for bound in self.retype_above if bound.currency == amount.currency)
        return all(amount > bound for bound in bounds)


class RefundPolicy(MoneyPolicy):
    """`watch_days`: how long a refund that succeeded is still looked at, because it can fail after all."""

    watch_days: Annotated[int, Field(strict=True, gt=0, le=366)]


class CreditPolicy(MoneyPolicy):
    pass


class VoidPolicy(MoneyPolicy):
    pass


class WriteOffPolicy(MoneyPolicy):
    pass


class Policy(Message):
    """All of it. `authority` is by kind of operation and role, one limit a currency.

    The windows of the kinds in `count_together` are counted as one.
    """

    currency: Currency
    calendars: dict[str, Calendar]
    ladders: dict[str, Ladder]
    authority: dict[Kind, dict[Role, AuthorityLimits]] = Field(default_factory=dict)
    notices: NoticePolicy
    stripe: StripePolicy
    plan_change: PlanChangePolicy
    refund: RefundPolicy
    credit: CreditPolicy
    portal: PortalPolicy
    reminders: ReminderPolicy
    incidents: IncidentPolicy
    cases: CasePolicy
    sign_in: SignInPolicy = SignInPolicy()
    """No operation goes by it; one that keeps a policy from before this section still has a policy."""
    promises: PromisePolicy = PromisePolicy()
    """As with sign_in, no operation goes by it."""
    void: VoidPolicy | None = None
    write_off: WriteOffPolicy | None = None
    cancellation: CancellationPolicy | None = None
    """Every file has these three; an operation that keeps a policy from before them is none of the kind."""
    count_together: tuple[Kind, ...] = ()

    def counted_with(self, kind: Kind) -> tuple[Kind, ...]:
        """The kinds whose amounts count in the windows of this one."""
        return self.count_together if kind in self.count_together else (kind,)

    def money_rules(self, kind: Kind) -> MoneyPolicy:
        """The rules by which money of this kind is reviewed. Raises KeyError for a kind that gives none."""
        return self.money_sections[kind]

    def revise_by(self, kind: Kind, at: datetime) -> datetime:
        """Until when a request of this kind waits for the changes that its reviewer asked for then."""
        by_kind: dict[Kind, PlanChangePolicy | ReviewPolicy] = {
            Kind.PLAN_CHANGE: self.plan_change,
            **({Kind.CANCELLATION: self.cancellation} if self.cancellation else {}),
            **self.money_sections,
        }
        rules = by_kind[kind]
        return add_business(at, timedelta(minutes=rules.revise_within), self.calendars[rules.calendar])

    @property
    def cancellations(self) -> CancellationPolicy:
        """The rules by which cancellations are reviewed."""
        assert self.cancellation is not None, "every policy file has the section"
        return self.cancellation

    @property
    def money_sections(self) -> dict[Kind, MoneyPolicy]:
        """The rules for each kind that gives money."""
        sections: dict[Kind, MoneyPolicy | None] = {
            Kind.REFUND: self.refund,
            Kind.CREDIT: self.credit,
            Kind.VOID: self.void,
            Kind.WRITE_OFF: self.write_off,
        }
        return {kind: rules for kind, rules in sections.items() if rules is not None}


def policy_hash(document: Mapping[str, Any]) -> str:
    """The hash of a policy as operations keep it, as JSON. Its few floats count as their text."""
    return digest(exact(document))


def policy_from_toml(text: str) -> Policy:
    """The policy that a file states. Raises InvalidPolicy with every error at once, each with its path."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as unreadable:
        raise InvalidPolicy([f"not TOML: {unreadable}"]) from unreadable
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raise InvalidPolicy(["is not a policy: it is nested too deeply, or has an endless number"]) from None
    for name, calendar in _table(document, "calendars").items():
        if isinstance(calendar, dict):
            calendar.setdefault("name", name)
    errors = list(_dangling(document))
    errors += _not_stripes(document, "")
    errors += [f"{section}: Field required" for section in LATER if section not in document]
    for section, reasons in REASONS.items():
        errors += unreachable(section, _table(document, section).get("review"), reasons)
    try:
        policy = Policy.model_validate(document)
    except ValidationError as invalid:
        errors = [_described(error) for error in invalid.errors()] + errors
    if errors:
        raise InvalidPolicy(errors)
    return policy


def _not_stripes(value: Any, path: str) -> Iterator[str]:
    """Currencies, wherever they stand, in which Stripe can't charge: such a rule could never hold."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _not_stripes(inner, f"{path}.{name}" if path else name)
            # What is no code at all is reported with its field.
            if name == "currency" and isinstance(inner, str) and is_code(inner) and inner not in CURRENCIES:
                yield f"{path}.currency".removeprefix(".") + (
                    f": Stripe charges nothing in {inner!r}; see its list of supported currencies"
                )
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _not_stripes(inner, f"{path}[{place}]")


def _dangling(document: Mapping[str, Any]) -> Iterator[str]:
    """References to calendars, ladders and reasons that are not there. Reads the raw file, so that they are
    reported beside whatever else is wrong with it."""
    for path, name, names, known in _references(document):
        if isinstance(name, str) and name not in known:
            listed = ", ".join(sorted(known)) or "none"
            yield f"{path}: {name!r} is not one of the {names}: {listed}"


def _references(document: Mapping[str, Any]) -> Iterator[tuple[str, Any, str, Collection[str]]]:
    """Each with its path, and what it must be one of."""
    calendars = ("calendars", _table(document, "calendars"))
    ladders = ("ladders", _table(document, "ladders"))
    for section in ("notices", "plan_change", *REASONS, "portal", "cases"):
        yield f"{section}.calendar", _table(document, section).get("calendar"), *calendars
    yield "plan_change.ladder", _table(document, "plan_change").get("ladder"), *ladders
    for section, known in REASONS.items():
        money = _table(document, section)
        for number, rule in enumerate(_tables(money, "review")):
            yield f"{section}.review[{number}].ladder", rule.get("ladder"), *ladders
            for place, reason in enumerate(_list(rule, "reasons")):
                yield f"{section}.review[{number}].reasons[{place}]", reason, f"{section} reasons", known
        for place, reason in enumerate(_list(money, "always")):
            yield f"{section}.always[{place}]", reason, f"{section} reasons", known
    for ladder in _table(document, "ladders"):
        for number, step in enumerate(_tables(_table(document, "ladders"), ladder)):
            yield f"ladders.{ladder}[{number}].calendar", step.get("calendar"), *calendars


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def _tables(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    # One that is no table keeps its place, so that the others are reported by their own.
    return [table if isinstance(table, dict) else {} for table in _list(document, key)]


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    items = document.get(key)
    return items if isinstance(items, list) else []


def _described(error: Any) -> str:
    path = ""
    for part in error["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else part
    return f"{path}: {error['msg'].removeprefix('Value error, ')}"

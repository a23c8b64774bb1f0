"""Authority: the amount that a person may decide alone, per item and over a rolling window.

The window is counted twice: what the person decided, and what the customer was given by everybody together.
"""

from collections.abc import Iterable, Mapping

from ..core.money import Money
from ..core.operations import Message
from ..policy.policy import AuthorityLimit


class AuthorityUse(Message):
    """What was used of a window so far, in its currency."""

    by_person: Money
    to_customer: Money


def with_given(used: AuthorityUse, amount: Money) -> AuthorityUse:
    """What is used once the person has given so much to the customer."""
    return AuthorityUse(by_person=used.by_person + amount, to_customer=used.to_customer + amount)


def within_authority(limit: AuthorityLimit, amount: Money, used: AuthorityUse) -> bool:
    """Whether the amount fits the limit, alone and on top of what was used in its window.

    A credit and a debit of the same size need the same authority. No limit covers another currency.
    """
    return shortfall(limit, amount, used) is None


def shortfall(limit: AuthorityLimit, amount: Money, used: AuthorityUse) -> str | None:
    """Why the limit does not cover the amount; None when it does."""
    size = abs(amount)
    if size.currency != limit.per_item.currency:
        return f"there is no limit in {size.currency.upper()}"
    if size > limit.per_item:
        return f"{size.format()} is more than {limit.per_item.format()} for one item"
    days = limit.window_days
    if used.by_person + size > limit.window_total:
        return (
            f"with {used.by_person.format()} in the last {days} days it is more than "
            f"{limit.window_total.format()} in all"
        )
    if limit.customer_total is not None and used.to_customer + size > limit.customer_total:
        return (
            f"with {used.to_customer.format()} to the customer in the last {days} days it is more than "
            f"{limit.customer_total.format()} for one customer"
        )
    return None


def left(limit: AuthorityLimit, by_person: Money) -> Money:
    """What is left of the window's total beside what the person has used of it; never negative."""
    rest = limit.window_total - by_person
    return max(rest, Money.zero(rest.currency))


def most_now(limit: AuthorityLimit, by_person: Money) -> Money:
    """The largest amount that the person may give alone now, to a customer who was given nothing lately."""
    return min(limit.per_item, left(limit, by_person))


def any_within(limits: Iterable[AuthorityLimit], amount: Money, uses: Mapping[int, AuthorityUse]) -> bool:
    """Whether one of a person's limits covers the amount.

    `uses` says what was used over the last so many days, in the amount's currency, and has an entry for the
    `window_days` of each limit in that currency; KeyError otherwise.
    """
    return any(
        within_authority(limit, amount, uses[limit.window_days]) for limit in in_currency(limits, amount)
    )


def why_beyond(
    limits: Iterable[AuthorityLimit],
    amount: Money,
    uses: Mapping[int, AuthorityUse],
    whose: str = "the requester",
) -> str:
    """Why none of a person's limits covers the amount, in one sentence. `uses` is as for `any_within`."""
    reasons = [shortfall(limit, amount, uses[limit.window_days]) for limit in in_currency(limits, amount)]
    if not reasons:
        return f"{whose[0].upper()}{whose[1:]} has no authority in {amount.currency.upper()}."
    listed = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
    return f"Beyond {whose}'s authority: {listed}."


def in_currency(limits: Iterable[AuthorityLimit], amount: Money) -> list[AuthorityLimit]:
    """The limits that can cover the amount at all."""
    return [limit for limit in limits if limit.per_item.currency == amount.currency]


class AuthorityLeft(Message):
    """A person's limit with what is left of its window; `left` and `customer_left` are never below zero.

    `customer_total` and `customer_left` are None where the limit has none for one customer.
    """

    per_item: Money
    window_days: int
    window_total: Money
    used: Money
    left: Money
    customer_total: Money | None
    customer_used: Money
    customer_left: Money | None


def what_is_left(limit: AuthorityLimit, used: AuthorityUse) -> AuthorityLeft:
    """The limit beside what was used of it, in the same currency."""
    most, used_for_customer = limit.customer_total, used.to_customer
    return AuthorityLeft(
        per_item=limit.per_item,
        window_days=limit.window_days,
        window_total=limit.window_total,
        used=used.by_person,
        left=left(limit, used.by_person),
        customer_total=most,
        customer_used=used_for_customer,
        customer_left=max(most - used_for_customer, Money.zero(most.currency)) if most is not None else None,
    )

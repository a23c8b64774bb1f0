"""Authority: the amount that a person may decide alone, per item and over a rolling window."""

from collections.abc import Iterable, Mapping

from .money import Money
from .policy import AuthorityLimit


def within_authority(limit: AuthorityLimit, amount: Money, used_in_window: Money) -> bool:
    """Whether the amount fits the limit, alone and on top of what was used in the window.

    A credit and a debit of the same size need the same authority. No limit covers another currency.
    """
    if amount.currency != limit.per_item.currency:
        return False
    size = abs(amount)
    return size <= limit.per_item and used_in_window + size <= limit.window_total


def any_within(limits: Iterable[AuthorityLimit], amount: Money, used: Mapping[int, Money]) -> bool:
    """Whether one of a person's limits covers the amount.

    `used` says what the person used over the last so many days, in the amount's currency, and has an entry
    for the `window_days` of each limit in that currency; KeyError otherwise.
    """
    return any(
        within_authority(limit, amount, used[limit.window_days])
        for limit in limits
        if limit.per_item.currency == amount.currency
    )

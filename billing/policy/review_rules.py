"""Review rules: an ordered list, of which the first rule that fits says who is asked.

What earlier rules take whole can never fit. Nobody would notice by reading the policy, which looks as if it
held, so a policy with such a rule is refused.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Self

from pydantic import ValidationError, model_validator

from ..core.money import Money
from ..core.operations import Message

OTHER = "every other currency"
"""Stands for the currencies in which no rule states an amount."""


class ReviewRule(Message):
    """Which ladder reviews what is beyond the requester's authority: for these reasons (none named: for any)
    and above these amounts, one a currency (none named: any amount; another currency is always above)."""

    ladder: str
    reasons: tuple[str, ...] = ()
    above: tuple[Money, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        currencies = [bound.currency for bound in self.above]
        if len(set(currencies)) < len(currencies):
            raise ValueError("above has more than one amount in the same currency")
        if any(bound.amount_minor < 0 for bound in self.above):
            raise ValueError("above must not be negative")
        return self

    def fits(self, reason: str, amount: Money) -> bool:
        """Whether the rule is about this reason and amount."""
        return self.covers(reason) and amount.amount_minor >= self.least(amount.currency)

    def covers(self, reason: str) -> bool:
        return not self.reasons or reason in self.reasons

    def least(self, currency: str) -> int:
        """The smallest amount, in minor units, that it takes; it takes every larger one too."""
        return next((b.amount_minor + 1 for b in self.above if b.currency == currency), 1)


def unreachable(section: str, document: Any, reasons: Collection[str]) -> Iterator[str]:
    """What of a section's rules, as the raw file has them, can never fit; each with its path and the fix."""
    try:
        rules = [ReviewRule.model_validate(rule) for rule in document or ()]
    except (TypeError, ValidationError):
        return  # what is wrong with a rule in itself is reported as such
    currencies = [OTHER, *dict.fromkeys(bound.currency for rule in rules for bound in rule.above)]
    for number, rule in enumerate(rules):
        path = f"{section}.review[{number}]"
        takers = {
            (reason, currency): _taker(rules[:number], rule, reason, currency)
            for reason, currency in product(filter(rule.covers, reasons), currencies)
        }
        if first := _first_takers(section, takers):
            yield f"{path}: can never fit, because {first} takes all of it first. Move it up, or remove it."
            continue
        for place, reason in enumerate(rule.reasons):
            if first := _first_takers(section, {key: by for key, by in takers.items() if key[0] == reason}):
                yield (
                    f"{path}.reasons[{place}]: {reason!r} never gets here, because {first} takes it first. "
                    + ("Move the rule up, or remove the reason.")
                )
        for place, bound in enumerate(rule.above):
            here = {key: by for key, by in takers.items() if key[1] == bound.currency}
            if first := _first_takers(section, here):
                yield (
                    f"{path}.above[{place}]: no {bound.currency.upper()} gets here, because {first} takes it "
                    + ("first. Move the rule up, or remove the amount.")
                )


def _taker(earlier: Sequence[ReviewRule], rule: ReviewRule, reason: str, currency: str) -> int | None:
    """The first of the earlier rules that takes every amount which this one would, None when none does.

    Each takes all amounts from its least one upwards, so that several together take no more than one.
    """
    least = rule.least(currency)
    return next(
        (n for n, other in enumerate(earlier) if other.covers(reason) and other.least(currency) <= least),
        None,
    )


def _first_takers(section: str, takers: Mapping[tuple[str, str], int | None]) -> str:
    """The earlier rules that take all of it, by their paths; empty when something is left."""
    if not takers or None in takers.values():
        return ""
    return " with ".join(
        f"{section}.review[{n}]" for n in sorted({n for n in takers.values() if n is not None})
    )

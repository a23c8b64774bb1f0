"""Which of all combinations are tried: each two values together at least once, and many more at random."""

import random
from dataclasses import asdict, dataclass, fields
from functools import cache
from itertools import combinations, product
from typing import Any, Literal, get_args

TRIED = 1536
SHARDS = 32


@dataclass(frozen=True)
class Case:
    """What a subscription has, how it is paid, and what is asked for."""

    mode: Literal["flexible", "classic"]
    tax: Literal["none", "exclusive", "inclusive", "automatic"]
    discount: Literal["none", "percent", "amount", "item", "customer"]
    items: Literal["one", "three"]
    trial: Literal["no", "yes"]
    payment: Literal["ok", "3ds", "declined", "debit"]
    when: Literal["now", "next_invoice", "period_end"]
    to: Literal["up", "down", "interval"]

    @property
    def id(self) -> str:
        """All of it, in short."""
        return "-".join(asdict(self).values())

    @property
    def expected(self) -> str:
        """`verified`, or the code by which it ends: by what Stripe's pages say of such a subscription.

        Items are billed together by one interval ("Multiple products"), and no billing cycle moves in a trial
        ("Billing cycle"). A new interval is billed at once, whatever is asked for. What costs something then
        and isn't paid is dropped after a day ("Pending updates"); a bank debit comes through, and a credit, a
        trial and a renewal keep no change from coming.
        """
        at_once = self.when == "now" or (self.when == "next_invoice" and self.to == "interval")
        if self.to == "interval" and self.items == "three":
            return "mixed_intervals"
        if self.to == "interval" and self.trial == "yes" and at_once:
            return "interval_during_trial"
        costs = at_once and self.to != "down" and self.trial == "no"
        return "payment_expired" if costs and self.payment in ("3ds", "declined") else "verified"

    @property
    def pairs(self) -> set[tuple[Any, ...]]:
        """Every two of its values together."""
        return set(combinations(asdict(self).items(), 2))


VALUES = {field.name: get_args(Case.__annotations__[field.name]) for field in fields(Case)}
ALL = tuple(Case(*values) for values in product(*VALUES.values()))


@cache
def tried() -> tuple[Case, ...]:
    """The same ones each time: a covering array, found greedily, then others drawn among those left."""
    draw = random.Random(16)
    left = draw.sample(ALL, len(ALL))
    missing = set[tuple[Any, ...]]().union(*(case.pairs for case in ALL))
    chosen = list[Case]()
    while missing:
        best = max(left[:400], key=lambda case: len(case.pairs & missing))
        if not best.pairs & missing:
            draw.shuffle(left)
            continue
        chosen.append(best)
        left.remove(best)
        missing -= best.pairs
    return (*chosen, *left[: TRIED - len(chosen)])


def shard(number: int) -> tuple[Case, ...]:
    """A part of them."""
    return tried()[number::SHARDS]

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

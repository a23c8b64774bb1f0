"""Operations that are ended from outside: terminated, cancelled, reset, poisoned, at every stage.

The same seed always gives the same schedule. Many go side by side in one house on a Temporal dev server: the
time-skipping one can't reset.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Blow = Literal["terminate", "cancel", "reset to its beginning", "reset to its last step", "poison"]

BLOWS: tuple[Blow, ...] = (
    "terminate",
    "cancel",
    "reset to its beginning",
    "reset to its last step",
    "poison",
)
"""Poisoned, each task of it raises, as by a fault in a release, until its operators know of it."""

TOGETHER: tuple[tuple[Blow, ...], ...] = (
    ("poison", "reset to its last step", "terminate"),
    ("reset to its beginning", "cancel"),
)
"""Each blow once: all but the last of a row leave the operation where it is."""

STAGES: Mapping[str, tuple[str, ...]] = {
    "plan change": ("accepted", "review", "changes requested", "applying", "end"),
    "plan change at period end": ("review", "applying", "scheduled"),
    "mismatched plan change": ("mismatched",),
    "refund": ("accepted", "issuing", "end"),
    "reviewed refund": ("review", "issuing", "end"),
    "failing refund": ("refund_failed",),
    "credit": ("accepted", "issuing", "end"),
    "reviewed credit": ("review", "changes requested", "issuing"),
    "case": ("note_owed", "end"),
    "portal access": ("waiting", "end"),
    "reminder run": ("accepted", "end"),
}
"""By the kind of operation: where it is struck. `end`: as soon as it is there, or on the way."""


@dataclass(frozen=True)
class Strike:
    stage: str
    blow: Blow


@dataclass(frozen=True)
class Part:
    name: str
    operation: str
    strikes: tuple[Strike, ...]

    def __str__(self) -> str:
        told = "; ".join(f"at {one.stage}: {one.blow}" for one in self.strikes)
        return f"{self.name}: {self.operation}, {told}"


def every_one() -> list[Part]:
    """Each kind of operation, at each stage, with each blow.

    Of what goes on after a poison or a reset the same operation takes the next blow, too.
    """
    parts: list[Part] = []
    for operation, stages in STAGES.items():
        for stage in stages:
            for blows in [(blow,) for blow in BLOWS] if stage == "accepted" else TOGETHER:
                strikes = tuple(Strike(stage, blow) for blow in blows)
                parts.append(Part(f"{len(parts)}", operation, strikes))
    return parts


def schedule(seed: int) -> Part:
    """Under this seed: an operation and one to three blows, each at a stage not before the last."""
    dice = random.Random(seed)
    operation = dice.choice(sorted(STAGES))
    stages = STAGES[operation]
    places = sorted(dice.randrange(len(stages)) for _ in range(dice.choice((1, 1, 2, 2, 3))))
    strikes = tuple(Strike(stages[place], dice.choice(BLOWS)) for place in places)
    return Part(f"seed {seed}", operation, strikes)


def traits(seed: int) -> set[tuple[object, ...]]:
    """What its schedule shows beyond what `every_one` plays: how often its operation is struck, and at which
    stage after which; and which blow follows which."""
    part = schedule(seed)
    pairs = list(pairwise(part.strikes))
    return {
        (part.operation, len(part.strikes)),
        *((part.operation, one.stage, other.stage) for one, other in pairs),
        *((one.blow, other.blow) for one, other in pairs),
    }

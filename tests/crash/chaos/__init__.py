"""Chaos: a random workload under random kills and faults; the same seed always gives the same schedule."""

import random
from collections.abc import Mapping, Sequence
from typing import cast

from ..credit_workload import ApprovedBalanceCredit, ApprovedCreditNote, BalanceCredit, CreditNote
from ..plan import FAULT_KINDS, TOO_LATE_MS, ApiDeath, Fault, Kill, Scenario, Step, fault, kills_at
from ..plan_change_workload import ChangeNow
from ..refund_workload import (
    ApprovedRefund,
    CancelledRefund,
    ClosedRefund,
    FailingRefund,
    PendingRefund,
    Refund,
)
from ..stage import Played, Struck, Workload

WORKLOADS: Mapping[str, type] = {
    workload.__name__: workload
    for workload in (
        Refund,
        ApprovedRefund,
        PendingRefund,
        FailingRefund,
        ClosedRefund,
        CancelledRefund,
        BalanceCredit,
        ApprovedBalanceCredit,
        CreditNote,
        ApprovedCreditNote,
        ChangeNow,
    )
}

KILLS, KILLS_WEIGHTS = (1, 2, 3, 4), (4, 3, 2, 1)
FAULTS, FAULTS_WEIGHTS = (0, 1, 2, 3), (3, 3, 2, 1)
API_DIES = 0.1
"""How probable it is. Seldom: the outbox is swept only when what it holds is some seconds old."""
DELAYS_MS = (50, 400, 1500, TOO_LATE_MS)


def schedule(seed: int) -> tuple[Scenario, Workload]:
    """Under this seed: a workload, one to four kills, up to three faults, maybe the API's death."""
    dice = random.Random(seed)
    name = dice.choice(sorted(WORKLOADS))
    workload = cast(Workload, WORKLOADS[name]())
    kills = _kills(dice, workload.steps)
    faults = _faults(dice, workload.steps)
    api: tuple[ApiDeath, ...] = ()
    if dice.random() < API_DIES:
        point = dice.choice(("before commit", "after commit"))
        api = (ApiDeath.model_validate({"point": point, "match": dice.choice(workload.calls)}),)
    return Scenario(name=f"seed {seed}: {name}", kills=kills, faults=faults, api=api), workload


def traits(seed: int) -> set[tuple[object, ...]]:
    """What its schedule shows: of its workload how often and where it is killed, whether Stripe fails
    meanwhile, and how its API dies; and each fault, of reading and of writing."""
    scenario, workload = schedule(seed)
    name = type(workload).__name__
    return {
        (name, len(scenario.kills)),
        (name, bool(scenario.faults)),
        *((name, death.point) for death in (*scenario.kills, *scenario.api)),
        *((one.fault, one.method) for one in scenario.faults),
    }


def _kills(dice: random.Random, steps: Sequence[Step]) -> tuple[Kill, ...]:
    """In the order of the workload: each life goes on at the step at which the one before it ended."""
    (number,) = dice.choices(KILLS, KILLS_WEIGHTS)
    places = sorted(dice.randrange(len(steps)) for _ in range(number))
    kills = []
    done = 0
    for place in places:
        step = steps[place]
        before = sum(earlier.match == step.match for earlier in steps[:done])
        kill = dice.choice(kills_at(step))
        kills.append(kill.model_copy(update={"nth": max(1, step.nth - before)}))
        done = place
    return tuple(kills)


def _faults(dice: random.Random, steps: Sequence[Step]) -> tuple[Fault, ...]:
    requests = [step for step in steps if step.path]
    (number,) = dice.choices(FAULTS, FAULTS_WEIGHTS)
    faults = []
    for _ in range(number):
        kind, step, delay = dice.choice(FAULT_KINDS), dice.choice(requests), dice.choice(DELAYS_MS)
        faults.append(fault(kind, step, **({"delay_ms": delay} if kind == "delay" else {})))
    return tuple(faults)


def seed_of(scenario: Scenario) -> int:
    return int(scenario.name.split()[1].removesuffix(":"))


def told(failed: Played) -> str:
    """The whole schedule, what was wrong, and how to repeat just this one."""
    scenario = failed.scenario
    lines = [
        failed.failure or "",
        *(f"  kill {kill.point} {kill.match} ({kill.nth})" for kill in scenario.kills),
        *(
            f"  fault {one.fault} {one.method} {one.path} after {one.after} {one.more}"
            for one in scenario.faults
        ),
        *(f"  the API dies {death.point} of {death.match}" for death in scenario.api),
        f"  again: make chaos N=1 SEED={seed_of(scenario)}",
    ]
    return "\n".join(lines)


class Tally:
    """How much of what was planned came to be."""

    def __init__(self) -> None:
        self.played = 0
        self.planned = self.struck = Struck(0, 0, 0)

    def add(self, one: Played) -> None:
        scenario = one.scenario
        self.played += 1
        self.planned += Struck(len(scenario.kills), len(scenario.api), len(scenario.faults))
        self.struck += one.struck

    @property
    def share(self) -> float:
        """Of the planned kills, those that struck."""
        return self.struck.kills / max(1, self.planned.kills)

    def __str__(self) -> str:
        return (
            f"{self.played} seeds; struck {self.struck.kills} of {self.planned.kills} kills "
            f"({self.share:.0%}), "
            f"{self.struck.faults} of {self.planned.faults} faults, "
            f"{self.struck.api} of {self.planned.api} deaths of the API"
        )

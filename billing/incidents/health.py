"""Whether a component is degraded: decided from its probes and from how calls to it went.

A state changes only when its opposite has held for as long as the policy asks: what is degraded was not
well, and what is called well was not faulty for a while.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, Field

from ..core.operations import Message
from ..policy.incidents import IncidentPolicy

BUCKET = timedelta(seconds=5)
"""Calls are counted in pieces of time of this length."""


class Bucket(Message):
    """How calls went from `at` on, for the length of a bucket; `codes` counts the faults of each code."""

    at: AwareDatetime
    ok: int = 0
    faults: int = 0
    first_fault_at: AwareDatetime | None = None
    codes: dict[str, int] = Field(default_factory=dict)

    def without(self, codes: Collection[str]) -> Self:
        """As if the faults of these codes had not been counted."""
        left = {code: number for code, number in self.codes.items() if code not in codes}
        faults = self.faults - sum(self.codes.values()) + sum(left.values())
        first_fault_at = self.first_fault_at if faults else None
        return self.model_copy(update={"codes": left, "faults": faults, "first_fault_at": first_fault_at})


class HealthSample(Message):
    """The state of a component at one moment. `probe` is why it did not answer; None when it did.

    `ok` and `faults` are calls within the policy's window, without those before the state changed last.
    """

    at: AwareDatetime
    probe: str | None = None
    ok: int = 0
    faults: int = 0
    first_fault_at: AwareDatetime | None = None
    last_fault_at: AwareDatetime | None = None
    cause: str | None = None
    """The code of most faults, or of the probe."""


class HealthState(Message):
    """What the samples so far have led to. `since` is when the state changed last."""

    degraded: bool
    since: AwareDatetime
    failures: int = 0
    """Probes in a row that were not answered."""
    first_fault_at: AwareDatetime | None = None
    """Of those by which it may be, or was, found to be degraded."""
    healthy_since: AwareDatetime | None = None
    """Since when nothing has failed, while it still counts as degraded."""


def lookback(policy: IncidentPolicy) -> timedelta:
    """How far back the buckets go that a decision needs."""
    return timedelta(seconds=max(policy.window_seconds, policy.healthy_seconds)) + BUCKET


def take_sample(
    at: datetime, probe: str | None, buckets: Sequence[Bucket], since: datetime, policy: IncidentPolicy
) -> HealthSample:
    """One moment's sample; a bucket counts when a part of it is within the window and after `since`."""
    begins = max(since, at - timedelta(seconds=policy.window_seconds))
    counted = [one for one in buckets if begins - BUCKET < one.at <= at]
    faulty = [one for one in buckets if one.faults and one.at <= at]
    codes: Counter[str] = Counter()
    for one in counted:
        codes.update(one.codes)
    firsts = [one.first_fault_at for one in counted if one.first_fault_at is not None]
    return HealthSample(
        at=at,
        probe=probe,
        ok=sum(one.ok for one in counted),
        faults=sum(one.faults for one in counted),
        # Another process' clock may be ahead of ours.
        first_fault_at=min(*firsts, at) if firsts else None,
        # The bucket does not say when in it: at its end at the latest.
        last_fault_at=min(max(one.at for one in faulty) + BUCKET, at) if faulty else None,
        cause=min(codes, key=lambda code: (-codes[code], code)) if codes else probe,
    )


def next_state(health: HealthState, sample: HealthSample, policy: IncidentPolicy) -> HealthState:
    """The health after one more sample."""
    failures = health.failures + 1 if sample.probe is not None else 0
    if health.degraded:
        healthy_since = _healthy_since(health, sample)
        if healthy_since and sample.at - healthy_since >= timedelta(seconds=policy.healthy_seconds):
            return HealthState(degraded=False, since=sample.at)
        return health.model_copy(update={"failures": failures, "healthy_since": healthy_since})
    first = _first(health.first_fault_at if failures > 1 else None, sample)
    if failures >= policy.probe_failures or (sample.faults >= policy.faults and _shares(sample, policy)):
        return HealthState(
            degraded=True, since=sample.at, failures=failures, first_fault_at=first or sample.at
        )
    return health.model_copy(
        update={"failures": failures, "first_fault_at": first if sample.probe is not None else None}
    )


def is_failing(sample: HealthSample, policy: IncidentPolicy) -> bool:
    """Whether calls fail again after their release, before that is enough to call it degraded."""
    return sample.probe is not None or (sample.faults > 0 and _shares(sample, policy))


def _shares(sample: HealthSample, policy: IncidentPolicy) -> bool:
    return sample.faults >= policy.fault_share * (sample.ok + sample.faults)


def _healthy_since(health: HealthState, sample: HealthSample) -> datetime | None:
    if sample.probe is not None:
        return None
    since = health.healthy_since or sample.at
    return max(since, sample.last_fault_at) if sample.last_fault_at else since


def _first(earlier: datetime | None, sample: HealthSample) -> datetime | None:
    probed = sample.at if sample.probe is not None else None
    return min((at for at in (earlier, sample.first_fault_at, probed) if at is not None), default=None)

"""Whether a component is degraded: found by faults or probes, and never called well too early."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.incidents.health import (
    BUCKET,
    Bucket,
    HealthSample,
    HealthState,
    is_failing,
    lookback,
    next_state,
    take_sample,
)
from billing.policy.incidents import IncidentPolicy

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
POLICY = IncidentPolicy(
    window_seconds=60,
    faults=5,
    fault_share=0.5,
    probe_every_seconds=10,
    probe_failures=3,
    healthy_seconds=60,
    alert_every=30,
)
WELL = HealthState(degraded=False, since=START)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def calls(seconds: float, ok: int = 0, faults: int = 0, code: str = "rate_limit") -> Bucket:
    return Bucket(
        at=after(seconds),
        ok=ok,
        faults=faults,
        first_fault_at=after(seconds + 1) if faults else None,
        codes={code: faults} if faults else {},
    )


def health_of(
    probes: list[str | None],
    buckets: list[Bucket],
    health: HealthState = WELL,
    policy: IncidentPolicy = POLICY,
    *,
    first: float = 10,
) -> list[tuple[HealthSample, HealthState]]:
    """What becomes of the health, one look every `probe_every_seconds`."""
    told = []
    for number, probe in enumerate(probes):
        at = after(first + number * policy.probe_every_seconds)
        recent = [one for one in buckets if at - lookback(policy) <= one.at <= at]
        sample = take_sample(at, probe, recent, health.since, policy)
        health = next_state(health, sample, policy)
        told.append((sample, health))
    return told


def states(told: list[tuple[HealthSample, HealthState]]) -> list[bool]:
    return [health.degraded for _, health in told]


def test_three_probes_in_a_row_without_an_answer_are_a_degraded_state() -> None:
    told = health_of([None, "timeout", "timeout", "timeout"], [])
    assert states(told) == [False, False, False, True]
    assert told[-1][1].first_fault_at == after(20), "the first of the three"


def test_a_probe_that_is_answered_in_between_begins_the_count_anew() -> None:
    assert True not in states(health_of(["timeout", "timeout", None] * 3, []))


def test_many_calls_that_fail_are_a_degraded_state_whatever_the_probe_says() -> None:
    told = health_of([None], [calls(0, ok=5, faults=5)])
    assert states(told) == [True]
    assert told[0][0].cause == "rate_limit"
    assert told[0][1].first_fault_at == after(1)


def test_few_faults_or_a_small_share_are_none() -> None:
    assert states(health_of([None], [calls(0, ok=0, faults=4)])) == [False]
    assert states(health_of([None], [calls(0, ok=6, faults=5)])) == [False]


def test_faults_that_are_over_the_window_do_not_count() -> None:
    told = health_of([None] * 8, [calls(0, faults=4), calls(65, faults=4)])
    assert True not in states(told)


def test_the_cause_is_the_code_of_most_faults() -> None:
    told = health_of([None], [calls(0, faults=3), calls(5, faults=4, code="stripe_unreachable")])
    assert told[0][0].cause == "stripe_unreachable"


DEGRADED = HealthState(degraded=True, since=START)


def test_it_has_recovered_when_nothing_failed_for_a_minute() -> None:
    told = health_of([None] * 7, [], DEGRADED)
    assert states(told) == [True] * 6 + [False]
    assert told[-1][1].since == after(70)


def test_one_fault_or_one_probe_puts_that_off() -> None:
    assert states(health_of([None] * 7, [calls(40, ok=9, faults=1)], DEGRADED))[-1]
    assert states(health_of([None, None, "timeout", None, None, None, None], [], DEGRADED))[-1]


def test_the_faults_of_before_its_recovery_do_not_degrade_it_again() -> None:
    impatient = POLICY.model_copy(update={"healthy_seconds": 10})
    told = health_of([None] * 4, [calls(5, faults=50)], DEGRADED, impatient)
    assert states(told) == [True, False, False, False]


def test_what_is_let_go_again_is_failing_by_a_probe_or_by_its_share_of_faults() -> None:
    assert is_failing(HealthSample(at=START, probe="timeout"), POLICY)
    assert is_failing(HealthSample(at=START, ok=1, faults=1), POLICY)
    assert not is_failing(HealthSample(at=START, ok=2, faults=1), POLICY)
    assert not is_failing(HealthSample(at=START), POLICY)


policies = st.builds(
    lambda window, faults, share, every, failures, healthy: IncidentPolicy(
        window_seconds=window,
        faults=faults,
        fault_share=share,
        probe_every_seconds=every,
        probe_failures=failures,
        healthy_seconds=every + healthy,
        alert_every=30,
    ),
    st.integers(5, 120),
    st.integers(1, 8),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.integers(1, 20),
    st.integers(1, 4),
    st.integers(0, 60),
)
buckets_ = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 5), st.integers(0, 5)), max_size=30, unique_by=lambda b: b[0]
).map(lambda rows: [calls(5 * number, ok, faults) for number, ok, faults in rows])


@given(policies, st.lists(st.sampled_from([None, None, "timeout"]), max_size=40), buckets_, st.booleans())
def test_it_never_flaps(
    policy: IncidentPolicy, probes: list[str | None], buckets: list[Bucket], degraded: bool
) -> None:
    """Each change has its reason, for as long as the policy asks."""
    before = HealthState(degraded=degraded, since=START)
    told = health_of(probes, buckets, before, policy)
    for number, (sample, health) in enumerate(told):
        if before.degraded and not health.degraded:
            healthy = sample.at - timedelta(seconds=policy.healthy_seconds)
            assert healthy >= before.since, "it was degraded for that long at least"
            assert not [s for s, _ in told[: number + 1] if s.at >= healthy and s.probe is not None]
            assert not [b for b in buckets if b.faults and healthy < b.at + BUCKET and b.at <= sample.at]
        elif health.degraded and not before.degraded:
            row = told[max(0, number + 1 - policy.probe_failures) : number + 1]
            probed = len(row) == policy.probe_failures and all(s.probe is not None for s, _ in row)
            shared = sample.faults >= policy.fault_share * (sample.ok + sample.faults)
            assert probed or (sample.faults >= policy.faults and shared)
            assert health.first_fault_at is not None
            assert health.first_fault_at <= sample.at
        else:
            assert health.since == before.since
        before = health


def test_a_bucket_without_some_codes_is_as_if_those_faults_had_not_been_counted() -> None:
    mixed = calls(0, ok=2, faults=3).model_copy(update={"codes": {"rate_limit": 2, "timeout": 1}})
    assert mixed.without({"rate_limit"}) == mixed.model_copy(update={"faults": 1, "codes": {"timeout": 1}})
    assert mixed.without({"rate_limit", "timeout"}) == calls(0, ok=2)
    assert mixed.without(set()) == mixed

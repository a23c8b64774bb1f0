from datetime import UTC, datetime, time, timedelta

import pytest

from billing.approvals.ladder import Rung, build_ladder, open_rung
from billing.core.business_time import Calendar
from billing.core.operations import Role
from billing.policy.policy import LadderStep

OFFICE = Calendar(
    name="office",
    zone="America/New_York",
    country="US",
    days=(0, 1, 2, 3, 4),
    opens=time(9),
    closes=time(17),
)
BERLIN = Calendar(
    name="berlin",
    zone="Europe/Berlin",
    country="DE",
    subdivision="BE",
    days=(0, 1, 2, 3, 4),
    opens=time(9),
    closes=time(17),
)
ALWAYS = Calendar(name="24x7", zone="UTC", always=True)
STEPS = (
    LadderStep(roles=(Role.CONTROLLER,), respond_within=480, remind_every=240),
    LadderStep(roles=(Role.LEGAL,), respond_within=480),
)
FRIDAY_NOON = datetime(2026, 4, 17, 16, tzinfo=UTC)
LADDER = build_ladder(STEPS, OFFICE, FRIDAY_NOON)
SUNDAY = datetime(2026, 4, 19, 12, tzinfo=UTC)


def test_each_rung_opens_when_the_one_before_it_is_late():
    assert (
        Rung(
            roles=(Role.CONTROLLER,),
            opens_at=FRIDAY_NOON,
            remind_at=(datetime(2026, 4, 17, 20, tzinfo=UTC),),
            deadline=datetime(2026, 4, 20, 16, tzinfo=UTC),
            state="active",
        ),
        Rung(
            roles=(Role.LEGAL,),
            opens_at=datetime(2026, 4, 20, 16, tzinfo=UTC),
            remind_at=(),
            deadline=datetime(2026, 4, 21, 16, tzinfo=UTC),
            state="waiting",
        ),
    ) == LADDER


def test_reminders_come_at_every_interval_before_the_deadline_and_not_at_it():
    (rung,) = build_ladder(
        [LadderStep(roles=(Role.LEGAL,), respond_within=60, remind_every=20)], ALWAYS, FRIDAY_NOON
    )
    assert rung.remind_at == (FRIDAY_NOON + timedelta(minutes=20), FRIDAY_NOON + timedelta(minutes=40))
    assert rung.deadline == FRIDAY_NOON + timedelta(minutes=60)


def test_a_ladder_opened_on_a_holiday_starts_to_count_afterwards():
    thanksgiving = datetime(2026, 11, 26, 15, tzinfo=UTC)
    rung, _ = build_ladder(STEPS, OFFICE, thanksgiving)
    assert rung.opens_at == thanksgiving
    assert rung.remind_at == (datetime(2026, 11, 27, 18, tzinfo=UTC),)
    assert rung.deadline == datetime(2026, 11, 27, 22, tzinfo=UTC)


def test_a_rung_keeps_the_hours_of_its_own_calendar():
    """New York's deadline is at six in the evening in Berlin, which answers by the next day's end."""
    steps = [STEPS[0], STEPS[1].model_copy(update={"calendar": "berlin", "remind_every": 240})]
    _, berlin = build_ladder(steps, OFFICE, FRIDAY_NOON, {"berlin": BERLIN})
    assert berlin.opens_at == datetime(2026, 4, 20, 16, tzinfo=UTC)
    assert berlin.remind_at == (datetime(2026, 4, 21, 11, tzinfo=UTC),)
    assert berlin.deadline == datetime(2026, 4, 21, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opened", "deadline"),
    [
        (datetime(2026, 3, 6, 17, tzinfo=UTC), datetime(2026, 3, 9, 16, tzinfo=UTC)),
        (datetime(2026, 10, 30, 16, tzinfo=UTC), datetime(2026, 11, 2, 17, tzinfo=UTC)),
    ],
    ids=["clocks go forward", "clocks go back"],
)
def test_noon_is_noon_on_both_sides_of_a_clock_change(opened, deadline):
    """Asked on Friday at noon in New York, due on Monday at noon there."""
    assert build_ladder(STEPS, OFFICE, opened)[0].deadline == deadline


def test_a_ladder_survives_json():
    assert tuple(Rung.model_validate_json(rung.model_dump_json()) for rung in LADDER) == LADDER


# --- Rungs that nobody can answer ---------------------------------------------------------------------------


THREE = (*STEPS, LadderStep(roles=(Role.FINANCE,), respond_within=480, remind_every=240))


def opened(vacant, number=0, at=FRIDAY_NOON, steps=THREE):
    return open_rung(
        build_ladder(steps, OFFICE, FRIDAY_NOON),
        number,
        at,
        rebuilt=lambda start: build_ladder(steps[start:], OFFICE, at),
        why_vacant=lambda rung: "nobody is there" if rung.roles[0] in vacant else None,
    )


def test_a_rung_that_somebody_can_answer_opens_with_the_times_that_it_had():
    ladder, rung, vacant = opened(vacant=(), number=1, at=datetime(2026, 4, 20, 16, 0, 3, tzinfo=UTC))
    assert (rung, vacant) == (1, {})
    assert [one.state for one in ladder] == ["passed", "active", "waiting"]
    assert ladder[1].deadline == build_ladder(THREE, OFFICE, FRIDAY_NOON)[1].deadline


def test_a_vacant_first_rung_hands_over_at_once_and_the_next_counts_from_now():
    ladder, rung, vacant = opened(vacant=(Role.CONTROLLER,))
    assert (rung, vacant) == (1, {0: "nobody is there"})
    assert [one.state for one in ladder] == ["vacant", "active", "waiting"]
    assert (ladder[0].deadline, ladder[0].remind_at) == (FRIDAY_NOON, ())
    assert (ladder[1].opens_at, ladder[1].deadline) == (FRIDAY_NOON, datetime(2026, 4, 20, 16, tzinfo=UTC))
    assert ladder[2].opens_at == ladder[1].deadline


def test_a_vacant_rung_in_the_middle_is_passed_over_when_its_turn_comes():
    ladder, rung, vacant = opened(vacant=(Role.LEGAL,), number=1, at=SUNDAY)
    assert (rung, vacant) == (2, {1: "nobody is there"})
    assert [one.state for one in ladder] == ["passed", "vacant", "active"]
    assert ladder[2].deadline == datetime(2026, 4, 20, 21, tzinfo=UTC)
    assert ladder[2].remind_at == (datetime(2026, 4, 20, 17, tzinfo=UTC),)


def test_the_last_rung_stays_open_until_its_deadline_although_it_is_vacant():
    ladder, rung, vacant = opened(vacant=(Role.CONTROLLER, Role.LEGAL, Role.FINANCE))
    assert (rung, list(vacant)) == (2, [0, 1, 2])
    assert [one.state for one in ladder] == ["vacant", "vacant", "vacant"]
    assert ladder[2].deadline == datetime(2026, 4, 20, 16, tzinfo=UTC)


def test_what_was_vacant_stays_so_on_the_ladder():
    ladder, _, _ = opened(vacant=(Role.CONTROLLER,))
    ladder, rung, _ = open_rung(ladder, 2, SUNDAY, rebuilt=lambda _: (), why_vacant=lambda _: None)
    assert (rung, [one.state for one in ladder]) == (2, ["vacant", "passed", "active"])

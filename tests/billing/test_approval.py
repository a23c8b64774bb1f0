from datetime import UTC, datetime, time, timedelta

import pytest

from billing.approval import Rung, build_ladder, may_decide
from billing.business_time import Calendar
from billing.money import Money
from billing.operations import Role
from billing.policy import AuthorityLimit, LadderStep

OFFICE = Calendar(
    name="office",
    zone="America/New_York",
    country="US",
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


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def asked(person="person_cleo", roles=(Role.CONTROLLER,), rung=0, **more):
    refusal = may_decide(
        requester="person_ada",
        requester_delegates={"person_dan"},
        person=person,
        roles=roles,
        ladder=LADDER,
        rung=rung,
        **more,
    )
    return refusal.code if refusal else None


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


def test_a_ladder_survives_json():
    assert tuple(Rung.model_validate_json(rung.model_dump_json()) for rung in LADDER) == LADDER


def test_somebody_with_the_role_may_decide():
    assert asked() is None
    assert asked(roles=(Role.AUDITOR, Role.CONTROLLER)) is None


def test_nobody_decides_on_their_own_request_whatever_their_role():
    assert asked(person="person_ada", roles=tuple(Role)) == "own_request"


def test_a_delegate_of_the_requester_does_not_decide_whatever_their_role():
    assert asked(person="person_dan", roles=tuple(Role)) == "requesters_delegate"


@pytest.mark.parametrize("roles", [(), (Role.BILLING_ADMIN,), (Role.FINANCE, Role.AUDITOR)])
def test_somebody_without_a_role_of_the_ladder_does_not_decide(roles):
    assert asked(roles=roles, rung=1) == "wrong_role"


def test_a_later_rung_may_not_decide_yet_and_is_told_when():
    refusal = may_decide(
        requester="person_ada",
        requester_delegates=(),
        person="person_lee",
        roles=(Role.LEGAL,),
        ladder=LADDER,
        rung=0,
    )
    assert refusal is not None
    assert refusal.code == "wrong_role"
    assert refusal.message == "legal may decide from 2026-04-20 16:00 UTC, controller now."


def test_an_earlier_rung_may_still_decide():
    assert asked(roles=(Role.CONTROLLER,), rung=1) is None
    assert asked(roles=(Role.LEGAL,), rung=1) is None


AUTHORITY = {
    Role.CONTROLLER: [AuthorityLimit(per_item=usd(10_000), window_days=30, window_total=usd(15_000))],
    Role.LEGAL: [AuthorityLimit(per_item=usd(90_000), window_days=30, window_total=usd(90_000))],
}


@pytest.mark.parametrize(
    ("amount", "used", "roles", "rung", "code"),
    [
        (10_000, 5_000, (Role.CONTROLLER,), 0, None),
        (10_001, 0, (Role.CONTROLLER,), 0, "authority_too_small"),
        (10_000, 5_001, (Role.CONTROLLER,), 0, "authority_too_small"),
        (50_000, 0, (Role.CONTROLLER, Role.LEGAL), 0, "authority_too_small"),
        (50_000, 0, (Role.CONTROLLER, Role.LEGAL), 1, None),
        (50_000, 0, (Role.LEGAL,), 0, "wrong_role"),
    ],
    ids=[
        "within",
        "item too large",
        "window full",
        "by a later role",
        "once it is asked",
        "too early",
    ],
)
def test_an_amount_needs_the_authority_of_a_role_that_is_asked(amount, used, roles, rung, code):
    assert (
        asked(roles=roles, rung=rung, amount=usd(amount), authority=AUTHORITY, used={30: usd(used)}) == code
    )


def test_a_role_without_an_authority_decides_on_no_amount():
    assert asked(amount=usd(1)) == "authority_too_small"
    assert asked(amount=usd(1), authority={Role.LEGAL: AUTHORITY[Role.LEGAL]}) == "authority_too_small"

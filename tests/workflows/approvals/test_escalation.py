"""The ladder through days: reminders, the next rung, business hours across zones, holidays, clock changes."""

from datetime import datetime, timedelta

import holidays
import pytest

from ...support.house import House
from ..conftest import ON_BOTH_DATABASES
from .escalating import (
    BERLIN,
    CONTROLLER,
    FINANCE,
    LEGAL,
    NEW_YORK,
    a_review,
    before_clocks_change,
    coming,
    go_to,
    office,
)

pytestmark = pytest.mark.slow


@ON_BOTH_DATABASES
async def test_a_silent_ladder_is_reminded_and_climbed_in_business_hours_and_expires(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    friday = await coming(home, weekday=4, hour=12, zone=NEW_YORK)
    await go_to(home, friday)
    review = await a_review(home, acme, CONTROLLER, LEGAL)
    await review.mailed(acme.controller, "review_requested")
    await go_to(home, friday + timedelta(hours=5))
    await review.mailed(acme.controller, "review_reminder")
    await go_to(home, friday + timedelta(days=3, hours=1))
    await review.mailed(acme.legal, "review_escalated")
    await go_to(home, friday + timedelta(days=5))

    outcome = await review.handle.result()
    assert outcome.state == "expired"
    assert await review.moments() == [
        ("review_requested", friday),
        ("approvers_reminded", friday.replace(hour=16)),
        ("escalated", friday + timedelta(days=3)),
        ("review_expired", friday + timedelta(days=4)),
    ]
    assert not review.has_mail(acme.admin)
    shown = await review.shown()
    assert (shown["state"], [rung["state"] for rung in shown["ladder"]]) == ("expired", ["passed", "active"])


@pytest.mark.parametrize(
    ("forward", "hours"), [(True, 71), (False, 73)], ids=["clocks go forward", "clocks go back"]
)
async def test_noon_is_noon_when_the_clocks_change_over_the_weekend(
    home: House, forward: bool, hours: int
) -> None:
    """Eight business hours from Friday noon end on Monday noon, an hour sooner or later than usual."""
    acme = await home.shop.tenant(home.database)
    friday = await before_clocks_change(home, forward=forward)
    await go_to(home, friday)
    review = await a_review(home, acme, CONTROLLER, LEGAL)
    deadline = datetime.fromisoformat((await review.shown())["deadline"])
    await go_to(home, friday + timedelta(days=3, hours=1))
    await review.reached(1)

    assert round((deadline - friday.astimezone(deadline.tzinfo)) / timedelta(hours=1)) == hours
    monday = friday + timedelta(days=3)
    assert dict(await review.moments())["escalated"] == monday
    assert monday.hour == 12


async def test_a_holiday_is_not_counted(home: House) -> None:
    """Two hours from four o'clock before Thanksgiving are over at ten on the day after it."""
    acme = await home.shop.tenant(home.database)
    wednesday = await coming(home, weekday=2, hour=16, zone=NEW_YORK)
    while (wednesday + timedelta(days=1)).date() not in thanksgivings(wednesday.year):
        wednesday += timedelta(days=7)
    await go_to(home, wednesday)
    short = CONTROLLER.model_copy(update={"respond_within": 120, "remind_every": 90})
    review = await a_review(home, acme, short, LEGAL, calendar=office(NEW_YORK, "US"))
    friday = wednesday + timedelta(days=2)
    await go_to(home, friday.replace(hour=10, minute=30))
    await review.reached(1)

    assert await review.moments() == [
        ("review_requested", wednesday),
        ("approvers_reminded", friday.replace(hour=9, minute=30)),
        ("escalated", friday.replace(hour=10)),
    ]


async def test_each_rung_keeps_the_hours_of_its_own_zone(home: House) -> None:
    """New York is late on Friday evening, when Berlin sleeps: Legal there has all of Monday."""
    acme = await home.shop.tenant(home.database)
    friday = await coming(home, weekday=4, hour=8, zone=NEW_YORK)
    await go_to(home, friday)
    in_berlin = LEGAL.model_copy(update={"calendar": BERLIN.key, "remind_every": 240})
    review = await a_review(home, acme, CONTROLLER, in_berlin, calendars=[office(BERLIN)])
    await go_to(home, friday + timedelta(days=4))

    assert (await review.handle.result()).state == "expired"
    monday = friday.astimezone(BERLIN) + timedelta(days=3)
    assert await review.moments() == [
        ("review_requested", friday),
        ("approvers_reminded", friday.replace(hour=13)),
        ("escalated", friday.replace(hour=17)),
        ("approvers_reminded", monday.replace(hour=13)),
        ("review_expired", monday.replace(hour=17)),
    ]


@ON_BOTH_DATABASES
async def test_changes_that_are_asked_for_end_the_round_wherever_it_is(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, CONTROLLER, LEGAL)
    await home.skip_past((await review.shown())["deadline"])
    await review.reached(1)
    answer = await review.decide(acme.legal, "request_changes", "Half of it.")
    outcome = await review.handle.result()

    assert answer.status_code == 200, answer.text
    assert (outcome.state, outcome.person, outcome.comment) == (
        "changes_requested",
        acme.legal.id,
        "Half of it.",
    )
    assert (await review.told())[-1] == "changes_requested"


async def test_after_the_last_deadline_nothing_is_decided(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, FINANCE)
    await home.skip(days=5)
    assert (await review.handle.result()).state == "expired"
    late = await review.decide(acme.finance)

    assert (late.status_code, late.json()["code"]) == (409, "approval_closed")


def thanksgivings(year: int) -> set[object]:
    return {
        day
        for one in (year, year + 1)
        for day, name in holidays.country_holidays("US", years=one, language="en_US").items()
        if name == "Thanksgiving Day"
    }

"""The success checks count what happened in the period, and their rows are what they counted."""

from typing import Any

import pytest

from billing.core.measures import Spread
from billing.success_checks import checks as checks
from db.core.session import Database
from db.success_checks import queries as records
from db.success_checks.queries import CHECKS, CheckPeriod

from ...support import checked_rows as day
from ...support.builders import Tenant, tenant


@pytest.fixture
async def acme(database: Database) -> Tenant:
    return await tenant(database)


@pytest.fixture
async def other(database: Database, acme: Tenant) -> Tenant:
    return await tenant(database)


def period(whose: Tenant) -> CheckPeriod:
    return CheckPeriod(whose.id, day.START, day.END, day.AS_OF)


async def figures(database: Database, whose: Tenant) -> checks.SuccessChecks:
    async with database.snapshot() as session:
        return await records.figures(session, period(whose))


async def listed(database: Database, whose: Tenant, name: str, limit: int = 2) -> list[Any]:
    """All rows, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        async with database.reading() as session:
            page = await CHECKS[name].listing(period(whose)).page(session, limit=limit, cursor=cursor)
        assert len(page.rows) <= limit
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_what_was_allowed_is_followed_to_its_first_effect(database: Database, acme: Tenant) -> None:
    plans = await day.plan_changes(database, acme)
    money = await day.money_back(database, acme)

    found = (await figures(database, acme)).approved_to_visible
    # Visible after 2, 300, 300.001 and 400 s; a failed change and a credit are not.
    assert found == checks.ApprovedToVisible(
        count=6, visible=4, within_five_minutes=2, share=2 / 6, p50_seconds=300.0, p95_seconds=400.0
    )
    rows = await listed(database, acme, "approved_to_visible")
    assert checks.approved_to_visible(rows) == found
    assert {row.operation: row.seconds for row in rows} == {
        plans["soon"].id: 2.0,
        plans["slow"].id: 400.0,
        plans["failed"].id: None,
        money["refund"].id: 300.0,
        money["unnoted"].id: 300.001,
        money["credit"].id: None,
    }
    assert [row.allowed_at for row in rows] == sorted((row.allowed_at for row in rows), reverse=True)


async def test_balances_are_as_the_last_completed_reconciliation_found_them(
    database: Database, acme: Tenant, other: Tenant
) -> None:
    never = (await figures(database, acme)).balances_equal_stripe
    assert (never.compared_at, never.compared, never.share) == (None, 0, None)
    assert await listed(database, acme, "balances_equal_stripe") == []

    last = await day.reconciliations(database, acme, other)
    found = (await figures(database, acme)).balances_equal_stripe
    assert found == checks.BalancesEqualStripe(
        reconciliation=last.id, compared_at=last.ended_at, compared=4, equal=2, share=0.5
    )
    rows = await listed(database, acme, "balances_equal_stripe", limit=1)
    assert sorted(row.invoice for row in rows) == ["in_new", "in_paid"]
    others = (await figures(database, other)).balances_equal_stripe
    assert (others.compared, others.equal, others.share) == (1, 0, 0.0)


async def test_troubles_are_measured_by_the_end_of_their_business_day(
    database: Database, acme: Tenant
) -> None:
    stuck = await day.troubles(database, acme)
    found = (await figures(database, acme)).portal_troubles_same_day
    assert found == checks.PortalTroublesSameDay(count=4, solved_same_day=1, late=2, waiting=1, share=1 / 3)
    rows = await listed(database, acme, "portal_troubles_same_day")
    assert checks.portal_troubles_same_day(rows) == found
    assert {row.operation: row.outcome for row in rows} == {
        stuck["in_time"].id: "in_time",
        stuck["late"].id: "late",
        stuck["open_late"].id: "late",
        stuck["waiting"].id: "waiting",
    }


async def test_incidents_are_everybodys_and_open_ones_are_listed(
    database: Database, acme: Tenant, other: Tenant
) -> None:
    await day.incidents(database, acme, other)
    found = (await figures(database, other)).incidents_with_note
    assert found == checks.IncidentsWithNote(
        cleared=2,
        with_note=2,
        share=1.0,
        to_detect=Spread(count=2, p50_seconds=20.0, p95_seconds=40.0),
        to_alert=Spread(count=1, p50_seconds=1.0, p95_seconds=1.0),
        to_clear=Spread(count=2, p50_seconds=600.0, p95_seconds=3600.0),
        open=1,
    )
    rows = await listed(database, other, "incidents_with_note")
    assert checks.incidents_with_note(rows) == found
    assert [row.component for row in rows] == ["portal", "mail", "stripe"]


async def test_a_refund_counts_as_noted_when_its_note_names_each_payment(
    database: Database, acme: Tenant
) -> None:
    money = await day.money_back(database, acme)
    found = (await figures(database, acme)).refunds_with_notes
    assert found == checks.RefundsWithNotes(count=2, with_note=1, share=0.5)
    rows = await listed(database, acme, "refunds_with_notes", limit=1)
    assert checks.refunds_with_notes(rows) == found
    assert [(row.operation, row.payments, row.named) for row in rows] == [
        (money["unnoted"].id, ("pi_c",), False),
        (money["refund"].id, ("pi_a", "pi_b"), True),
    ]


async def test_plan_changes_are_flagged_soon_and_acknowledged_in_time(
    database: Database, acme: Tenant
) -> None:
    await day.plan_changes(database, acme)
    found = (await figures(database, acme)).plan_changes_flagged
    # Of six one was blocked before its review, and one in review was not flagged.
    assert found == checks.PlanChangesFlagged(
        count=6,
        flagged=4,
        ended_before=1,
        share=0.8,
        p50_seconds=2.0,
        p95_seconds=3.0,
        acknowledged_in_time=1,
        acknowledged_late=2,
        acknowledgement_waiting=1,
        acknowledged_share=1 / 3,
    )
    rows = await listed(database, acme, "plan_changes_flagged")
    assert checks.plan_changes_flagged(rows) == found


async def test_of_another_organization_nothing_is_counted(
    database: Database, acme: Tenant, other: Tenant
) -> None:
    await day.plan_changes(database, acme)
    await day.money_back(database, acme)
    await day.troubles(database, acme)
    found = await figures(database, other)
    assert (found.approved_to_visible.count, found.approved_to_visible.share) == (0, None)
    assert (found.portal_troubles_same_day.count, found.portal_troubles_same_day.share) == (0, None)
    assert (found.refunds_with_notes.count, found.refunds_with_notes.share) == (0, None)
    assert (found.plan_changes_flagged.count, found.plan_changes_flagged.p50_seconds) == (0, None)
    for name in CHECKS:
        assert await listed(database, other, name) == []

"""The success checks by HTTP: their figures, the rows behind them, and periods that can't be."""

from datetime import timedelta
from typing import Any

import pytest

from billing.money.notes import with_objects
from billing.success_checks.checks import SuccessChecks
from db.core.session import Database
from db.success_checks.queries import CHECKS

from ...support import checked_rows as day
from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, Api

PATH = "/v1/success-checks"
PERIOD = {"from": day.START.isoformat(), "to": day.END.isoformat()}


@pytest.fixture
async def busy(database: Database, acme: Tenant, other: Tenant) -> Tenant:
    await day.plan_changes(database, acme)
    await day.money_back(database, acme)
    await day.troubles(database, acme)
    await day.reconciliations(database, acme, other)
    await day.incidents(database, acme, other)
    return acme


async def rows(api: Api, who: Any, name: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        answer = await api.get(f"{PATH}/{name}/rows", who, **PERIOD, **query, **more)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        more = {"cursor": page["next_cursor"]}


async def test_every_figure_can_be_counted_from_its_rows(api: Api, busy: Tenant) -> None:
    answer = await api.get(PATH, busy.auditor, **PERIOD)
    assert answer.status_code == 200, answer.text
    figures = answer.json()["checks"]
    assert set(figures) == set(CHECKS) == set(SuccessChecks.model_fields)

    allowed = await rows(api, busy.auditor, "approved_to_visible", limit=2)
    assert figures["approved_to_visible"]["count"] == len(allowed) == 6
    assert figures["approved_to_visible"]["within_five_minutes"] == sum(r["within"] for r in allowed) == 2
    assert sorted(r["seconds"] for r in allowed if r["seconds"]) == [2.0, 300.0, 300.001, 400.0]
    unequal = await rows(api, busy.finance, "balances_equal_stripe")
    assert figures["balances_equal_stripe"]["equal"] == 4 - len(unequal) == 2
    troubles = await rows(api, busy.admin, "portal_troubles_same_day", limit=1)
    outcomes = [r["outcome"] for r in troubles]  # of the last one by what day it really is
    assert figures["portal_troubles_same_day"]["late"] == outcomes.count("late") >= 1
    assert figures["portal_troubles_same_day"]["solved_same_day"] == outcomes.count("in_time") == 1
    outages = await rows(api, busy.legal, "incidents_with_note")
    assert figures["incidents_with_note"]["open"] == sum(r["cleared_at"] is None for r in outages) == 1
    refunds = await rows(api, busy.controller, "refunds_with_notes")
    assert figures["refunds_with_notes"]["with_note"] == sum(r["named"] for r in refunds) == 1
    assert refunds[1]["note"] == with_objects("The customer was billed twice.", ["pi_a", "pi_b"])
    changes = await rows(api, busy.admin, "plan_changes_flagged", limit=3)
    assert figures["plan_changes_flagged"]["flagged"] == 4
    assert [r["outcome"] for r in changes].count("flagged") == 4


@ON_ONE_DATABASE
async def test_others_see_that_an_incident_has_a_note_but_not_the_note(
    api: Api, busy: Tenant, other: Tenant
) -> None:
    ours = await rows(api, busy.admin, "incidents_with_note")
    theirs = await rows(api, other.admin, "incidents_with_note")
    note = "Waited until Stripe had recovered."
    assert [(r["component"], r["with_note"], r["note"]) for r in ours] == [
        ("portal", False, None),
        ("mail", True, None),
        ("stripe", True, note),
    ]
    assert [r["note"] for r in theirs] == [None, note, None]


@ON_ONE_DATABASE
async def test_another_organization_sees_none_of_it(api: Api, busy: Tenant, other: Tenant) -> None:
    figures = (await api.get(PATH, other.admin, **PERIOD)).json()["checks"]
    assert figures["approved_to_visible"]["share"] is None
    for name in set(CHECKS) - {"incidents_with_note", "balances_equal_stripe"}:
        assert await rows(api, other.admin, name) == []


@ON_ONE_DATABASE
async def test_the_last_thirty_days_unless_it_is_said_otherwise(api: Api, acme: Tenant) -> None:
    found = (await api.get(PATH, acme.admin)).json()
    assert found["to"] == found["as_of"]
    whole = (await api.get(PATH, acme.admin, to="2026-04-16T02:00:00+02:00")).json()
    assert (whole["from"], whole["to"]) == ("2026-03-17T00:00:00Z", "2026-04-16T00:00:00Z")


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", [PATH, f"{PATH}/refunds_with_notes/rows"])
@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ({"from": "2026-04-02T00:00:00Z", "to": "2026-04-01T00:00:00Z"}, "period_inverted", "/to"),
        ({"from": "2026-04-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}, "period_inverted", "/to"),
        ({"from": "9999-01-01T00:00:00Z"}, "period_inverted", "/from"),
        ({"to": "0001-01-02T00:00:00Z"}, "period_inverted", "/to"),
        ({"from": "2025-01-01T00:00:00Z", "to": "2026-01-02T00:00:01Z"}, "period_too_long", "/from"),
        ({"from": "0001-01-01T00:00:00Z"}, "period_too_long", "/from"),
        ({"from": "2026-04-01"}, "invalid_request", "/from"),
        ({"to": "1776297600"}, "invalid_request", "/to"),
        ({"until": "2026-04-01T00:00:00Z"}, "invalid_request", "/until"),
    ],
)
async def test_a_period_that_cannot_be_is_refused_by_its_field(
    api: Api, acme: Tenant, path: str, query: dict[str, str], code: str, pointer: str
) -> None:
    answer = await api.get(path, acme.admin, **query)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert [(error["where"], error["pointer"]) for error in problem["errors"]] == [("query", pointer)]


@ON_ONE_DATABASE
async def test_a_period_of_366_days_is_the_longest(api: Api, acme: Tenant) -> None:
    start = day.END - timedelta(days=366)
    answer = await api.get(PATH, acme.admin, **{"from": start.isoformat(), "to": day.END.isoformat()})
    assert answer.status_code == 200


@ON_ONE_DATABASE
async def test_a_check_that_there_is_not_has_no_rows(api: Api, acme: Tenant) -> None:
    assert (await api.get(f"{PATH}/happy_customers/rows", acme.admin)).status_code == 404


@ON_ONE_DATABASE
async def test_a_cursor_that_is_none_is_refused(api: Api, busy: Tenant) -> None:
    answer = await api.get(f"{PATH}/refunds_with_notes/rows", busy.admin, cursor="ab", **PERIOD)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.both_databases
@pytest.mark.parametrize("name", list(CHECKS))
@pytest.mark.parametrize("by", ["day", "week"])
async def test_the_points_of_a_check_add_up_to_its_figure(api: Api, busy: Tenant, name: str, by: str) -> None:
    figure = (await api.get(PATH, busy.auditor, **PERIOD)).json()["checks"][name]
    answer = await api.get(f"{PATH}/{name}/series", busy.auditor, **PERIOD, by=by)
    assert answer.status_code == 200, answer.text
    points = answer.json()["points"]
    good = next(figure[key] for key in _GOOD if key in figure)
    if name == "balances_equal_stripe":
        last = [point for point in points if point["count"]][-1]
        assert (last["count"], last["met"]) == (figure["compared"], good)
    else:
        assert sum(point["met"] for point in points) == good
    if figure["share"] is not None and len(points) == 1:
        assert points[0]["share"] == figure["share"]
    assert points[0]["begins_at"] == day.START.isoformat().replace("+00:00", "Z")


_GOOD = ("within_five_minutes", "equal", "solved_same_day", "with_note", "flagged")


async def test_a_series_is_of_ones_own_organization(api: Api, busy: Tenant, other: Tenant) -> None:
    answer = await api.get(f"{PATH}/approved_to_visible/series", other.auditor, **PERIOD)
    assert sum(point["count"] for point in answer.json()["points"]) == 0


async def test_a_series_of_too_many_days_and_of_no_check_is_refused(api: Api, acme: Tenant) -> None:
    period = {"from": "2026-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
    answer = await api.get(f"{PATH}/approved_to_visible/series", acme.auditor, **period, by="day")
    assert (answer.status_code, answer.json()["code"]) == (422, "period_too_long")
    answer = await api.get(f"{PATH}/approved_to_visible/series", acme.auditor, **period, by="week")
    assert len(answer.json()["points"]) == 22, "from the week of New Year to the last of May"
    assert (await api.get(f"{PATH}/nothing/series", acme.auditor)).status_code == 404

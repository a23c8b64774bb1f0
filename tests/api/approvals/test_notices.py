"""Finance acknowledges, while no worker runs and Temporal is down."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.core.operations import SYSTEM, Kind, Role
from db.core import timeline
from db.core.session import Database
from db.tables import Case, Notice, Outbox

from ...support.builders import NOW, Tenant, a_notice, an_approval, an_operation, member, store
from ...support.money_rows import a_delegation
from ..conftest import ON_ONE_DATABASE, Api, counted


async def told(database: Database, acme: Tenant, **fields: Any) -> Notice:
    operation = an_operation(acme, closed_at=NOW)
    notice = a_notice(operation, **fields)
    await store(database, operation, notice)
    return notice


async def test_a_notice_is_shown_with_its_deadline(api: Api, acme: Tenant, database: Database) -> None:
    notice = await told(database, acme, subject={"effective": "now"})
    assert (await api.get("/v1/notices", acme.auditor)).json() == {
        "data": [
            {
                "id": notice.id,
                "operation": notice.operation_id,
                "kind": "plan_change_requested",
                "subject": {"effective": "now"},
                "state": "open",
                "deadline": "2026-03-02T23:00:00Z",
                "created_at": "2026-03-02T15:00:00Z",
                "acknowledged_at": None,
                "acknowledged_by": None,
                "superseded_at": None,
                "superseded_because": None,
                "superseded_by": None,
            }
        ],
        "next_cursor": None,
    }


async def test_a_notice_that_was_superseded_says_why_and_is_not_acknowledged_any_more(
    api: Api, acme: Tenant, database: Database
) -> None:
    because = "A newer notice has the figures that hold now."
    overtaken = {"superseded_at": NOW, "superseded_because": because, "superseded_by": "ntc_2"}
    notice = await told(database, acme, state="superseded", **overtaken)
    answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", acme.finance)
    assert (answer.status_code, answer.json()["code"]) == (409, "notice_superseded")
    assert answer.json()["superseded_by"] == "ntc_2"
    [shown] = (await api.get("/v1/notices", acme.finance, state="superseded")).json()["data"]
    assert (shown["superseded_because"], shown["superseded_by"]) == (because, "ntc_2")
    assert await counted(database, Outbox) == [0]


async def test_notices_are_filtered_by_state(api: Api, acme: Tenant, database: Database) -> None:
    late = await told(database, acme, state="escalated")
    await told(database, acme)
    shown = (await api.get("/v1/notices", acme.finance, state="escalated")).json()["data"]
    assert [one["id"] for one in shown] == [late.id]


@pytest.mark.parametrize("state", ["open", "escalated"])
async def test_an_acknowledgement_is_applied_at_once_and_told_once(
    api: Api, acme: Tenant, database: Database, state: str
) -> None:
    notice = await told(database, acme, state=state)
    for _ in range(2):
        answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", acme.finance)
        assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
        assert answer.json()["acknowledged_by"] == acme.finance.id
    assert await _told_on_the_timeline(database, notice) == [("notice_acknowledged", acme.finance.id)]
    assert await counted(database, Outbox) == [0]


async def test_of_two_who_acknowledge_at_the_same_moment_the_first_stays(
    api: Api, acme: Tenant, database: Database
) -> None:
    notice = await told(database, acme)
    more = [acme.finance, await member(database, acme.organization, [Role.FINANCE])]
    path = f"/v1/notices/{notice.id}/acknowledge"
    answers = await asyncio.gather(*(api.post(path, one) for one in more))

    assert [one.status_code for one in answers] == [200, 200]
    [first] = {one.json()["acknowledged_by"] for one in answers}
    assert await _told_on_the_timeline(database, notice) == [("notice_acknowledged", first)]


async def _told_on_the_timeline(database: Database, notice: Notice) -> list[tuple[str, str]]:
    async with database.reading() as session:
        return [(row.code, row.actor) for row in await timeline.read(session, notice.operation_id)]


async def test_an_acknowledged_notice_stays_as_it_is(api: Api, acme: Tenant, database: Database) -> None:
    notice = await told(
        database, acme, state="acknowledged", acknowledged_by=acme.finance.id, acknowledged_at=NOW
    )
    answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", acme.finance)
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == acme.finance.id
    assert await _told_on_the_timeline(database, notice) == []


@ON_ONE_DATABASE
@pytest.mark.parametrize("who", ["admin", "controller", "legal", "auditor"])
async def test_only_finance_acknowledges(api: Api, acme: Tenant, database: Database, who: str) -> None:
    notice = await told(database, acme)
    answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", getattr(acme, who))
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert await counted(database, Outbox) == [0]


async def test_a_controller_acknowledges_what_finance_left(
    api: Api, acme: Tenant, database: Database
) -> None:
    notice = await told(database, acme, state="escalated")
    answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", acme.controller)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("how", ["asked", "revised", "acts for them", "approved", "made in Stripe"])
async def test_nobody_acknowledges_the_notice_of_their_own_doing(
    api: Api, acme: Tenant, database: Database, how: str
) -> None:
    both = await member(database, acme.organization, [Role.FINANCE, Role.CONTROLLER])
    fields: dict[str, Any] = {"kind": Kind.CASE.value, "requested_by": SYSTEM, "authors": []}
    if how != "made in Stripe":
        fields = {"requested_by": both.id} if how == "asked" else {}
    operation = an_operation(acme, **fields)
    if how == "revised":
        operation.authors = [
            *operation.authors,
            {**operation.authors[0], "person": both.id, "how": "revised"},
        ]
    notice = a_notice(operation)
    await store(database, operation, notice)
    if how == "acts for them":
        row = a_delegation(acme.admin.person, both.person, ends_at=datetime(2100, 1, 1, tzinfo=UTC))
        await store(database, row)
    if how == "approved":
        signed = {"person": both.id, "role": "controller", "at": NOW.isoformat(), "for_person": None}
        await store(database, an_approval(operation, state="approved", signatures=[signed]))
    if how == "made in Stripe":
        case = Case(
            operation_id=operation.id,
            organization_id=acme.id,
            object_kind="refund",
            object_id="re_1",
            done_by=both.id,
            noticed_at=NOW,
            deadline=NOW,
        )
        await store(database, case)

    answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", both)

    assert (answer.status_code, answer.json()["code"]) == (403, "own_doing"), answer.text
    other = await api.post(f"/v1/notices/{notice.id}/acknowledge", acme.finance)
    assert other.status_code == 200


async def test_another_organizations_notice_is_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    notice = await told(database, acme)
    for id_ in (notice.id, "ntc_unknown", "%00"):
        answer = await api.post(f"/v1/notices/{id_}/acknowledge", other.finance)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await counted(database, Outbox) == [0]


async def test_a_controllers_acknowledgment_repeated_changes_nothing(
    api: Api, acme: Tenant, database: Database
) -> None:
    notice = await told(database, acme, state="escalated")
    path = f"/v1/notices/{notice.id}/acknowledge"
    answers = [await api.post(path, acme.controller) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


async def test_whoever_acknowledges_what_was_superseded_learns_so(
    api: Api, acme: Tenant, database: Database
) -> None:
    notice = await told(database, acme, state="superseded")
    for who in (acme.finance, acme.controller):
        answer = await api.post(f"/v1/notices/{notice.id}/acknowledge", who)
        assert (answer.status_code, answer.json()["code"]) == (409, "notice_superseded")

"""What people tell a running plan change: recorded first, then passed on. Temporal is down here."""

import asyncio
import re
from typing import Any

import pytest
from sqlmodel import col, select

from billing.core.events import EventCode
from billing.core.messages import Cancel
from billing.core.operations import Role
from billing.plan_changes.messages import Resolve, Revise
from billing.policy.policy import Policy
from db.core import timeline
from db.core.session import Database
from db.tables import Operation, Outbox, TimelineEvent

from ...support.builders import NOW, Tenant, an_operation, member, store
from ..conftest import ON_ONE_DATABASE, WANTED, Api, counted

RESOLUTION = {"action": "accept", "comment": "The lines are right."}


async def running(database: Database, acme: Tenant, policy: Policy, **fields: Any) -> Operation:
    """A plan change that is far enough for the actions it allows."""
    fields = {"state": "awaiting_approval", "stage": "review", "allowed_actions": ["cancel"]} | fields
    operation = an_operation(acme, policy=policy.model_dump(mode="json"), **fields)
    await store(database, operation)
    return operation


async def sent(database: Database) -> list[Outbox]:
    async with database.reading() as session:
        return list(await session.exec(select(Outbox).order_by(col(Outbox.created_at))))


async def test_a_cancellation_is_recorded_and_said_to_be_on_its_way(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    answer = await api.post(f"/v1/plan-changes/{operation.id}/cancel", acme.admin, {"comment": "Not now."})
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    assert (answer.json()["state"], answer.json()["allowed_actions"]) == ("awaiting_approval", ["cancel"])
    [row] = await sent(database)
    assert (row.action, row.name, row.workflow_id) == ("update", "cancel", operation.workflow_id)
    assert row.update_id.startswith("cmd_")
    assert Cancel.model_validate(row.payload) == Cancel(person=acme.admin.id, comment="Not now.")
    async with database.reading() as session:
        [event] = await timeline.read(session, operation.id)
    assert (event.code, event.actor, event.detail) == (
        "cancellation_requested",
        acme.admin.id,
        {"comment": "Not now."},
    )


async def test_a_cancellation_needs_no_body(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    answer = await api.post(f"/v1/plan-changes/{operation.id}/cancel", acme.admin)
    assert answer.status_code == 202
    assert [row.payload["comment"] for row in await sent(database)] == [None]


async def test_pressing_cancel_again_sends_nothing_more(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    path = f"/v1/plan-changes/{operation.id}/cancel"
    answers = await asyncio.gather(
        *(api.post(path, acme.admin, {"comment": comment}) for comment in ("Once.", "Twice.", "Thrice."))
    )
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert await counted(database, Outbox, TimelineEvent) == [1, 1]


async def test_two_admins_who_cancel_are_both_on_record(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    second = await member(database, acme.organization, [Role.BILLING_ADMIN])
    path = f"/v1/plan-changes/{operation.id}/cancel"
    for who in (acme.admin, second):
        assert (await api.post(path, who)).status_code == 202
    assert await counted(database, Outbox, TimelineEvent) == [2, 2]


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("cancel", {}, "not_cancellable"),
        ("revision", WANTED, "not_revisable"),
        ("resolution", RESOLUTION, "not_resolvable"),
        ("resolution", RESOLUTION | {"action": "revert"}, "not_resolvable"),
    ],
)
async def test_what_is_not_possible_any_more_is_refused_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, policy: Policy, action: str, body: Any, code: str
) -> None:
    done = await running(database, acme, policy, state="completed", stage="done", allowed_actions=[])
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    answer = await api.post(f"/v1/plan-changes/{done.id}/{action}", both, body)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert {"completed", "done"} <= set(re.findall(r"\w+", answer.json()["detail"]))
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


async def test_a_revision_is_sent_whole(api: Api, acme: Tenant, database: Database, policy: Policy) -> None:
    operation = await running(
        database,
        acme,
        policy,
        state="running",
        stage="changes_requested",
        allowed_actions=["revise", "cancel"],
    )
    answer = await api.post(f"/v1/plan-changes/{operation.id}/revision", acme.admin, WANTED | {"seats": 8})
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    message = Revise.model_validate(row.payload)
    assert (row.name, message.person, message.wanted.seats) == ("revise", acme.admin.id, 8)


async def test_another_revision_while_the_first_is_on_its_way_is_refused_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(
        database, acme, policy, stage="changes_requested", allowed_actions=["revise", "cancel"]
    )
    path = f"/v1/plan-changes/{operation.id}/revision"
    answers = [await api.post(path, acme.admin, WANTED | {"seats": seats}) for seats in (8, 8, 9)]
    assert [answer.status_code for answer in answers] == [202, 202, 409]
    assert answers[-1].json()["code"] == "not_revisable"
    assert acme.admin.id in answers[-1].json()["detail"]
    assert [row.payload["wanted"]["seats"] for row in await sent(database)] == [8]
    assert await counted(database, TimelineEvent) == [1]
    async with database.reading() as session:
        found = await session.get(Operation, operation.id)
        assert found is not None
    assert len(found.authors) == len(operation.authors) + 1


async def test_what_somebody_says_is_of_what_the_operation_asks_now(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(
        database, acme, policy, state="mismatched", stage="mismatched", allowed_actions=["accept"]
    )
    async with database.transaction() as session:
        for key in ("mismatch:1", "mismatch:2", "changes_requested:3"):
            await timeline.append(
                session, operation.id, key=key, event=EventCode.LINES_DIFFER, actor="system", at=NOW
            )
    path = f"/v1/plan-changes/{operation.id}/resolution"
    assert (await api.post(path, acme.controller, RESOLUTION)).status_code == 202
    assert [row.payload["question"] for row in await sent(database)] == [2]


async def test_a_revision_is_checked_like_a_request(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(
        database, acme, policy, stage="changes_requested", allowed_actions=["revise", "cancel"]
    )
    path = f"/v1/plan-changes/{operation.id}/revision"
    refused = await api.post(path, acme.admin, WANTED | {"plan": "gold"})
    invalid = await api.post(path, acme.admin, WANTED | {"seats": "8"})
    assert [refused.json()["code"], invalid.json()["code"]] == ["unknown_plan", "invalid_request"]
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


@pytest.mark.parametrize(
    ("action", "who"), [("accept", "controller"), ("revert", "controller"), ("revert", "admin")]
)
async def test_a_mismatch_is_accepted_or_reverted(
    api: Api, acme: Tenant, database: Database, policy: Policy, action: str, who: str
) -> None:
    operation = await running(
        database, acme, policy, state="mismatched", stage="mismatched", allowed_actions=["accept", "revert"]
    )
    person = getattr(acme, who)
    body = RESOLUTION | {"action": action}
    answer = await api.post(f"/v1/plan-changes/{operation.id}/resolution", person, body)
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    assert Resolve.model_validate(row.payload) == Resolve(
        person=person.id,
        action=action,
        comment="The lines are right.",
    )


async def test_the_requester_does_not_accept_a_mismatch(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    operation = await running(
        database,
        acme,
        policy,
        state="mismatched",
        stage="mismatched",
        requested_by=both.id,
        allowed_actions=["accept", "revert"],
    )
    answer = await api.post(f"/v1/plan-changes/{operation.id}/resolution", both, RESOLUTION)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_request")
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


async def test_a_resolution_says_why(api: Api, acme: Tenant, database: Database, policy: Policy) -> None:
    operation = await running(database, acme, policy, state="mismatched", allowed_actions=["accept"])
    path = f"/v1/plan-changes/{operation.id}/resolution"
    answer = await api.post(path, acme.controller, {"action": "ignore", "comment": " "})
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
        ("/action", "not_allowed"),
        ("/comment", "too_short"),
    ]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("action", "body", "roles"),
    [
        ("cancel", {}, ["controller", "legal", "finance", "auditor"]),
        ("revision", WANTED, ["controller", "legal", "finance", "auditor"]),
        ("resolution", RESOLUTION, ["admin", "legal", "finance", "auditor"]),
        ("resolution", RESOLUTION | {"action": "revert"}, ["legal", "finance", "auditor"]),
    ],
)
async def test_each_action_has_its_roles(
    api: Api, acme: Tenant, database: Database, policy: Policy, action: str, body: Any, roles: list[str]
) -> None:
    operation = await running(
        database, acme, policy, allowed_actions=["cancel", "revise", "accept", "revert"]
    )
    for role in roles:
        answer = await api.post(f"/v1/plan-changes/{operation.id}/{action}", getattr(acme, role), body)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing"), role
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


@ON_ONE_DATABASE
async def test_everybody_is_shown_what_they_may_ask_for(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(
        database, acme, policy, allowed_actions=["cancel", "revise", "accept", "revert"]
    )
    shown = {
        role: (await api.get(f"/v1/operations/{operation.id}", getattr(acme, role))).json()["allowed_actions"]
        for role in ("admin", "controller", "legal", "finance", "auditor")
    }
    assert shown == {
        "admin": ["cancel", "revise", "revert"],
        "controller": ["accept", "revert"],
        "legal": [],
        "finance": [],
        "auditor": [],
    }


@pytest.mark.parametrize(
    ("action", "body"),
    [("cancel", {}), ("revision", WANTED), ("resolution", RESOLUTION | {"action": "revert"})],
)
async def test_another_organizations_plan_change_is_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy, action: str, body: Any
) -> None:
    operation = await running(
        database, acme, policy, allowed_actions=["cancel", "revise", "accept", "revert"]
    )
    theirs = await api.post(f"/v1/plan-changes/{operation.id}/{action}", other.admin, body)
    unknown = await api.post(f"/v1/plan-changes/op_unknown/{action}", other.admin, body)
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert theirs.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


async def test_an_operation_of_another_kind_is_no_plan_change(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    refund = await running(database, acme, policy, kind="refund")
    answer = await api.post(f"/v1/plan-changes/{refund.id}/cancel", acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

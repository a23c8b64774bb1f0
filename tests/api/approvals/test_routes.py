"""Deciding: who may, on exactly what, once. Temporal is down here: a decision counts all the same."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.approvals.messages import RoundDecision
from billing.core.operations import Role
from db.approvals import approvals
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import Approval, Decision, Outbox

from ...support.builders import (
    NOW,
    SUBJECT_HASH,
    Tenant,
    an_approval,
    an_operation,
    member,
    store,
)
from ..conftest import ON_ONE_DATABASE, Api, counted

APPROVE = {"decision": "approve", "subject_hash": SUBJECT_HASH}


@pytest.fixture
async def review(database: Database, acme: Tenant) -> Approval:
    return await opened(database, acme, reason="The team grows.")


async def opened(database: Database, acme: Tenant, **fields: Any) -> Approval:
    operation = an_operation(acme, closed_at=NOW if "state" in fields else None)
    approval = an_approval(operation, **fields)
    await store(database, operation, approval)
    return approval


async def test_an_approval_is_shown_with_all_that_is_decided_on(
    api: Api, acme: Tenant, review: Approval
) -> None:
    shown = (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()
    ladder = shown.pop("ladder")
    assert shown == {
        "id": review.id,
        "operation": review.operation_id,
        "kind": "plan_change",
        "round": 1,
        "subject": {"to": {"plan": "scale"}},
        "subject_hash": SUBJECT_HASH,
        "amount": None,
        "customer": None,
        "reason": "The team grows.",
        "rule": None,
        "state": "open",
        "rung": 0,
        "deadline": "2026-03-02T23:00:00Z",
        "signatures": [],
        "requested_by": acme.admin.id,
        "authors": [{"person": acme.admin.id, "at": "2026-03-02T15:00:00Z", "how": "asked"}],
        "revised": None,
        "since": None,
        "decided_by": None,
        "comment": None,
        "opened_at": "2026-03-02T15:00:00Z",
        "closed_at": None,
        "can_decide": True,
        "can_reject": True,
        "why_not": None,
        "recent": [],
        "authority_left": None,
    }
    assert [(rung["roles"], rung["state"]) for rung in ladder] == [
        (["controller"], "active"),
        (["legal"], "waiting"),
    ]


async def test_a_decision_counts_at_once_and_its_workflow_is_told(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    body = APPROVE | {"comment": "Lines checked."}
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, body)
    shown = answer.json()
    assert (answer.status_code, shown["state"], shown["decided_by"]) == (200, "approved", acme.controller.id)
    async with database.reading() as session:
        [decision] = await approvals.decisions(session, review.id)
        row = (await session.exec(select(Outbox))).one()
        event = (await timeline.read(session, review.operation_id))[-1]
    assert (decision.person_id, decision.decision, decision.comment, decision.subject_hash) == (
        acme.controller.id,
        "approve",
        "Lines checked.",
        SUBJECT_HASH,
    )
    assert (event.code, event.actor, event.detail["comment"]) == (
        "approved",
        acme.controller.id,
        "Lines checked.",
    )
    assert (row.action, row.name, row.workflow_id, row.state) == (
        "signal",
        "decided",
        f"operation-{review.operation_id}",
        "pending",
    )
    assert RoundDecision.model_validate(row.payload) == RoundDecision(approval=review.id)


async def test_deciding_the_same_again_sends_nothing_more(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    path = f"/v1/approvals/{review.id}/decision"
    answers = [await api.post(path, acme.controller, APPROVE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["decided_by"] for answer in answers} == {acme.controller.id}
    assert await counted(database, Decision, Outbox) == [1, 1]


async def test_of_two_who_decide_at_once_the_first_is_kept(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    second = await member(database, acme.organization, [Role.CONTROLLER])
    path = f"/v1/approvals/{review.id}/decision"
    no = APPROVE | {"decision": "reject", "comment": "Too dear."}
    answers = await asyncio.gather(api.post(path, acme.controller, APPROVE), api.post(path, second, no))
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, lost.status_code, lost.json()["code"]) == (200, 409, "approval_closed")
    assert won.json()["decided_by"] in lost.json()["detail"], "whose decision it was"
    assert await counted(database, Decision, Outbox) == [1, 1]


@ON_ONE_DATABASE
@pytest.mark.parametrize("decision", ["reject", "request_changes"])
@pytest.mark.parametrize("comment", [{}, {"comment": None}])
async def test_who_does_not_approve_says_why(
    api: Api, acme: Tenant, review: Approval, database: Database, decision: str, comment: dict[str, None]
) -> None:
    body = APPROVE | {"decision": decision} | comment
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "comment_required")
    assert problem["errors"][0]["pointer"] == "/comment"
    assert await counted(database, Decision, Outbox) == [0, 0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"decision": "approve"}, "/subject_hash", "required"),
        (APPROVE | {"decision": "maybe"}, "/decision", "not_allowed"),
        (APPROVE | {"comment": ""}, "/comment", "too_short"),
        (APPROVE | {"comment": "x" * 2001}, "/comment", "too_long"),
        (APPROVE | {"subject_hash": 5}, "/subject_hash", "wrong_type"),
        (APPROVE | {"subject_hash": "\x00"}, "/subject_hash", "invalid_text"),
        (APPROVE | {"person": "me"}, "/person", "unknown_field"),
    ],
)
async def test_a_wrong_field_is_named(
    api: Api, acme: Tenant, review: Approval, database: Database, body: Any, pointer: str, code: str
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    assert await counted(database, Decision, Outbox) == [0, 0]


async def test_a_stale_subject_is_answered_with_the_present_hash(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    body = APPROVE | {"subject_hash": "4" * 64}
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["subject_hash"]) == (
        409,
        "stale_subject",
        SUBJECT_HASH,
    )
    assert problem["errors"][0]["pointer"] == "/subject_hash"
    assert await counted(database, Decision, Outbox) == [0, 0]


async def test_nobody_decides_on_their_own_request(api: Api, acme: Tenant, database: Database) -> None:
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    review = await opened(database, acme, requested_by=both.id)
    answer = await api.post(f"/v1/approvals/{review.id}/decision", both, APPROVE)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_request")
    assert await counted(database, Decision, Outbox) == [0, 0]


@ON_ONE_DATABASE
@pytest.mark.parametrize("who", ["legal", "finance"])
async def test_only_roles_that_were_asked_decide(
    api: Api, acme: Tenant, review: Approval, database: Database, who: str
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/decision", getattr(acme, who), APPROVE)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")
    assert "controller" in answer.json()["detail"]
    assert await counted(database, Decision, Outbox) == [0, 0]


async def test_once_the_controller_is_late_legal_decides_too(
    api: Api, acme: Tenant, database: Database
) -> None:
    review = await opened(database, acme, rung=1)
    for who in (acme.legal, acme.controller):
        assert (await api.get(f"/v1/approvals/{review.id}", who)).json()["can_decide"] is True
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.legal, APPROVE)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "state", ["approved", "rejected", "changes_requested", "expired", "dismissed", "superseded"]
)
async def test_after_the_end_nothing_is_decided(
    api: Api, acme: Tenant, database: Database, state: str
) -> None:
    review = await opened(database, acme, state=state)
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, APPROVE)
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_closed")
    shown = (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()
    assert not shown["can_decide"]
    assert state in shown["why_not"]
    assert await counted(database, Decision, Outbox) == [0, 0]


@pytest.mark.parametrize("decision", ["approve", "reject", "request_changes"])
async def test_nobody_decides_after_the_last_deadline_also_while_no_worker_has_expired_it(
    api: Api, acme: Tenant, database: Database, decision: str
) -> None:
    review = await opened(database, acme, ends=utc_now())
    said = APPROVE | {"decision": decision, "comment": "Late."}
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, said)
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_closed")
    assert answer.json()["detail"] == "It has expired: nobody answered in time."
    shown = (await api.get(f"/v1/approvals/{review.id}", acme.controller)).json()
    assert (shown["state"], shown["can_decide"], shown["can_reject"]) == ("open", False, False)
    assert shown["why_not"] == "This approval is already expired; no further decision is possible."
    assert (await api.get("/v1/approvals?needs_me=true", acme.controller)).json()["data"] == []
    lent = {
        "to": acme.legal.id,
        "until": (utc_now() + timedelta(days=1)).isoformat(),
        "reason": "On leave.",
    }
    delegated = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, lent)
    assert (delegated.status_code, delegated.json()["code"]) == (409, "approval_closed")
    own = await api.post(f"/v1/approvals/{review.id}/decision", acme.admin, said)
    assert (own.status_code, own.json()["code"]) == (403, "own_request")
    assert await counted(database, Decision, Outbox) == [0, 0]


async def test_everybody_learns_why_they_may_not_decide(api: Api, acme: Tenant, review: Approval) -> None:
    shown = {
        role: (await api.get(f"/v1/approvals/{review.id}", getattr(acme, role))).json()["why_not"]
        for role in ("admin", "controller", "legal", "auditor")
    }
    assert [role for role, why in shown.items() if why is None] == ["controller"]
    assert "2026-03-02 23:00 UTC" in shown["legal"], "from when they can"
    assert len(set(shown.values())) == 4, "each has a reason of their own"


async def test_another_organizations_approval_is_not_there(
    api: Api, other: Tenant, review: Approval, database: Database
) -> None:
    for id_ in (review.id, "apr_unknown"):
        read = await api.get(f"/v1/approvals/{id_}", other.controller)
        decided = await api.post(f"/v1/approvals/{id_}/decision", other.controller, APPROVE)
        assert (read.status_code, read.json()["code"]) == (404, "not_found")
        assert (decided.status_code, decided.json()["code"]) == (404, "not_found")
    assert (await api.get("/v1/approvals", other.controller)).json()["data"] == []
    assert await counted(database, Decision, Outbox) == [0, 0]


async def test_the_list_is_filtered_by_state_operation_and_who_is_asked(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    done = await opened(database, acme, state="approved")
    late = await opened(database, acme, rung=1, state="open")

    async def ids(who: str, **query: Any) -> set[str]:
        answer = await api.get("/v1/approvals", getattr(acme, who), **query)
        return {one["id"] for one in answer.json()["data"]}

    assert await ids("auditor") == {review.id, done.id, late.id}
    assert await ids("auditor", state="approved") == {done.id}
    assert await ids("auditor", operation=late.operation_id) == {late.id}
    assert await ids("controller", needs_me="true") == {review.id, late.id}
    assert await ids("legal", needs_me="true") == {late.id}
    assert await ids("admin", needs_me="true") == set()
    assert await ids("legal", needs_me="false", state="open") == {review.id, late.id}

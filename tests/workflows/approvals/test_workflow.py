"""The review: reminders, escalation, expiry, and who may decide; days pass on the time-skipping server."""

import json
from asyncio import gather
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from billing.approvals.messages import RoundDecision
from billing.core.operations import Role
from billing.evidence.verify import NotWhole, verify
from billing.plan_changes.subject import PlanChangeInput
from db.approvals import approvals
from db.core.session import Database
from db.tables import Intent
from sandbox.stripe.server.inprocess import StandIn
from workflows.core import ids

from ...support import money
from ...support.builders import NOW, Tenant, a_decision, member
from ...support.house import House, house, time_skipping, until
from ...support.restarts import run_again, stopped
from ..conftest import ON_BOTH_DATABASES


async def test_a_silent_controller_is_reminded_then_legal_is_asked_then_it_expires(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    await home.skip_past(approval["ladder"][0]["deadline"])

    async def legal_is_asked() -> bool:
        return await subjects_to(home, acme.legal.person.email) >= 1

    await until(legal_is_asked, lambda: "Legal was never asked")
    await home.skip_past(approval["ladder"][-1]["deadline"])
    expired = await home.wait(acme, operation, "expired")

    events = await home.events(acme, operation)
    asked = [event for event in events if event in ("review_requested", "approvers_reminded", "escalated")]
    assert asked == ["review_requested", "approvers_reminded", "escalated"]
    assert events[-3:] == ["review_expired", "expired_unanswered", "notice_superseded"]
    assert expired["allowed_actions"] == []
    approval = await home.get(acme.auditor, f"/v1/approvals/{expired['approval']}")
    assert approval["state"] == "expired"


async def test_whoever_signals_the_workflow_approves_nothing(home: House) -> None:
    """It is told that somebody has decided; only the records say who, and what."""
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    handle = home.temporal.get_workflow_handle(ids.operation_workflow(operation))
    before = (await home.history(operation))["MARKER_RECORDED"]
    await handle.signal("decided", RoundDecision(approval=approval["id"]))

    async def looked_up() -> bool:
        return (await home.history(operation))["MARKER_RECORDED"] > before

    await until(looked_up, lambda: "the records were not asked")
    assert (await home.get(acme.auditor, f"/v1/operations/{operation}"))["state"] == "awaiting_approval"
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")


@pytest.fixture
async def burgled(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """A house whose evidence nobody expects to be whole."""
    async with time_skipping() as environment, house(environment, database, stand_in) as built:
        yield built


async def test_whoever_writes_an_approval_into_the_database_has_nothing_done(burgled: House) -> None:
    """All that the API would have written, by somebody without its key; then the workflow is told."""
    home = burgled
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    shown = await home.reviewed(acme, operation)
    who = acme.controller
    async with home.database.transaction() as session:
        row = await approvals.get_any(session, shown["id"])
        row.state, row.closed_at, row.decided_by = "approved", NOW, who.id
        row.signatures = [{"person": who.id, "role": "controller", "at": NOW.isoformat()}]
        session.add_all([row, a_decision(row, who.person)])
    handle = home.temporal.get_workflow_handle(ids.operation_workflow(operation))
    await handle.signal("decided", RoundDecision(approval=shown["id"]))

    ended = await home.wait(acme, operation, "failed", "completed")
    assert (ended["state"], ended["error"]["code"]) == ("failed", "decision_forged")
    async with home.database.reading() as session:
        assert (await session.exec(select(Intent))).all() == []
    evidence = await home.get(acme.auditor, f"/v1/operations/{operation}/evidence")
    with pytest.raises(NotWhole, match="no event of the timeline recorded decisions/"):
        verify(json.dumps(evidence))


async def test_a_rejection_stands_although_its_workflow_ended_before_it_heard_of_it(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        request = await stopped(home, operation, PlanChangeInput)
        await home.decide(acme.controller, operation, "reject", "Not this year.")
        await run_again(home, ids.PLAN_CHANGE, request)
        await home.wait(acme, operation, "rejected")

    assert (await home.events(acme, operation)).count("review_requested") == 1


async def test_legal_may_decide_only_once_the_controller_was_silent(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    early = await home.decide(acme.legal, operation)
    await home.skip_past(approval["ladder"][0]["deadline"])

    async def escalated() -> bool:
        return (await home.approval(acme.legal, operation))["rung"] == 1

    await until(escalated, lambda: "it was never escalated")
    late = await home.decide(acme.legal, operation)
    await home.wait(acme, operation, "completed")

    assert early.status_code == 403
    assert early.json()["code"] == "wrong_role"
    assert late.status_code == 200, late.text


async def test_an_escalated_review_can_still_be_decided_by_the_controller(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    await home.skip_past(approval["ladder"][0]["deadline"])
    answer = await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")

    assert answer.status_code == 200, answer.text


async def test_deadlines_are_kept_in_business_hours(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)

    first, second = approval["ladder"]
    assert first["roles"] == ["controller"]
    assert second["roles"] == ["legal"]
    assert first["deadline"] == second["opens_at"]
    assert len(first["remind_at"]) == 1


@ON_BOTH_DATABASES
async def test_two_decisions_at_once_leave_one_winner_and_one_conflict(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    other = await second_controller(home, acme)
    approve = {"decision": "approve", "subject_hash": approval["subject_hash"]}
    reject = {"decision": "reject", "subject_hash": approval["subject_hash"], "comment": "No."}
    path = f"/v1/approvals/{approval['id']}/decision"

    first, second = await gather(home.post(acme.controller, path, approve), home.post(other, path, reject))
    ended = await home.wait(acme, operation, "completed", "rejected")

    assert sorted([first.status_code, second.status_code]) == [200, 409]
    assert ended["state"] == ("completed" if first.status_code == 200 else "rejected")


async def test_an_approval_and_a_cancellation_at_once_are_answered_as_they_are_recorded(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    customer = await money.customer(home.shop, acme)
    asked = [await money.credit(home, acme, customer, 60_000 + number) for number in range(4)]
    for operation in asked:
        approval = await home.reviewed(acme, operation)
        body = {"decision": "approve", "subject_hash": approval["subject_hash"]}
        decision, _ = await gather(
            home.post(acme.controller, f"/v1/approvals/{approval['id']}/decision", body),
            home.post(acme.admin, f"/v1/credits/{operation}/cancel", {"comment": "Not needed."}),
        )
        await home.wait(acme, operation, "cancelled", "completed")
        async with home.database.reading() as session:
            decided = await approvals.decisions(session, approval["id"])
        if decision.status_code == 200:
            assert [one.person_id for one in decided] == [acme.controller.id]
        else:
            assert (decision.status_code, decided) == (409, [])
            assert acme.admin.id in decision.json()["detail"]


async def test_nobody_reviews_their_own_request(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    both = await member(home.database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    answer = await home.http.post(
        "/v1/plan-changes",
        json={"plan": "growth", "reason": "For myself."},
        headers=both.headers | {"Idempotency-Key": "own"},
    )
    operation = answer.json()["id"]
    await home.reviewed(acme, operation)
    refused = await home.decide(both, operation)
    allowed = await home.decide(acme.controller, operation)

    assert refused.status_code == 403
    assert refused.json()["code"] == "own_request"
    assert allowed.status_code == 200
    await home.wait(acme, operation, "completed")


@ON_BOTH_DATABASES
async def test_finance_that_stays_silent_is_escalated_to_the_controller(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)

    async def noticed(state: str) -> list[dict[str, Any]]:
        notices: list[dict[str, Any]] = (await home.get(acme.finance, f"/v1/notices?state={state}"))["data"]
        return notices

    await home.skip_past((await noticed("open"))[0]["deadline"])
    await home.late_notices_told()
    [notice] = await noticed("escalated")
    answer = await home.post(acme.finance, f"/v1/notices/{notice['id']}/acknowledge", {})

    assert answer.status_code == 200, answer.text
    assert (await home.events(acme, operation)).count("notice_escalated") == 1


async def subjects_to(home: House, address: str) -> int:
    return sum(address in mail["to"] for mail in home.mail.mailbox.mails)


async def second_controller(home: House, tenant: Tenant) -> Any:
    return await member(home.database, tenant.organization, [Role.CONTROLLER])

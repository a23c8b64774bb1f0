"""Asking for a plan change: recorded once or not at all."""

import asyncio
import re
from typing import Any

import pytest
from sqlmodel import select, update

from billing.core.operations import Problem, Role, State
from billing.evidence.timeline import Event, verify_chain
from billing.plan_changes.subject import PlanChangeInput
from billing.policy.policy import Policy, policy_hash
from db.core import timeline
from db.core.session import Database
from db.mirror import mirror
from db.mirror.mirror import UnreadableSubscription
from db.operations import operations
from db.tables import Operation, Organization, Outbox, TimelineEvent

from ...support.builders import NOW, Tenant, an_organization, member, store
from ...support.case_rules import case_rules
from ..conftest import HELD, ON_ONE_DATABASE, WANTED, Api, counted

TRACES = (Operation, TimelineEvent, Outbox)


async def test_a_request_is_accepted_with_its_address_and_as_it_was_asked(api: Api, acme: Tenant) -> None:
    answer = await api.ask(acme.admin, reason="  Two teams join.  ")
    operation = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/operations/{operation['id']}"
    assert "Idempotent-Replayed" not in answer.headers
    assert {
        name: operation[name] for name in ("kind", "state", "stage", "subject", "approval", "pending")
    } == {
        "kind": "plan_change",
        "state": "accepted",
        "stage": "accepted",
        "subject": None,
        "approval": None,
        "pending": False,
    }
    assert operation["request"] == {
        "plan": "growth",
        "seats": 12,
        "interval": None,
        "add_ons": [],
        "take_back_end": False,
        "effective": "now",
        "invoicing": "immediately",
        "reason": "Two teams join.",
    }
    assert operation["requested_by"] == acme.admin.id
    assert operation["allowed_actions"] == ["cancel"]
    assert operation["workflow_id"] == f"operation-{operation['id']}"
    assert (await api.get(answer.headers["Location"], acme.auditor)).json() == operation | {
        "allowed_actions": []
    }


async def test_the_row_its_event_and_the_start_are_written_together(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    id_ = (await api.ask(acme.admin)).json()["id"]
    await api.context.dispatcher.idle()
    async with database.reading() as session:
        operation = await operations.get_any(session, id_)
        events = await timeline.read(session, id_)
        outbox = (await session.exec(select(Outbox))).one()
    assert operation is not None
    assert operation.policy == policy.model_dump(mode="json")
    assert [(event.code, event.actor, event.detail) for event in events] == [
        (
            "plan_change_requested",
            acme.admin.id,
            operation.request | {"policy_hash": policy_hash(policy.model_dump(mode="json"))},
        )
    ]
    assert (outbox.action, outbox.name, outbox.workflow_id) == (
        "start",
        "PlanChangeWorkflow",
        f"operation-{id_}",
    )
    assert (outbox.state, outbox.error) == ("pending", "temporal_unavailable")
    message = PlanChangeInput.model_validate(outbox.payload)
    assert (message.operation, message.organization, message.subscription, message.requested_by) == (
        id_,
        acme.id,
        acme.organization.stripe_subscription,
        acme.admin.id,
    )
    assert message.policy == policy
    assert message.wanted.model_dump(mode="json") == operation.request


async def test_the_chain_of_the_timeline_holds(api: Api, acme: Tenant) -> None:
    id_ = (await api.ask(acme.admin)).json()["id"]
    await api.post(f"/v1/plan-changes/{id_}/cancel", acme.admin)
    page = (await api.get(f"/v1/operations/{id_}/timeline", acme.auditor)).json()
    events = [Event.model_validate(shown) for shown in page["data"] if shown.pop("event")]
    assert [event.code for event in events] == ["plan_change_requested", "cancellation_requested"]
    verify_chain(id_, events)


async def test_the_same_key_and_body_answer_with_the_same_operation(
    api: Api, acme: Tenant, database: Database
) -> None:
    first = await api.ask(acme.admin)
    before = await counted(database, *TRACES)
    again = await api.ask(acme.admin, effective="now")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json() == first.json()
    assert await counted(database, *TRACES) == before


async def test_a_replay_answers_even_when_the_same_request_would_now_be_refused(
    api: Api, acme: Tenant, database: Database
) -> None:
    id_ = (await api.ask(acme.admin)).json()["id"]
    async with database.transaction() as session:
        await operations.update_state(session, id_, state=State.COMPLETED, stage="done", at=NOW)
        organization = await session.get(Organization, acme.id)
        assert organization is not None
        organization.subscription = {**HELD, "plan": "growth", "price": "price_growth_month", "seats": 12}
    again = await api.ask(acme.admin)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (202, id_, "completed")
    fresh = await api.ask(acme.admin, key="key-2")
    assert (fresh.status_code, fresh.json()["code"]) == (422, "same_plan")


async def test_a_key_belongs_to_one_body(api: Api, acme: Tenant, database: Database) -> None:
    await api.ask(acme.admin)
    before = await counted(database, *TRACES)
    other_body = await api.ask(acme.admin, seats=13)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    assert other_body.json()["errors"][0] | {"message": ""} == {
        "where": "header",
        "pointer": "/Idempotency-Key",
        "code": "idempotency_key_reused",
        "message": "",
    }
    assert await counted(database, *TRACES) == before


async def test_a_key_is_known_within_its_organization_only(api: Api, acme: Tenant, other: Tenant) -> None:
    first, second = await api.ask(acme.admin), await api.ask(other.admin)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotent-Replayed" not in second.headers


async def test_of_many_requests_with_one_key_at_once_one_is_carried_out(
    api: Api, acme: Tenant, database: Database
) -> None:
    answers = await asyncio.gather(*(api.ask(acme.admin) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await counted(database, *TRACES) == [1, 1, 1]


async def test_of_many_requests_at_once_one_is_accepted_and_the_rest_name_it(
    api: Api, acme: Tenant, database: Database
) -> None:
    answers = await asyncio.gather(*(api.ask(acme.admin, key=f"key-{n}") for n in range(6)))
    accepted = [answer.json() for answer in answers if answer.status_code == 202]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert (len(accepted), len(refused)) == (1, 5)
    for problem in refused:
        assert problem["code"] == "plan_change_open"
        assert accepted[0]["id"] in problem["detail"]
    assert await counted(database, *TRACES) == [1, 1, 1]


async def test_a_senseless_request_is_told_so_even_while_another_is_open(api: Api, acme: Tenant) -> None:
    await api.ask(acme.admin)
    answer = await api.ask(acme.admin, key="key-2", plan="gold")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_plan")


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_missing"),
        ("k" * 256, "idempotency_key_invalid"),
        ("tab\there", "idempotency_key_invalid"),
    ],
)
async def test_a_request_without_a_usable_key_is_refused(
    api: Api, acme: Tenant, database: Database, key: str | None, code: str
) -> None:
    answer = await api.post("/v1/plan-changes", acme.admin, WANTED, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert await counted(database, *TRACES) == [0, 0, 0]


async def test_a_key_of_255_characters_with_spaces_is_usable(api: Api, acme: Tenant) -> None:
    assert (await api.ask(acme.admin, key="a" + " b" * 127)).status_code == 202


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "headers",
    [
        [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
        [("Idempotency-Key", "schlüssel".encode())],
        [("Idempotency-Key", b"\x00")],
    ],
)
async def test_two_keys_or_one_of_other_bytes_are_refused(
    api: Api, acme: Tenant, headers: list[tuple[str, Any]]
) -> None:
    sent = [*acme.admin.headers.items(), *headers]
    answer = await api.http.post("/v1/plan-changes", headers=sent, json=WANTED)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"plan": "gold"}, "unknown_plan", "/plan"),
        ({"plan": "starter", "seats": 10}, "same_plan", "/plan"),
        ({"plan": "starter", "seats": None}, "same_plan", "/plan"),
        ({"plan": "starter", "seats": 4}, "seats_below_usage", "/seats"),
        ({"plan": "starter", "seats": 11}, "seats_above_plan", "/seats"),
        ({"plan": "starter", "seats": 8, "interval": "year"}, "interval_unavailable", "/interval"),
        ({"interval": "year", "invoicing": "next_invoice"}, "interval_bills_now", "/invoicing"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, changes: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await api.ask(acme.admin, **changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(error["where"], error["pointer"]) for error in problem["errors"]] == [("body", pointer)]
    assert await counted(database, *TRACES) == [0, 0, 0]
    assert (await api.ask(acme.admin)).status_code == 202, "the key was not used up"


async def test_an_unknown_plan_is_answered_with_those_that_there_are(api: Api, acme: Tenant) -> None:
    problem = (await api.ask(acme.admin, plan="gold")).json()
    assert {"gold", "growth", "scale", "starter"} <= set(re.findall(r"\w+", problem["detail"]))


async def test_a_plan_that_is_unavailable_is_shown_and_refused_with_its_reason_and_others_are_not(
    api: Api, acme: Tenant, database: Database
) -> None:
    why = "price_9: unit_amount is not a whole number of minor units a seat. Replace it."
    async with database.transaction() as session:
        [growth] = [plan for plan in await mirror.plans(session) if plan.plan == "growth"]
        broken = growth.model_copy(update={"prices": (), "unavailable": why})
        await mirror.store_plan(session, broken, synced_at=NOW)
    listed = (await api.get("/v1/plans", acme.admin)).json()["data"]
    assert {plan["plan"]: plan["unavailable"] for plan in listed} == {
        "growth": why,
        "scale": None,
        "starter": None,
    }
    answer = await api.ask(acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "plan_unavailable")
    assert "Growth" in answer.json()["detail"]
    assert why in answer.json()["detail"]
    assert (await api.ask(acme.admin, plan="scale")).status_code == 202


@pytest.mark.both_databases
@pytest.mark.parametrize("known", [True, False])
async def test_an_organization_at_a_price_that_no_plan_can_have_sees_why_and_is_refused_with_it(
    api: Api, acme: Tenant, database: Database, known: bool
) -> None:
    why = "sub_1 is at the price price_9, which is charged every week."
    weekly = Problem(code="price_interval", message=why)
    if not known:
        async with database.transaction() as session:
            await session.exec(update(Organization).values(subscription=None, synced_at=None))
    async with database.transaction() as session:
        await mirror.store_subscription(
            session, case_rules(), acme.id, UnreadableSubscription(weekly, "usd"), synced_at=NOW
        )
    seen = (await api.get("/v1/organization", acme.admin)).json()
    assert (seen["unsupported"], seen["plan"]) == (why, "starter" if known else None)
    assert [one["code"] for one in seen["obstacles"]] == ["price_interval"]
    assert [limit["name"] for limit in seen["limits"]] == (
        ["seats", "customers", "ar_balance"] if known else []
    )
    answer = await api.ask(acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "price_interval")
    assert answer.json()["type"] == "/docs#subscription_unsupported"
    assert why in answer.json()["detail"]
    assert await counted(database, *TRACES) == [0, 0, 0]


@ON_ONE_DATABASE
@pytest.mark.parametrize("fix", [{"invoicing": "immediately"}, {"effective": "period_end"}])
async def test_a_new_interval_is_not_left_to_the_next_invoice_but_is_taken_as_mended(
    api: Api, acme: Tenant, fix: dict[str, str]
) -> None:
    problem = (await api.ask(acme.admin, interval="year", invoicing="next_invoice")).json()
    assert problem["code"] == "interval_bills_now"
    assert {"month", "year", "now", "renewal"} <= set(re.findall(r"\w+", problem["detail"]))
    fixed = {"interval": "year", "invoicing": "next_invoice"} | fix
    assert (await api.ask(acme.admin, **fixed)).status_code == 202


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/plan", "required"), ("/reason", "required")]),
        ({"plan": "growth", "reason": "no"}, [("/reason", "too_short")]),
        ({"plan": "growth", "reason": "   no   "}, [("/reason", "too_short")]),
        ({"plan": "growth", "reason": "x" * 501}, [("/reason", "too_long")]),
        ({"plan": "growth", "reason": "nul\x00here"}, [("/reason", "invalid_text")]),
        ({"plan": "", "reason": "why not"}, [("/plan", "too_short")]),
        ({**WANTED, "seats": "12"}, [("/seats", "wrong_type")]),
        ({**WANTED, "seats": 12.0}, [("/seats", "wrong_type")]),
        ({**WANTED, "seats": True}, [("/seats", "wrong_type")]),
        ({**WANTED, "seats": 0}, [("/seats", "too_small")]),
        ({**WANTED, "seats": 10**30}, [("/seats", "too_large")]),
        ({**WANTED, "effective": "tomorrow"}, [("/effective", "not_allowed")]),
        ({**WANTED, "invoicing": None}, [("/invoicing", "not_allowed")]),
        ({**WANTED, "plan": 5}, [("/plan", "wrong_type")]),
        ({**WANTED, "a/b~c": 1}, [("/a~1b~0c", "unknown_field")]),
        ([WANTED], [("", "wrong_type")]),
        ("growth", [("", "wrong_type")]),
        (None, [("", "required")]),
    ],
)
async def test_every_wrong_field_is_named_with_its_mend(
    api: Api, acme: Tenant, database: Database, body: Any, expected: list[tuple[str, str]]
) -> None:
    answer = await api.post("/v1/plan-changes", acme.admin, body, key="key-1")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == expected
    assert await counted(database, *TRACES) == [0, 0, 0]


async def test_a_wrong_value_is_answered_with_the_right_ones(api: Api, acme: Tenant) -> None:
    problem = (await api.ask(acme.admin, effective="tomorrow", interval="week")).json()
    interval, effective = (set(re.findall(r"\w+", error["message"])) for error in problem["errors"])
    assert {"interval", "month", "year"} <= interval
    assert {"effective", "now", "period_end"} <= effective
    assert problem["detail"].startswith(problem["errors"][0]["message"])


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", ["controller", "legal", "finance", "auditor"])
async def test_only_billing_admins_ask(api: Api, acme: Tenant, database: Database, role: str) -> None:
    answer = await api.ask(getattr(acme, role))
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert ("auditor" if role == "auditor" else "billing_admin") in answer.json()["detail"]
    assert await counted(database, *TRACES) == [0, 0, 0]


async def test_before_stripe_was_read_nothing_is_accepted(api: Api, acme: Tenant, database: Database) -> None:
    new = an_organization()
    await store(database, new)
    admin = await member(database, new, [Role.BILLING_ADMIN])
    answer = await api.ask(admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_synced")
    assert await counted(database, *TRACES) == [0, 0, 0]

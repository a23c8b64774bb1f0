"""What the API says of a cancellation before Stripe is asked."""

from typing import Any

import pytest

from billing.core.operations import Role
from db.core.session import Database

from ...support.builders import Tenant, an_operation, store
from ...support.cancellations import NOTE, REQUEST, body
from ..conftest import Api

CHANGE = {"plan": "growth", "seats": 8, "reason": "More people."}


async def ask(api: Api, acme: Tenant, asked: dict[str, Any], key: str = "key-1") -> Any:
    return await api.post("/v1/cancellations", acme.admin, asked, key=key)


@pytest.mark.parametrize(
    "asked",
    [
        body("now", unused_time=None),
        body("at_period_end", unused_time="credit"),
        body("take_back", unused_time="forfeit"),
    ],
)
async def test_unused_time_goes_with_an_end_now_and_with_nothing_else(
    api: Api, acme: Tenant, asked: dict[str, Any]
) -> None:
    answer = await ask(api, acme, asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "unused_time_unfit")
    quoted = await api.post("/v1/cancellations/quote", acme.admin, asked)
    assert [one["code"] for one in quoted.json()["obstacles"]] == ["unused_time_unfit"]


async def test_it_needs_a_note(api: Api, acme: Tenant) -> None:
    answer = await ask(api, acme, {"action": "at_period_end"})
    assert (answer.status_code, answer.json()["code"]) == (422, "note_missing")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.BILLING_ADMIN])
async def test_only_billing_admins_ask_for_it(api: Api, acme: Tenant, role: Role) -> None:
    answer = await api.post("/v1/cancellations", acme.members[role], body("now"), key="key-1")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


async def test_the_same_key_answers_the_same_operation(api: Api, acme: Tenant) -> None:
    first, second = await ask(api, acme, body("now")), await ask(api, acme, body("now"))
    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.json()["request"] == {**REQUEST, "action": "now", "unused_time": "credit", "note": NOTE}


@pytest.mark.both_databases
async def test_one_change_of_the_subscription_at_a_time(api: Api, database: Database, acme: Tenant) -> None:
    assert (await ask(api, acme, body("now"))).status_code == 202
    again = await ask(api, acme, body("at_period_end"), key="key-2")
    assert (again.status_code, again.json()["code"]) == (409, "cancellation_open")
    change = await api.post("/v1/plan-changes", acme.admin, CHANGE, key="key-3")
    assert (change.status_code, change.json()["code"]) == (409, "cancellation_open")


@pytest.mark.both_databases
async def test_a_plan_change_is_in_its_way(api: Api, database: Database, acme: Tenant) -> None:
    assert (await api.post("/v1/plan-changes", acme.admin, CHANGE, key="key-1")).status_code == 202
    answer = await ask(api, acme, body("now"), key="key-2")
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_change_open")


@pytest.mark.both_databases
async def test_one_that_waits_for_its_end_lets_others_begin(
    api: Api, database: Database, acme: Tenant
) -> None:
    waiting = an_operation(acme, kind="cancellation", request=REQUEST, state="running", stage="ending")
    await store(database, waiting)
    assert (await ask(api, acme, body("take_back"))).status_code == 202

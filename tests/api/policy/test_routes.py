"""The policy and its simulation by the API: who sees what, and what a simulation is told to be."""

from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from billing.core.operations import Role
from billing.policy.policy import Policy, policy_hash
from billing.policy.sentences import policy_in_words
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import Operation, Outbox, TimelineEvent

from ...support.builders import Member, Tenant, a_customer, member, store
from ...support.money_rows import a_commitment, a_refund_operation
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..counting import queries

pytestmark = ON_ONE_DATABASE

REFUND = {"kind": "refund", "amount_minor": 60_000, "currency": "usd", "reason": "duplicate"}


async def simulated(api: Api, who: Member | None, **changes: Any) -> Response:
    query = {name: value for name, value in (REFUND | changes).items() if value is not ...}
    return await api.get("/v1/policy/simulation", who, **query)


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_reads_the_policy_in_force(
    api: Api, acme: Tenant, policy: Policy, role: Role
) -> None:
    document = (await api.get("/v1/policy", acme.members[role])).json()
    assert document["hash"] == policy_hash(policy.model_dump(mode="json"))
    assert Policy.model_validate(document["document"]) == policy
    assert document["groups"] == [group.model_dump(mode="json") for group in policy_in_words(policy)]


async def test_nobody_else_does(api: Api, acme: Tenant) -> None:
    assert (await api.get("/v1/policy")).status_code == 401
    assert (await simulated(api, None)).status_code == 401


async def test_it_names_the_rule_the_people_and_the_time(api: Api, acme: Tenant) -> None:
    said = (await simulated(api, acme.admin)).json()
    assert said["person"] == {"id": acme.admin.id, "name": acme.admin.person.name}
    assert (said["authority"]["within"], said["rule"]["rule"]) == (False, "refund.review[2]")
    assert said["rule"]["text"].startswith("Any other refund that is beyond")
    assert "USD 600.00 is more than USD 500.00 for one item" in said["review"]["why"]
    first, second = said["review"]["ladder"]
    assert [one["id"] for one in first["people"]] == [acme.controller.id]
    assert [one["id"] for one in second["people"]] == [acme.legal.id]
    assert first["deadline"] == second["opens_at"] < second["deadline"] == said["review"]["expires_at"]
    assert said["authority_after"] == said["authority"]["limits"], "it counts as the approver's"


async def test_what_is_within_authority_asks_nobody_and_leaves_less(api: Api, acme: Tenant) -> None:
    said = (await simulated(api, acme.admin, amount_minor=20_000)).json()
    assert (said["authority"]["within"], said["review"], said["rule"]) == (True, None, None)
    [now], [after] = said["authority"]["limits"], said["authority_after"]
    assert (now["left"]["amount_minor"], after["left"]["amount_minor"]) == (200_000, 180_000)
    assert after["used"]["amount_minor"] == 20_000


async def test_a_plan_change_is_reviewed_whatever_it_costs(api: Api, acme: Tenant) -> None:
    said = (await api.get("/v1/policy/simulation", acme.admin, kind="plan_change")).json()
    assert (said["authority"], said["amount"], said["authority_after"]) == (None, None, [])
    assert said["rule"]["rule"] == "plan_change.ladder"
    assert [rung["roles"] for rung in said["review"]["ladder"]] == [["controller"], ["legal"]]


@pytest.mark.parametrize(
    ("worth", "rule", "roles"),
    [
        ({}, "cancellation.review[1]", [["controller"], ["legal"]]),
        (
            {"amount_minor": 1_000_000, "currency": "usd"},
            "cancellation.review[1]",
            [["controller"], ["legal"]],
        ),
        ({"amount_minor": 1_000_001, "currency": "usd"}, "cancellation.review[0]", [["controller", "legal"]]),
    ],
)
async def test_a_cancellation_is_reviewed_by_what_its_unused_time_is_worth(
    api: Api, acme: Tenant, worth: dict[str, Any], rule: str, roles: list[list[str]]
) -> None:
    asked = {"kind": "cancellation", "reason": "too_expensive", **worth}
    said = (await api.get("/v1/policy/simulation", acme.admin, **asked)).json()
    assert (said["authority"], said["authority_after"], said["obstacles"]) == (None, [], [])
    assert said["amount"] == (worth or None)
    assert said["rule"]["rule"] == rule
    assert [rung["roles"] for rung in said["review"]["ladder"]] == roles
    assert said["review"]["expires_at"] == said["review"]["ladder"][-1]["deadline"]
    theirs = await api.get("/v1/policy/simulation", acme.admin, **asked, person=acme.controller.id)
    assert [one["code"] for one in theirs.json()["obstacles"]] == ["role_missing"]


async def test_what_a_customer_was_given_counts_where_they_are_named(
    api: Api, acme: Tenant, database: Database
) -> None:
    customer = a_customer(acme.id)
    operation = a_refund_operation(acme, requested_by=acme.controller.id)
    given: dict[str, Any] = {
        "authority_of": acme.controller.id,
        "decided_at": utc_now() - timedelta(days=1),
        "customer_id": customer.id,
    }
    await store(database, customer, operation, a_commitment(operation, 290_000, **given))
    asked = {"amount_minor": 20_000}
    assert (await simulated(api, acme.admin, **asked)).json()["authority"]["within"] is True
    said = (await simulated(api, acme.admin, **asked, customer=customer.id)).json()
    assert "for one customer" in said["authority"]["why"]


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_see_what_others_may_give(api: Api, acme: Tenant, role: Role) -> None:
    sees = role in (Role.BILLING_ADMIN, Role.CONTROLLER, Role.AUDITOR)
    for other in acme.members.values():
        answer = await simulated(api, acme.members[role], person=other.id)
        own = other is acme.members[role]
        assert answer.status_code == (200 if sees or own else 403), answer.text


async def test_who_can_not_ask_is_told_so(api: Api, acme: Tenant, database: Database) -> None:
    gone = await member(database, acme.organization, [Role.BILLING_ADMIN], active=False)
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.AUDITOR])
    refused = {
        acme.legal.id: "role_missing",
        acme.finance.id: "role_missing",
        acme.auditor.id: "role_missing",
        both.id: "role_missing",
        gone.id: "credentials_revoked",
        acme.admin.id: None,
        acme.controller.id: None,
    }
    found: dict[str, str | None] = {}
    for person in refused:
        obstacles = (await simulated(api, acme.admin, person=person)).json()["obstacles"]
        found[person] = obstacles[0]["code"] if obstacles else None
    assert found == refused
    plan_change = await api.get(
        "/v1/policy/simulation", acme.admin, kind="plan_change", person=acme.controller.id
    )
    assert [one["code"] for one in plan_change.json()["obstacles"]] == ["role_missing"]


async def test_what_stripe_could_never_give_is_told(api: Api, acme: Tenant) -> None:
    strange = (await simulated(api, acme.admin, currency="xyz")).json()
    uneven = (await simulated(api, acme.admin, currency="isk", amount_minor=101)).json()
    assert [one["code"] for one in strange["obstacles"]] == ["unknown_currency"]
    assert [one["code"] for one in uneven["obstacles"]] == ["amount_not_in_steps"]


async def test_another_organizations_people_and_customers_are_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    theirs = a_customer(other.id)
    await store(database, theirs)
    for strange in ({"person": other.admin.id}, {"customer": theirs.id}, {"person": "per_nobody"}):
        answer = await simulated(api, acme.admin, **strange)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), strange


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"amount_minor": ...}, "/amount_minor"),
        ({"amount_minor": 0}, "/amount_minor"),
        ({"currency": ...}, "/currency"),
        ({"currency": "DOLLARS"}, "/currency"),
        ({"reason": ...}, "/reason"),
        ({"reason": "goodwill"}, "/reason"),
        ({"kind": "credit", "reason": "requested_by_customer"}, "/reason"),
        ({"kind": "cancellation"}, "/reason"),
        ({"kind": "cancellation", "reason": "other", "currency": ...}, "/currency"),
        ({"kind": "cancellation", "reason": "other", "amount_minor": ...}, "/amount_minor"),
        ({"kind": "reminder_run"}, "/kind"),
        ({"note": "No note is needed."}, "/note"),
    ],
)
async def test_what_is_missing_or_does_not_fit_is_named(
    api: Api, acme: Tenant, changes: dict[str, Any], pointer: str
) -> None:
    answer = await simulated(api, acme.admin, **changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_it_records_nothing_and_takes_few_queries(api: Api, acme: Tenant, database: Database) -> None:
    before = await counted(database, Operation, Outbox, TimelineEvent)
    with queries(api) as sent:
        assert (await simulated(api, acme.admin)).status_code == 200
    assert len(sent) <= 10, sent
    assert await counted(database, Operation, Outbox, TimelineEvent) == before

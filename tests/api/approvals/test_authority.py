"""Money and its approvals: who may, by whose authority and role; what is shown to decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.core.operations import Role
from db.approvals import approvals
from db.core.session import Database
from db.tables import Approval, Decision, Operation, Outbox, Person

from ...support.builders import Member, Tenant, a_decision, an_approval, an_operation, member, store
from ...support.money_rows import a_commitment, a_delegation
from ..conftest import Api, counted
from ..counting import queries
from .test_routes import APPROVE

TODAY = datetime.now(UTC).replace(microsecond=0)


def limit(per_item: int, window: int, **more: int) -> dict[str, Any]:
    amounts = {"per_item": per_item, "window_total": window} | more
    return {
        "window_days": 30,
        **{name: {"amount_minor": amount, "currency": "usd"} for name, amount in amounts.items()},
    }


AUTHORITY = {"controller": [limit(10_000, 15_000)], "legal": [limit(90_000, 100_000)]}


async def asked(
    database: Database, acme: Tenant, amount: int | None = 8_000, *, both: bool = False, **fields: Any
) -> Approval:
    """An open approval of a refund, that takes somebody of each where it needs `both`."""
    operation = an_operation(acme, kind="refund")
    given: dict[str, Any] = {
        "amount_minor": amount,
        "currency": "usd",
        "authority": AUTHORITY,
        "counted": ["refund", "credit"],
        "customer_id": "cus_1",
        "reason": "duplicate",
        "rule": "Beyond the requester's authority.",
    }
    approval = an_approval(operation, **given | fields)
    if both:
        first = approval.ladder[0] | {"roles": ["controller", "legal"], "needs": "all"}
        approval.ladder = [first, approval.ladder[1]]
    await store(database, operation, approval)
    return approval


async def gave(
    database: Database, acme: Tenant, amount: int, who: Member, days: int = 1, **fields: Any
) -> str:
    operation = an_operation(acme, kind=fields.get("kind", "refund"))
    given = {"authority_of": who.id, "decided_at": TODAY - timedelta(days=days)} | fields
    await store(database, operation, a_commitment(operation, amount, customer_id="cus_1", **given))
    return operation.id


async def lend(database: Database, giver: Person, to: Person, **fields: Any) -> None:
    period = {"starts_at": TODAY - timedelta(days=1), "ends_at": TODAY + timedelta(days=1)}
    await store(database, a_delegation(giver, to, **period | fields))


async def shown(api: Api, approval: Approval, who: Member) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/v1/approvals/{approval.id}", who)).json()
    return found


# --- Authority --------------------------------------------------------------------------------------------


async def test_who_has_not_enough_authority_sees_so_and_may_only_say_no(
    api: Api, acme: Tenant, database: Database
) -> None:
    approval = await asked(database, acme, 50_000)
    seen = await shown(api, approval, acme.controller)
    yes = await api.post(f"/v1/approvals/{approval.id}/decision", acme.controller, APPROVE)
    no = APPROVE | {"decision": "reject", "comment": "Too much."}
    rejected = await api.post(f"/v1/approvals/{approval.id}/decision", acme.controller, no)

    assert seen["can_decide"] is False
    assert "2026-03-02 23:00 UTC" in seen["why_not"]
    assert (yes.status_code, yes.json()["code"]) == (403, "authority_too_small")
    assert yes.json()["detail"].startswith(seen["why_not"])
    assert rejected.status_code == 200
    assert await counted(database, Decision, Outbox) == [1, 1]


async def test_a_window_that_is_used_up_shows(api: Api, acme: Tenant, database: Database) -> None:
    approval = await asked(database, acme)
    await gave(database, acme, 8_000, acme.controller)
    seen = await shown(api, approval, acme.controller)

    assert seen["can_decide"] is False
    assert "USD 80.00" in seen["why_not"]
    assert "USD 150.00" in seen["why_not"]
    listed = (await api.get("/v1/approvals", acme.controller)).json()["data"]
    assert [one["why_not"] for one in listed] == [seen["why_not"]]


async def test_what_the_customer_was_given_lately_is_shown_to_decide(
    api: Api, acme: Tenant, database: Database
) -> None:
    approval = await asked(database, acme)
    await gave(database, acme, 2_000, acme.controller, days=91)
    older = await gave(database, acme, 3_000, acme.admin, days=80, kind="credit")
    newer = await gave(database, acme, 1_000, acme.controller)
    await gave(database, acme, 1_000, acme.controller, released_at=TODAY)
    seen = await shown(api, approval, acme.controller)

    assert [(one["operation"], one["kind"], one["amount"]["amount_minor"]) for one in seen["recent"]] == [
        (newer, "refund", 1_000),
        (older, "credit", 3_000),
    ]
    assert seen["recent"][0]["authority_of"] == acme.controller.id
    assert (seen["reason"], seen["rule"]) == ("duplicate", "Beyond the requester's authority.")
    assert (seen["customer"], seen["amount"]) == ("cus_1", {"amount_minor": 8_000, "currency": "usd"})
    assert (await api.get("/v1/approvals", acme.controller)).json()["data"][0]["recent"] is None


# --- Delegates --------------------------------------------------------------------------------------------


async def test_a_delegate_may_decide_and_finds_it_among_what_needs_them(
    api: Api, acme: Tenant, database: Database
) -> None:
    approval = await asked(database, acme)
    before = await shown(api, approval, acme.finance)
    await lend(database, acme.controller.person, acme.finance.person)
    listed = (await api.get("/v1/approvals", acme.finance, needs_me="true")).json()["data"]
    decided = await api.post(f"/v1/approvals/{approval.id}/decision", acme.finance, APPROVE)

    assert not before["can_decide"]
    assert [(one["id"], one["can_decide"]) for one in listed] == [(approval.id, True)]
    assert decided.status_code == 200


async def test_the_delegators_authority_shows_to_the_delegate(
    api: Api, acme: Tenant, database: Database
) -> None:
    approval = await asked(database, acme)
    await lend(database, acme.controller.person, acme.finance.person)
    await gave(database, acme, 8_000, acme.controller)

    assert "USD 80.00" in (await shown(api, approval, acme.finance))["why_not"]


@pytest.mark.parametrize(
    "fields",
    [
        {"starts_at": TODAY + timedelta(days=1)},
        {"ends_at": TODAY - timedelta(hours=1)},
        {"revoked_at": TODAY, "revoked_by": "per_1"},
        {"role": "legal"},
        {"approval_id": "apr_other"},
    ],
    ids=["not begun", "over", "revoked", "another role", "another approval"],
)
async def test_what_was_not_lent_for_this_and_now_does_not_count(
    api: Api, acme: Tenant, database: Database, fields: dict[str, Any]
) -> None:
    approval = await asked(database, acme)
    await lend(database, acme.controller.person, acme.finance.person, **fields)
    answer = await api.post(f"/v1/approvals/{approval.id}/decision", acme.finance, APPROVE)

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")
    assert (await api.get("/v1/approvals", acme.finance, needs_me="true")).json()["data"] == []


async def test_who_acts_for_the_requester_may_not_decide(api: Api, acme: Tenant, database: Database) -> None:
    approval = await asked(database, acme)
    await lend(database, acme.admin.person, acme.controller.person)
    answer = await api.post(f"/v1/approvals/{approval.id}/decision", acme.controller, APPROVE)

    assert (answer.status_code, answer.json()["code"]) == (403, "requesters_delegate")
    assert (await api.get("/v1/approvals", acme.controller, needs_me="true")).json()["data"] == []
    assert await counted(database, Decision, Outbox) == [0, 0]


# --- Somebody of each -------------------------------------------------------------------------------------


async def test_two_who_are_both_asked_decide_beside_each_other(
    api: Api, acme: Tenant, database: Database
) -> None:
    approval = await asked(database, acme, both=True)
    path = f"/v1/approvals/{approval.id}/decision"
    answers = [await api.post(path, who, APPROVE) for who in (acme.controller, acme.legal)]
    again = await api.post(path, acme.controller, APPROVE)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert again.status_code == 200
    assert await counted(database, Decision, Outbox) == [2, 1]


async def test_who_has_approved_sees_what_is_missing_and_does_not_decide_again(
    api: Api, acme: Tenant, database: Database
) -> None:
    at = "2026-03-02T16:00:00Z"
    signature = {"person": acme.controller.id, "role": "controller", "at": at, "for_person": None}
    approval = await asked(database, acme, both=True, signatures=[signature])
    await store(database, a_decision(approval, acme.controller.person))
    no = APPROVE | {"decision": "reject", "comment": "On second thoughts."}
    again = await api.post(f"/v1/approvals/{approval.id}/decision", acme.controller, no)
    seen = await shown(api, approval, acme.controller)
    other = await member(database, acme.organization, [Role.CONTROLLER])

    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    assert seen["signatures"] == [signature]
    assert seen["can_decide"] is False
    assert "Legal" in seen["why_not"]
    assert (await shown(api, approval, acme.legal))["can_decide"] is True
    why_not = (await shown(api, approval, other))["why_not"]
    assert "controller" in why_not
    assert "Legal" in why_not


# --- Lists ------------------------------------------------------------------------------------------------


async def test_a_list_asks_for_all_authority_at_once(api: Api, acme: Tenant, database: Database) -> None:
    """Each row is weighed as if it were alone: by its own customer, and not by what it gives itself."""
    sent: list[int] = []
    for number in range(6):
        approval = await asked(database, acme, customer_id=f"cus_{number % 2}")
        if number == 0:
            own = await operation_of(database, approval)
            given = {"authority_of": acme.controller.id, "decided_at": TODAY - timedelta(days=1)}
            await store(database, a_commitment(own, 8_000, customer_id="cus_0", **given))
        with queries(api) as statements:
            listed = (await api.get("/v1/approvals?needs_me=true", acme.controller)).json()["data"]
        sent.append(len(statements))
        alone = [await shown(api, await row_of(database, one["id"]), acme.controller) for one in listed]
        assert [one["why_not"] for one in listed] == [one["why_not"] for one in alone]
    assert [one["can_decide"] for one in alone] == [False] * 5 + [True], (
        "its own money is not held against it"
    )
    assert sent[0] == sent[-1] <= 8


async def operation_of(database: Database, approval: Approval) -> Operation:
    async with database.reading() as session:
        return (await session.exec(select(Operation).where(Operation.id == approval.operation_id))).one()


async def row_of(database: Database, approval_id: str) -> Approval:
    async with database.reading() as session:
        return await approvals.get_any(session, approval_id)


async def test_a_list_by_amount_has_what_has_none_and_goes_on_where_it_stopped(
    api: Api, acme: Tenant, database: Database
) -> None:
    for amount in (5_000, 9_000, None, 7_000):
        await asked(database, acme, amount, authority=None)
    found: list[int | None] = []
    path = "/v1/approvals?sort=-amount&limit=2"
    cursor = ""
    while True:
        page = (await api.get(path + cursor, acme.controller)).json()
        found += [one["amount"]["amount_minor"] if one["amount"] else None for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [9_000, 7_000, 5_000, None]

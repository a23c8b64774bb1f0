"""Letting somebody decide on one approval in one's place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from billing.core.operations import Role
from billing.mail.messages import MailRequest
from db.core import timeline
from db.core.session import Database
from db.tables import Approval, Delegation, Outbox

from ...support.builders import Member, Tenant, an_approval, an_operation, member, store
from ...support.money_rows import a_delegation
from ..conftest import ON_ONE_DATABASE, Api, counted

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def z(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


TOMORROW = z(NOW + DAY)


def to(who: Member | str, **more: Any) -> dict[str, Any]:
    """The body of a delegation of one approval."""
    named = who if isinstance(who, str) else who.id
    return {"to": named, "until": TOMORROW, "reason": "I travel."} | more


def lasting(days: int = 1, **fields: Any) -> dict[str, Any]:
    return {"starts_at": NOW - DAY, "ends_at": NOW + days * DAY} | fields


@pytest.fixture
async def review(database: Database, acme: Tenant) -> Approval:
    operation = an_operation(acme)
    approval = an_approval(operation)
    await store(database, operation, approval)
    return approval


async def accept(api: Api, who: Member, delegation: str, answer: str = "accept") -> dict[str, Any]:
    answered = await api.post(f"/v1/delegations/{delegation}/{answer}", who)
    assert answered.status_code == 200, answered.text
    given: dict[str, Any] = answered.json()
    return given


async def test_an_approver_lets_somebody_decide_in_their_place_once_they_agree(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, to(acme.finance))

    given = answer.json()
    assert answer.status_code == 201, answer.text
    assert (given["delegator"], given["delegate"]) == (acme.controller.id, acme.finance.id)
    assert (given["approval"], given["role"], given["state"]) == (review.id, None, "offered")
    assert (given["ends_at"], given["reason"], given["revoked_at"]) == (TOMORROW, "I travel.", None)
    seen = (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()
    assert seen["can_decide"] is False
    assert (await accept(api, acme.finance, given["id"]))["state"] == "active"
    seen = (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()
    assert seen["can_decide"] is True


async def test_it_is_told_on_the_timeline_and_by_mail_to_each_of_both(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    given = (await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, to(acme.finance))).json()
    await accept(api, acme.finance, given["id"])
    await accept(api, acme.finance, given["id"])

    async with database.reading() as session:
        offered, accepted = await timeline.read(session, review.operation_id)
        rows = list(await session.exec(select(Outbox).order_by(col(Outbox.id))))
    assert (offered.code, offered.actor) == ("delegation_offered", acme.controller.id)
    assert (offered.detail["to"], offered.detail["reason"]) == (acme.finance.id, "I travel.")
    assert (accepted.code, accepted.actor) == ("delegation_accepted", acme.finance.id)
    assert {row.action for row in rows} == {"mail"}
    asked, told = [MailRequest.model_validate(row.payload) for row in rows]
    assert (asked.template, asked.people) == ("delegated", (acme.finance.id,))
    assert asked.context.approval == review.id
    assert asked.context.delegation == given["id"]
    assert asked.context.subject_hash == review.subject_hash
    assert (told.template, told.people) == ("delegation_answered", (acme.controller.id,))
    assert told.context.accepted is True


async def test_asking_the_same_twice_delegates_once(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    path, body = f"/v1/approvals/{review.id}/delegate", to(acme.finance)
    first, second = [(await api.post(path, acme.controller, body)).json() for _ in range(2)]

    assert first["id"] == second["id"]
    assert await counted(database, Delegation, Outbox) == [1, 1]


async def test_it_may_begin_later(api: Api, acme: Tenant, review: Approval) -> None:
    body = to(acme.finance, **{"from": z(NOW + DAY), "until": z(NOW + 2 * DAY)})
    given = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, body)

    agreed = await accept(api, acme.finance, given.json()["id"])
    assert (agreed["state"], agreed["starts_at"]) == ("upcoming", z(NOW + DAY))
    assert (await api.get(f"/v1/approvals/{review.id}", acme.finance)).json()["can_decide"] is False


async def test_who_is_asked_later_may_delegate_already(api: Api, acme: Tenant, review: Approval) -> None:
    given = await api.post(f"/v1/approvals/{review.id}/delegate", acme.legal, to(acme.finance))
    assert given.status_code == 201


@pytest.mark.parametrize(("who", "code"), [("finance", "role_not_held"), ("auditor", "role_missing")])
async def test_nobody_gives_a_say_that_they_do_not_have(
    api: Api, acme: Tenant, review: Approval, database: Database, who: str, code: str
) -> None:
    answer = await api.post(
        f"/v1/approvals/{review.id}/delegate", getattr(acme, who), to(acme.members[Role.BILLING_ADMIN])
    )
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert await counted(database, Delegation, Outbox) == [0, 0]


async def test_what_was_lent_is_not_lent_on(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    given = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, to(acme.finance))
    await accept(api, acme.finance, given.json()["id"])
    other = await member(database, acme.organization, [Role.FINANCE])
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", acme.finance, to(other))

    assert (answer.status_code, answer.json()["code"]) == (403, "role_not_held")


async def test_the_requester_does_not_delegate_their_own_request(
    api: Api, acme: Tenant, review: Approval
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", acme.admin, to(acme.finance))
    assert (answer.status_code, answer.json()["code"]) == (403, "own_request")


async def test_who_acts_for_the_requester_has_no_say_to_give(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    await store(database, a_delegation(acme.admin.person, acme.controller.person, **lasting()))
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, to(acme.finance))
    assert (answer.status_code, answer.json()["code"]) == (403, "requesters_delegate")


async def test_who_asked_or_acts_for_them_is_no_delegate(
    api: Api, acme: Tenant, review: Approval, database: Database
) -> None:
    await store(database, a_delegation(acme.admin.person, acme.legal.person, **lasting()))
    path = f"/v1/approvals/{review.id}/delegate"
    for who, why in ((acme.admin, "on their own request"), (acme.legal, "Delegates of someone")):
        answer = await api.post(path, acme.controller, to(who))
        assert (answer.status_code, answer.json()["code"]) == (422, "delegate_is_requester")
        assert answer.json()["errors"][0]["pointer"] == "/to"
        assert why in answer.json()["detail"]


async def test_after_the_end_there_is_nothing_to_delegate(api: Api, acme: Tenant, database: Database) -> None:
    operation = an_operation(acme)
    done = an_approval(operation, state="approved")
    await store(database, operation, done)
    answer = await api.post(f"/v1/approvals/{done.id}/delegate", acme.controller, to(acme.finance))
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_closed")


async def test_who_has_approved_has_nothing_left_to_delegate(
    api: Api, acme: Tenant, database: Database
) -> None:
    operation = an_operation(acme)
    signature = {"person": acme.controller.id, "role": "controller", "at": z(NOW), "for_person": None}
    signed = an_approval(operation, signatures=[signature])
    await store(database, operation, signed)
    answer = await api.post(f"/v1/approvals/{signed.id}/delegate", acme.controller, to(acme.finance))
    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")


async def test_another_organizations_approval_is_not_there(
    api: Api, other: Tenant, review: Approval, database: Database
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", other.controller, to(other.finance))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await counted(database, Delegation, Outbox) == [0, 0]


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"to": "per_nobody"}, "/to", "delegate_unknown"),
        ({"until": z(NOW - DAY), "from": z(NOW - 2 * DAY)}, "/until", "delegation_in_past"),
        ({"from": z(NOW - DAY)}, "/from", "delegation_in_past"),
        ({"from": z(NOW + 2 * DAY)}, "/until", "delegation_inverted"),
        ({"until": z(NOW + 400 * DAY)}, "/until", "delegation_too_long"),
    ],
)
async def test_a_delegation_that_cannot_be_is_refused_by_its_own_code(
    api: Api, acme: Tenant, review: Approval, database: Database, more: Any, pointer: str, code: str
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, to(acme.finance, **more))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await counted(database, Delegation, Outbox) == [0, 0]


async def test_nobody_delegates_to_themselves_or_to_who_has_left_or_to_strangers(
    api: Api, acme: Tenant, other: Tenant, review: Approval, database: Database
) -> None:
    gone = await member(database, acme.organization, [Role.CONTROLLER], active=False)
    path = f"/v1/approvals/{review.id}/delegate"
    codes = [
        (await api.post(path, acme.controller, to(who))).json()["code"]
        for who in (acme.controller, gone, other.controller)
    ]
    assert codes == ["delegate_is_self", "delegate_inactive", "delegate_unknown"]
    assert await counted(database, Delegation) == [0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (to("per_1", until=1776297600), "/until", "invalid_text"),
        (to("per_1", until="1776297600"), "/until", "invalid_text"),
        (to("per_1", until="2026-04-16"), "/until", "invalid_text"),
        (to("per_1", until="2026-04-16T09:00:00"), "/until", "invalid_text"),
        (to("per_1", until="9999-12-31T23:59:59-14:00"), "/until", "invalid_text"),
        (to("per_1", until="soon"), "/until", "invalid_text"),
        (to("per_1", until=None), "/until", "invalid_text"),
        (to("per 1"), "/to", "invalid_text"),
        (to("per_1", reason="x"), "/reason", "too_short"),
        (to("per_1", role="legal"), "/role", "unknown_field"),
        ({"until": TOMORROW, "reason": "I travel."}, "/to", "required"),
    ],
)
async def test_a_wrong_field_is_named(
    api: Api, acme: Tenant, review: Approval, body: Any, pointer: str, code: str
) -> None:
    answer = await api.post(f"/v1/approvals/{review.id}/delegate", acme.controller, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]

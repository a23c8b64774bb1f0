"""Nobody decides on what they shaped, and nobody spends another's authority: revised, retried, accepted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from sqlmodel import select

from billing.core.operations import Role
from db.tables import Commitment

from ...support import money
from ...support.builders import Member, Tenant, member
from ...support.house import House
from ..plan_changes.test_workflow import HALF_A_MONTH, mismatched


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def asked_to_change(home: House, acme: Tenant, amount: int) -> tuple[str, dict[str, Any]]:
    """A credit of the admin's that the controller has sent back, and another one to revise it to."""
    operation = await money.credit(home, acme, await money.customer(home.shop, acme), amount)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Rather to their other account.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    revised = {
        "customer": await money.customer(home.shop, acme),
        "currency": "usd",
        "instrument": "balance",
        "reason": "goodwill",
        "note": "To the other account, as the customer asked.",
    }
    return operation, revised


async def revise(home: House, who: Member, operation: str, body: dict[str, Any], amount: int) -> None:
    path = f"/v1/credits/{operation}/revision"
    answer = await home.post(who, path, body | {"amount_minor": amount})
    assert answer.status_code == 200, answer.text


async def spent(home: House, operation: str) -> list[tuple[str | None, str | None]]:
    async with home.database.reading() as session:
        held = await session.exec(select(Commitment).where(Commitment.operation_id == operation))
        return [(one.person_id, one.authority_of) for one in held if one.released_at is None]


async def delegate(home: House, who: Member, to: Member) -> None:
    """For everything, which the delegate agrees to."""
    ends_at = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    body = {"to": to.id, "ends_at": ends_at, "reason": "I am away."}
    given = (await home.post(who, "/v1/delegations", body)).json()
    accepted = await home.post(to, f"/v1/delegations/{given['id']}/accept", {})
    assert accepted.status_code == 200, accepted.text


def code(answer: Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


# --- Revising ---------------------------------------------------------------------------------------------


async def test_an_approver_who_revises_what_they_were_asked_does_not_approve_it(
    home: House, acme: Tenant
) -> None:
    operation, body = await asked_to_change(home, acme, 30_000)
    await revise(home, acme.controller, operation, body, 1_100_000)
    second = await home.reviewed(acme, operation, 2)

    refused = await home.decide(acme.controller, operation)

    assert code(refused) == (403, "own_request")
    seen = await home.get(acme.controller, f"/v1/approvals/{second['id']}")
    assert not seen["can_decide"]
    assert [(author["person"], author["how"]) for author in second["authors"]] == [
        (acme.admin.id, "asked"),
        (acme.controller.id, "revised"),
    ]
    assert second["revised"]["by"] == second["revised"]["asked_by"] == acme.controller.id
    assert second["revised"]["comment"] == "Rather to their other account."
    assert second["revised"]["former"]["amount"]["amount_minor"] == 30_000
    partner = await member(home.database, acme.organization, [Role.CONTROLLER])
    assert code(await home.decide(partner, operation))[0] == 200
    await home.decide(acme.legal, operation)
    await home.wait(acme, operation, "completed")
    assert await spent(home, operation) == [(acme.controller.id, acme.legal.id)]


async def test_what_somebody_else_revised_spends_their_authority_and_not_the_requesters(
    home: House, acme: Tenant
) -> None:
    operation, body = await asked_to_change(home, acme, 30_000)
    colleague = await member(home.database, acme.organization, [Role.BILLING_ADMIN])
    await revise(home, colleague, operation, body, 20_000)
    await home.wait(acme, operation, "completed")

    assert await spent(home, operation) == [(colleague.id, colleague.id)]
    assert "within_revisers_authority" in await home.events(acme, operation)


async def test_who_has_no_authority_left_does_not_revise_on_the_requesters(home: House, acme: Tenant) -> None:
    colleague = await member(home.database, acme.organization, [Role.BILLING_ADMIN])
    for _ in range(4):
        other = await money.customer(home.shop, acme)
        await home.wait(acme, await money.credit(home, acme, other, 25_000, by=colleague), "completed")
    operation, body = await asked_to_change(home, acme, 30_000)
    await revise(home, colleague, operation, body, 20_000)
    await home.reviewed(acme, operation, 2)

    assert "beyond_revisers_authority" in await home.events(acme, operation)
    assert await spent(home, operation) == [(colleague.id, None)]


async def test_a_plan_change_is_not_confirmed_by_who_revised_it_or_acts_for_them(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    home.stand_in.advance(HALF_A_MONTH)
    both = await member(home.database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    operation = await home.ask(acme, seats=8)
    await home.reviewed(acme, operation)
    await home.decide(both, operation, "request_changes", "Seven seats will do.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    await delegate(home, both, to=acme.legal)
    body = {"plan": "growth", "seats": 7, "reason": "Seven, as agreed."}
    answer = await home.post(both, f"/v1/plan-changes/{operation}/revision", body)
    assert answer.status_code == 200, answer.text
    await home.reviewed(acme, operation, 2)

    assert code(await home.decide(both, operation)) == (403, "own_request")
    assert code(await home.decide(acme.legal, operation)) == (403, "requesters_delegate")
    assert code(await home.decide(acme.controller, operation))[0] == 200
    await home.wait(acme, operation, "completed")


# --- Trying again -----------------------------------------------------------------------------------------


async def failed(home: House, acme: Tenant, amount: int, *, approved: bool) -> str:
    """A refund of the admin's that came to nothing."""
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, amount, "pm_card_refundFailAtOnce")
    operation = await money.refund(home, acme, payment)
    if approved:
        await home.reviewed(acme, operation)
        await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "failed", stage="refund_failed")
    return operation


async def retry(home: House, who: Member, operation: str) -> Response:
    body = {"action": "retry", "comment": "The bank asked for another try."}
    return await home.post(who, f"/v1/refunds/{operation}/resolution", body)


async def test_who_approved_a_refund_does_not_have_it_tried_again(home: House, acme: Tenant) -> None:
    operation = await failed(home, acme, 60_000, approved=True)

    assert code(await retry(home, acme.controller, operation)) == (403, "own_approval")
    colleague = await member(home.database, acme.organization, [Role.BILLING_ADMIN])
    assert (await retry(home, colleague, operation)).status_code == 200
    assert await spent(home, operation) == [(acme.admin.id, acme.controller.id)]


async def test_what_went_out_on_ones_own_authority_is_tried_again_by_nobody_else(
    home: House, acme: Tenant
) -> None:
    operation = await failed(home, acme, 10_000, approved=False)

    assert code(await retry(home, acme.controller, operation)) == (403, "others_authority")
    assert (await retry(home, acme.admin, operation)).status_code == 200
    assert await spent(home, operation) == [(acme.admin.id, acme.admin.id)]


# --- Accepting --------------------------------------------------------------------------------------------


async def test_a_mismatch_is_not_accepted_by_who_acts_for_the_requester(home: House) -> None:
    acme, operation = await mismatched(home)
    partner = await member(home.database, acme.organization, [Role.CONTROLLER])
    await delegate(home, acme.admin, to=acme.controller)
    path = f"/v1/plan-changes/{operation}/resolution"
    body = {"action": "accept", "comment": "The extra seats were agreed by phone."}

    assert code(await home.post(acme.controller, path, body)) == (403, "requesters_delegate")
    assert (await home.post(partner, path, body)).status_code == 200
    await home.wait(acme, operation, "completed")
    assert "accepted_as_in_stripe" in await home.events(acme, operation)

"""Who answers for a rung: nobody, two together, or somebody in another's place."""

from asyncio import gather
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from billing.approvals.messages import ApprovalOutcome
from billing.core.messages import Cancel
from billing.core.operations import Role

from ...support.builders import SUBJECT_HASH, Member, member, store
from ...support.house import House
from ...support.money_rows import a_delegation
from ..conftest import ON_BOTH_DATABASES
from .escalating import BOTH, CONTROLLER, FINANCE, LEGAL, a_review

pytestmark = pytest.mark.slow


async def leave(home: House, *gone: Member) -> None:
    async with home.database.transaction() as session:
        for one in gone:
            one.person.active = False
            session.add(one.person)


# --- Nobody there -----------------------------------------------------------------------------------------


async def test_without_a_controller_legal_is_asked_at_once_and_told_why(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    await leave(home, acme.controller)
    review = await a_review(home, acme, CONTROLLER, LEGAL)
    await review.mailed(acme.legal, "review_escalated")
    answer = await review.decide(acme.legal)

    assert answer.status_code == 200, answer.text
    assert await review.told() == [
        "review_requested",
        "rung_vacant_any_asked legal",
        "approved",
    ]
    assert home.mail.names(acme.legal.person) == ["review_escalated"]


async def test_a_rung_that_is_empty_when_its_turn_comes_is_passed_over(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, CONTROLLER, LEGAL, FINANCE)
    await leave(home, acme.legal)
    await home.skip_past((await review.shown())["deadline"])
    shown = await review.reached(2)
    await review.mailed(acme.finance, "review_escalated")

    assert [rung["state"] for rung in shown["ladder"]] == ["passed", "vacant", "active"]
    assert (await review.told())[-2:] == ["rung_vacant_any_asked finance", "escalated"]
    assert (await review.decide(acme.finance)).status_code == 200
    assert not review.has_mail(acme.legal)


async def test_a_ladder_without_anybody_stays_open_for_whoever_comes_until_its_deadline(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    await leave(home, acme.controller, acme.legal)
    review = await a_review(home, acme, CONTROLLER, LEGAL)
    shown = await review.shown()
    new = await member(home.database, acme.organization, [Role.LEGAL])
    seen = await review.shown(new)
    await home.skip_past(shown["deadline"])

    assert (shown["rung"], [rung["state"] for rung in shown["ladder"]]) == (1, ["vacant", "vacant"])
    assert seen["can_decide"] is True
    assert (await review.handle.result()).state == "expired"
    assert (await review.told())[:3] == [
        "review_requested",
        "rung_vacant_any_asked legal",
        "rung_vacant_last",
    ]


async def test_a_ladder_of_which_the_requester_is_the_only_controller_goes_to_legal(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    await leave(home, acme.controller)
    both = await member(home.database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    review = await a_review(home, acme, CONTROLLER, LEGAL, requested_by=both.id)

    assert (await review.told())[-1] == "rung_vacant_any_asked legal"
    assert (await review.decide(both)).json()["code"] == "own_request"
    assert (await review.decide(acme.legal)).status_code == 200
    assert not review.has_mail(both)


# --- Both -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(Role.CONTROLLER, Role.LEGAL), (Role.LEGAL, Role.CONTROLLER)])
async def test_both_approve_in_either_order(home: House, order: Sequence[Role]) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, BOTH)
    first, second = (acme.members[role] for role in order)
    await review.decide(first)
    between = await review.shown(second)
    await review.decide(second)

    assert await review.handle.result() == ApprovalOutcome(
        state="approved", person=second.id, role=order[1], subject_hash=SUBJECT_HASH
    )
    assert (between["state"], between["can_decide"]) == ("open", True)
    assert [one["role"] for one in between["signatures"]] == [order[0]]
    assert (await review.told())[1:] == [
        f"partly_approved {order[1]}",
        "approved",
    ]


async def test_one_person_with_both_roles_is_not_both(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, BOTH)
    both = await member(home.database, acme.organization, [Role.CONTROLLER, Role.LEGAL])
    first = await review.decide(both)
    again = await review.decide(both, "reject", "On second thoughts.")
    other = await review.decide(acme.legal)

    assert (first.status_code, first.json()["state"]) == (200, "open")
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    assert (other.status_code, other.json()["state"]) == (200, "approved")


@ON_BOTH_DATABASES
async def test_only_who_is_still_to_approve_is_reminded(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, BOTH)
    await review.mailed(acme.controller, "review_requested")
    await review.decide(acme.controller)
    await home.skip_past((await review.shown())["ladder"][0]["remind_at"][0])
    await review.mailed(acme.legal, "review_requested", "review_reminder")

    assert len(home.mail.names(acme.controller.person)) == 1


async def test_one_who_says_no_ends_what_another_approved(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, BOTH)
    await review.decide(acme.controller)
    await review.decide(acme.legal, "reject", "Not this one.")

    outcome = await review.handle.result()
    assert (outcome.state, outcome.person) == ("rejected", acme.legal.id)


async def test_what_only_one_has_approved_expires(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, BOTH)
    await review.decide(acme.controller)
    await home.skip(days=5)

    assert (await review.handle.result()).state == "expired"


@ON_BOTH_DATABASES
async def test_two_who_approve_at_once_are_both_heard(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, BOTH)
    answers = await gather(review.decide(acme.controller), review.decide(acme.legal))

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await review.handle.result()).state == "approved"


@ON_BOTH_DATABASES
async def test_of_two_who_decide_at_once_where_one_is_enough_the_first_wins(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, CONTROLLER)
    other = await member(home.database, acme.organization, [Role.CONTROLLER])
    answers = await gather(review.decide(acme.controller), review.decide(other, "reject", "No."))
    outcome = await review.handle.result()

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    won = next(answer for answer in answers if answer.status_code == 200)
    assert won.json()["decided_by"] == outcome.person


# --- In somebody's place ----------------------------------------------------------------------------------


@ON_BOTH_DATABASES
async def test_a_delegate_is_told_by_mail_and_decides(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, CONTROLLER)
    given = await review.delegate(acme.controller, acme.finance)
    await review.mailed(acme.finance, "delegated")
    decided = await review.decide(acme.finance)

    assert given.status_code == 201, given.text
    assert decided.status_code == 200, decided.text
    assert await review.handle.result() == ApprovalOutcome(
        state="approved",
        person=acme.finance.id,
        role=Role.CONTROLLER,
        for_person=acme.controller.id,
        subject_hash=SUBJECT_HASH,
    )
    assert await review.told() == [
        "review_requested",
        "delegation_offered",
        "delegation_accepted",
        "approved",
    ]
    assert home.mail.names(acme.finance.person) == ["delegated"]


async def test_who_acts_for_an_approver_is_asked_and_reminded_like_them(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    await lend(home, acme.controller, acme.finance, days=400)
    review = await a_review(home, acme, CONTROLLER)
    await home.skip_past((await review.shown())["ladder"][0]["remind_at"][0])

    for who in (acme.controller, acme.finance):
        await review.mailed(who, "review_requested", "review_reminder")


async def test_a_delegation_that_is_over_when_the_decision_arrives_does_not_count(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, LEGAL)
    await lend(home, acme.legal, acme.finance, days=0)
    late = await review.decide(acme.finance)

    assert (late.status_code, late.json()["code"]) == (403, "wrong_role")
    assert (await review.decide(acme.legal)).status_code == 200


async def test_a_delegation_that_is_revoked_does_not_count(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, LEGAL)
    given = (await review.delegate(acme.legal, acme.finance)).json()
    await home.post(acme.legal, f"/v1/delegations/{given['id']}/revoke", {})
    refused = await review.decide(acme.finance)

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")
    assert (await review.told())[-2:] == ["delegation_accepted", "delegation_revoked"]


async def test_who_has_come_to_act_for_the_requester_may_no_longer_decide(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, LEGAL)
    await lend(home, acme.admin, acme.legal)
    refused = await review.decide(acme.legal)

    assert (refused.status_code, refused.json()["code"]) == (403, "requesters_delegate")
    assert (await review.shown())["state"] == "open"


async def test_who_has_lost_the_role_since_they_were_asked_may_not_decide(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, CONTROLLER, LEGAL)
    async with home.database.transaction() as session:
        acme.controller.person.roles = ["finance"]
        session.add(acme.controller.person)
    refused = await review.decide(acme.controller)

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")


async def test_what_has_ended_is_not_delegated_any_more(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await a_review(home, acme, CONTROLLER)
    await review.handle.execute_update("cancel", Cancel(person=acme.admin.id))
    await review.handle.result()
    late = await review.delegate(acme.controller, acme.finance)

    assert (late.status_code, late.json()["code"]) == (409, "approval_closed")


async def lend(home: House, giver: Member, to: Member, *, days: int = 30) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    row = a_delegation(giver.person, to.person, starts_at=now, ends_at=now + timedelta(days=days))
    await store(home.database, row)

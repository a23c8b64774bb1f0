"""Who decides for somebody else, and somebody of each role: as things are when the decision is settled."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from billing.approvals.messages import ApprovalOutcome
from billing.core.operations import Role
from billing.policy.policy import LadderStep
from db.approvals import delegations
from db.core.session import Database

from ...support.builders import NOW, SUBJECT_HASH, Member, member, store, tenant
from ...support.money_rows import a_delegation
from ..reviewing import LATER, Review, Settled
from .test_vacancies import BOTH, told


def code(settled: Settled) -> str | None:
    return settled.refusal.code if settled.refusal else None


async def lend(review: Review, giver: Member, to: Member, **fields: Any) -> str:
    row = a_delegation(giver.person, to.person, **fields)
    await store(review.database, row)
    return row.id


# --- Delegates ---------------------------------------------------------------------------------------------


async def test_a_delegate_decides_for_the_delegator_and_the_record_says_so(review: Review) -> None:
    controller, finance = review.acme.controller, review.acme.finance
    await lend(review, controller, finance)
    await review.open()
    decision = await review.decision(finance)

    settled = await review.settle(decision)

    assert settled.outcome == ApprovalOutcome(
        state="approved",
        person=finance.id,
        role=Role.CONTROLLER,
        for_person=controller.id,
        subject_hash=SUBJECT_HASH,
    )
    assert await review.settle(decision) == Settled()
    row, event = await review.row(), (await review.events())[-1]
    [kept] = await review.decisions()
    assert (row.decided_by, kept.for_person) == (finance.id, controller.id)
    assert (event.actor, event.detail["for_person"]) == (finance.id, controller.id)
    assert row.signatures == [
        {
            "person": finance.id,
            "role": "controller",
            "at": "2026-03-02T16:00:00Z",
            "for_person": controller.id,
        }
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"starts_at": NOW - timedelta(days=2), "ends_at": LATER},
        {"starts_at": LATER + timedelta(seconds=1)},
        {"revoked_at": NOW, "revoked_by": "per_1"},
        {"role": "legal"},
        {"approval_id": "apr_other"},
    ],
    ids=["over", "not begun", "revoked", "another role", "another approval"],
)
async def test_a_delegation_counts_only_where_and_while_it_holds(
    review: Review, fields: dict[str, Any]
) -> None:
    await lend(review, review.acme.controller, review.acme.finance, **fields)
    await review.open()

    assert code(await review.decide(review.acme.finance)) == "wrong_role"


async def test_a_delegation_that_is_revoked_between_the_request_and_its_settling_no_longer_counts(
    review: Review,
) -> None:
    lent = await lend(review, review.acme.controller, review.acme.finance)
    await review.open()
    decision = await review.decision(review.acme.finance)
    async with review.database.transaction() as session:
        await delegations.revoke(session, lent, by=review.acme.controller.id, at=LATER)

    assert code(await review.settle(decision)) == "wrong_role"


async def test_a_role_that_is_lost_between_the_request_and_its_settling_no_longer_counts(
    review: Review,
) -> None:
    await review.open()
    decision = await review.decision(review.acme.controller)
    async with review.database.transaction() as session:
        review.acme.controller.person.roles = ["finance"]
        session.add(review.acme.controller.person)

    assert code(await review.settle(decision)) == "wrong_role"


async def test_nobody_decides_for_a_delegator_who_has_left_or_lost_the_role(review: Review) -> None:
    gone = await member(review.database, review.acme.organization, [Role.CONTROLLER], active=False)
    await lend(review, gone, review.acme.finance)
    await review.open()

    assert code(await review.decide(review.acme.finance)) == "wrong_role"


async def test_who_acts_for_the_requester_is_refused_whatever_their_role(review: Review) -> None:
    await lend(review, review.acme.admin, review.acme.controller)
    await review.open()

    assert code(await review.decide(review.acme.controller)) == "requesters_delegate"


async def test_the_requester_is_refused_as_a_delegate_too(review: Review) -> None:
    await lend(review, review.acme.controller, review.acme.admin)
    await review.open()

    assert code(await review.decide(review.acme.admin)) == "own_request"


async def test_what_was_lent_is_not_lent_on(review: Review) -> None:
    await lend(review, review.acme.controller, review.acme.finance)
    await lend(review, review.acme.finance, review.acme.auditor)
    await review.open()

    assert code(await review.decide(review.acme.auditor)) == "wrong_role"


async def test_delegations_of_another_organization_are_none_of_ours(review: Review) -> None:
    other = await tenant(review.database)
    await lend(review, other.controller, review.acme.finance)
    await review.open()

    assert code(await review.decide(review.acme.finance)) == "wrong_role"


# --- Somebody of each --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(Role.CONTROLLER, Role.LEGAL), (Role.LEGAL, Role.CONTROLLER)])
async def test_it_is_approved_when_somebody_of_each_role_has(
    review: Review, order: tuple[Role, Role]
) -> None:
    first, second = (review.acme.members[role] for role in order)
    await review.open(ladder=(BOTH,))

    one = await review.decide(first, comment="Fine.")
    between = await review.row()
    two = await review.decide(second)

    assert (one, between.state, between.decided_by) == (Settled(), "open", None)
    assert two.outcome == ApprovalOutcome(
        state="approved", person=second.id, role=order[1], subject_hash=SUBJECT_HASH
    )
    assert await told(review) == [
        "review_requested",
        f"partly_approved {order[1]}",
        "approved",
    ]
    _, signed, ended = await review.events()
    assert (signed.actor, signed.detail["role"], signed.detail["comment"]) == (first.id, order[0], "Fine.")
    assert [one["role"] for one in ended.detail["signatures"]] == list(order)


async def test_settling_a_signature_again_gives_the_same_answer(review: Review) -> None:
    await review.open(ladder=(BOTH,))
    decision = await review.decision(review.acme.controller)
    await review.settle(decision)
    early = await review.settle(decision)
    await review.decide(review.acme.legal)

    late = await review.settle(decision)

    assert (early, late) == (Settled(), Settled())
    assert len((await review.row()).signatures) == 2
    assert len(await review.events()) == 3


async def test_one_person_is_not_two(review: Review) -> None:
    both = await member(review.database, review.acme.organization, [Role.CONTROLLER, Role.LEGAL])
    await review.open(ladder=(BOTH,))
    await review.decide(both)

    again = await review.decide(both)

    assert again == Settled()
    assert (await review.row()).state == "open"


@pytest.mark.parametrize(
    ("verdict", "state"), [("reject", "rejected"), ("request_changes", "changes_requested")]
)
async def test_one_no_ends_it_although_somebody_has_approved(
    review: Review, verdict: str, state: str
) -> None:
    await review.open(ladder=(BOTH,))
    await review.decide(review.acme.controller)

    settled = await review.decide(review.acme.legal, decision=verdict, comment="No.")

    assert settled.outcome is not None
    assert (settled.outcome.state, settled.outcome.role) == (state, Role.LEGAL)
    assert (await review.row()).state == state


async def test_a_signature_without_the_other_does_not_approve_when_time_is_up(review: Review) -> None:
    await review.open(ladder=(BOTH,))
    await review.decide(review.acme.controller)

    outcome = await review.close()

    assert outcome.state == "expired"
    [signature] = (await review.events())[-1].detail["signatures"]
    assert signature["person"] == review.acme.controller.id


async def test_an_earlier_signature_counts_when_its_rung_is_completed_after_an_escalation(
    review: Review,
) -> None:
    finance = LadderStep(roles=(Role.FINANCE,), respond_within=480)
    await review.open(ladder=(BOTH, finance))
    await review.decide(review.acme.controller)
    await review.climb()

    settled = await review.decide(review.acme.legal)

    assert settled.outcome is not None
    assert settled.outcome.state == "approved"


async def test_two_who_approve_at_the_same_moment_are_both_counted(review: Review) -> None:
    await review.open(ladder=(BOTH,))
    other = Database(review.database.url)  # another worker
    decisions = [await review.decision(who) for who in (review.acme.controller, review.acme.legal)]

    first, second = await asyncio.gather(
        review.settle(decisions[0]), review.settle(decisions[1], database=other)
    )
    await other.dispose()

    assert sorted([first.outcome is None, second.outcome is None]) == [False, True]
    assert (first.refusal, second.refusal) == (None, None)
    row = await review.row()
    assert (row.state, len(row.signatures)) == ("approved", 2)

"""Decisions on a review: the first by somebody who may decide, on what they saw, wins."""

import asyncio
from datetime import timedelta

import pytest

from billing.approvals.messages import ApprovalOutcome
from billing.core.operations import Problem, Role
from db.core.session import Database

from ...support.builders import SUBJECT_HASH, member, tenant
from ..reviewing import LATER, Review, Settled

TWO_BUSINESS_DAYS = LATER + timedelta(days=2)


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("approve", "approved"), ("reject", "rejected"), ("request_changes", "changes_requested")],
)
async def test_a_decision_closes_the_review_with_it(review: Review, verdict: str, state: str) -> None:
    await review.open()
    controller = review.acme.controller

    settled = await review.decide(controller, decision=verdict, comment="As discussed.")

    assert settled.refusal is None
    until = {"revise_by": TWO_BUSINESS_DAYS} if verdict == "request_changes" else {}
    said = {"person": controller.id, "role": "controller", "comment": "As discussed."}
    said |= {"subject_hash": SUBJECT_HASH}
    assert settled.outcome == ApprovalOutcome.model_validate({"state": state, **said})
    assert await review.read() == ApprovalOutcome.model_validate({"state": state, **said, **until})
    row = await review.row()
    assert (row.state, row.decided_by, row.closed_at) == (state, controller.id, LATER)
    event = (await review.events())[-1]
    assert (event.code, event.actor) == (state, controller.id)
    assert event.detail == {
        "approval": review.id,
        "role": "controller",
        "comment": "As discussed.",
        "subject_hash": SUBJECT_HASH,
    }


async def test_the_same_decision_again_changes_nothing_even_when_its_person_has_left(review: Review) -> None:
    """The first answer was lost on its way, and the person was deactivated before they asked again."""
    await review.open()
    await review.decide(review.acme.controller)
    gone = review.acme.controller.person
    async with review.database.transaction() as session:
        gone.active = False
        session.add(gone)

    assert await review.decide(review.acme.controller) == Settled()
    assert (len(await review.events()), len(await review.decisions())) == (2, 1)


async def test_another_decision_by_the_same_person_is_refused(review: Review) -> None:
    await review.open()
    await review.decide(review.acme.controller)

    settled = await review.decide(review.acme.controller, decision="reject", comment="On second thoughts.")

    assert settled.refusal is not None
    assert settled.refusal.code == "approval_closed"
    assert (await review.row()).state == "approved"


async def test_the_deadline_of_the_last_rung_binds_to_the_moment(review: Review) -> None:
    *_, last = await review.open()
    said = await review.decision(review.acme.controller)

    late = await review.settle(said, at=last.deadline)
    in_time = await review.settle(said, at=last.deadline - timedelta(microseconds=1))

    assert late.refusal == Problem(code="approval_closed", message="It has expired: nobody answered in time.")
    assert in_time.outcome is not None
    assert in_time.outcome.state == "approved"


async def test_whoever_is_asked_later_may_not_decide_yet(review: Review) -> None:
    await review.open()

    early = await review.decide(review.acme.legal)
    await review.climb()
    late = await review.decide(review.acme.legal)

    assert early.refusal is not None
    assert early.refusal.code == "wrong_role"
    assert late.outcome is not None
    assert (late.outcome.state, late.outcome.role) == ("approved", Role.LEGAL)


@pytest.mark.parametrize(
    ("climbed", "role"), [(False, Role.CONTROLLER), (True, Role.LEGAL)], ids=["first rung", "second rung"]
)
async def test_who_has_several_roles_decides_by_that_of_the_highest_rung_asked(
    review: Review, climbed: bool, role: Role
) -> None:
    both = await member(review.database, review.acme.organization, [Role.LEGAL, Role.CONTROLLER])
    await review.open()
    if climbed:
        await review.climb()

    settled = await review.decide(both)

    assert settled.outcome is not None
    assert settled.outcome.role == role


async def test_an_earlier_rung_may_still_decide_after_an_escalation(review: Review) -> None:
    await review.open()
    await review.climb()

    settled = await review.decide(review.acme.controller)

    assert settled.outcome is not None
    assert settled.outcome.role == Role.CONTROLLER


@pytest.mark.parametrize(
    ("role", "code"),
    [
        (Role.BILLING_ADMIN, "own_request"),
        (Role.FINANCE, "wrong_role"),
        (Role.AUDITOR, "wrong_role"),
    ],
)
async def test_who_may_not_decide_is_refused_and_the_review_stays_open(
    review: Review, role: Role, code: str
) -> None:
    await review.open()
    decision = await review.decision(review.acme.members[role])

    settled = await review.settle(decision)

    assert settled.outcome is None
    assert settled.refusal is not None
    assert settled.refusal.code == code
    assert ((await review.row()).state, await review.decisions()) == ("open", [])
    assert len(await review.events()) == 1


async def test_the_requester_may_not_decide_even_as_a_controller(review: Review) -> None:
    both = await member(review.database, review.acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    async with review.database.transaction() as session:
        review.operation.requested_by = both.id
        session.add(review.operation)
    review.acme.members[Role.BILLING_ADMIN] = both
    await review.open()

    settled = await review.decide(both)

    assert settled.refusal is not None
    assert settled.refusal.code == "own_request"


async def test_whoever_revised_it_is_refused_when_their_decision_is_settled(review: Review) -> None:
    await review.shaped(review.acme.controller)
    await review.open()

    settled = await review.decide(review.acme.controller)

    assert settled.refusal is not None
    assert settled.refusal.code == "own_request"
    assert (await review.row()).authors[-1]["how"] == "revised"


async def test_another_billing_admin_has_the_wrong_role(review: Review) -> None:
    await review.open()
    other = await member(review.database, review.acme.organization, [Role.BILLING_ADMIN])

    settled = await review.decide(other)

    assert settled.refusal is not None
    assert settled.refusal.code == "wrong_role"


async def test_who_is_not_active_any_more_may_not_decide(review: Review) -> None:
    await review.open()
    gone = await member(review.database, review.acme.organization, [Role.CONTROLLER], active=False)

    settled = await review.decide(gone)

    assert settled.refusal is not None
    assert settled.refusal.code == "wrong_role"


async def test_somebody_of_another_organization_may_not_decide(review: Review) -> None:
    await review.open()
    other = await tenant(review.database)

    settled = await review.decide(other.controller)

    assert settled.refusal is not None
    assert settled.refusal.code == "wrong_role"


async def test_who_saw_another_subject_must_look_again(review: Review) -> None:
    await review.open()

    stale = await review.decide(review.acme.controller, subject_hash="4" * 64)
    fresh = await review.decide(review.acme.controller)

    assert stale.refusal is not None
    assert stale.refusal.code == "stale_subject"
    assert fresh.outcome is not None


async def test_after_the_end_nothing_is_decided(review: Review) -> None:
    await review.open()
    decision = await review.decision(review.acme.controller)
    await review.close()

    settled = await review.settle(decision)

    assert settled.refusal is not None
    assert settled.refusal.code == "approval_closed"
    assert await review.decisions() == []
    assert (await review.row()).state == "expired"


async def test_of_two_decisions_at_the_same_time_the_first_wins(review: Review) -> None:
    await review.open()
    other = Database(review.database.url)  # another worker
    rival = await member(review.database, review.acme.organization, [Role.CONTROLLER])
    yes = await review.decision(review.acme.controller)
    no = await review.decision(rival, decision="reject")

    outcomes = await asyncio.gather(review.settle(yes), review.settle(no, other))
    await other.dispose()

    [won] = [settled.outcome for settled in outcomes if settled.outcome]
    [lost] = [settled.refusal for settled in outcomes if settled.refusal]
    assert lost.code == "approval_closed"
    row = await review.row()
    assert (row.state, row.decided_by) == (won.state, won.person)
    assert [event.code for event in await review.events()] == [
        "review_requested",
        won.state,
    ]

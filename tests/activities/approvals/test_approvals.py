"""The records of a review: opened once, climbed, closed; a decision just before the end stands."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from temporalio.exceptions import ApplicationError

from billing.approvals.ladder import Rung
from billing.approvals.messages import ApprovalOutcome, CloseOpenRound
from billing.core.operations import Role
from db.approvals import approvals
from db.core.session import Database
from db.operations import operations

from ...support.builders import NOW, SUBJECT_HASH, a_decision
from ..mail.contexts import an_upgrade
from ..reviewing import LATER, Review


def new_york(day: int, hour: int) -> datetime:
    """In March 2026, before clocks change on the eighth."""
    return datetime(2026, 3, day, hour + 5, tzinfo=UTC)


# --- Opened -----------------------------------------------------------------------------------------------


async def test_a_review_opens_with_its_deadlines_and_the_operation_waits_for_it(review: Review) -> None:
    rungs = await review.open()

    assert rungs == (
        Rung(
            roles=(Role.CONTROLLER,),
            opens_at=NOW,
            remind_at=(new_york(2, 14),),
            deadline=new_york(3, 10),
            state="active",
        ),
        Rung(
            roles=(Role.LEGAL,),
            opens_at=new_york(3, 10),
            remind_at=(),
            deadline=new_york(4, 10),
            state="waiting",
        ),
    )
    row = await review.row()
    assert (row.state, row.rung, row.deadline, row.round) == ("open", 0, new_york(3, 10), 1)
    assert (row.subject_hash, row.subject, row.amount_minor) == (
        SUBJECT_HASH,
        an_upgrade().document(),
        None,
    )
    async with review.database.reading() as session:
        operation = await operations.get_any(session, review.operation.id)
    assert operation is not None
    assert (operation.state, operation.stage, operation.approval_id) == (
        "awaiting_approval",
        "review",
        review.id,
    )


async def test_opening_is_told_with_the_hash_that_is_reviewed(review: Review) -> None:
    await review.open()

    [event] = await review.events()
    assert (event.code, event.at) == ("review_requested", NOW)
    assert event.detail == {
        "approval": review.id,
        "round": 1,
        "subject_hash": SUBJECT_HASH,
        "asked": [["controller"], ["legal"]],
        "deadline": "2026-03-03T15:00:00+00:00",
    }


async def test_opening_again_keeps_the_first_deadlines_and_tells_nothing_new(review: Review) -> None:
    first = await review.open()

    again = await review.open(at=NOW + timedelta(days=1))

    assert again == first
    assert (await review.row()).opened_at == NOW
    assert len(await review.events()) == 1


async def test_a_round_that_was_left_open_is_superseded_once(review: Review) -> None:
    await review.open()
    order = CloseOpenRound(operation=review.operation.id, at=LATER)

    for hours in (0, 0, 1):
        again = order.model_copy(update={"at": LATER + timedelta(hours=hours)})
        await review.approvals.close_open_round(again)

    assert (await review.row()).state == "superseded"
    assert [event.code for event in await review.events()] == ["review_requested", "review_superseded"]


# --- Reminded and climbed ---------------------------------------------------------------------------------


async def test_climbing_asks_the_next_rung_and_tells_so_once(review: Review) -> None:
    await review.open()

    await review.climb()
    await review.climb()

    row = await review.row()
    assert (row.rung, row.deadline) == (1, new_york(4, 10))
    assert [rung["state"] for rung in row.ladder] == ["passed", "active"]
    [_, event] = await review.events()
    assert (event.code, event.detail) == (
        "escalated",
        {"approval": review.id, "to": ["legal"], "deadline": "2026-03-04T15:00:00+00:00"},
    )


async def test_what_was_decided_meanwhile_does_not_climb(review: Review) -> None:
    await review.open()
    await review.decide(review.acme.controller)

    await review.climb()

    assert (await review.row()).rung == 0
    assert [event.code for event in await review.events()] == ["review_requested", "approved"]


async def test_each_reminder_is_told_once(review: Review) -> None:
    await review.open()
    for number in (0, 0, 1):
        await review.remind(number=number)

    assert [event.code for event in await review.events()] == [
        "review_requested",
        "approvers_reminded",
        "approvers_reminded",
    ]


# --- Closed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["expired", "dismissed"])
async def test_a_review_without_a_decision_is_closed_once(
    review: Review, state: Literal["expired", "dismissed"]
) -> None:
    await review.open()

    outcomes = [await review.close(state), await review.close(state)]

    assert outcomes == [ApprovalOutcome(state=state)] * 2
    row = await review.row()
    assert (row.state, row.closed_at, row.decided_by) == (state, LATER, None)
    [_, event] = await review.events()
    assert (event.code, event.detail) == (
        f"review_{state}",
        {"approval": review.id, "reason": "Silence."},
    )


async def test_a_decision_just_before_the_end_stands(review: Review) -> None:
    await review.open()
    controller = review.acme.controller
    await review.decide(controller, decision="reject", comment="Too dear.")

    outcome = await review.close()

    assert outcome == ApprovalOutcome(
        state="rejected",
        person=controller.id,
        role=Role.CONTROLLER,
        comment="Too dear.",
        subject_hash=SUBJECT_HASH,
    )
    assert [event.code for event in await review.events()] == ["review_requested", "rejected"]


async def test_of_a_decision_and_the_end_at_the_same_time_exactly_one_wins(review: Review) -> None:
    await review.open()
    other = Database(review.database.url)
    decision = await review.decision(review.acme.controller)

    settled, closed = await asyncio.gather(review.settle(decision), review.close(database=other))
    await other.dispose()

    row, told = await review.row(), [event.code for event in await review.events()]
    assert closed.state == row.state
    if settled.outcome is not None:
        assert (row.state, told) == ("approved", ["review_requested", "approved"])
    else:
        assert settled.refusal is not None
        assert (settled.refusal.code, row.state) == ("approval_closed", "expired")
        assert told == ["review_requested", "review_expired"]


async def test_nobody_is_reminded_of_what_is_decided_although_its_workflow_does_not_know_yet(
    review: Review,
) -> None:
    await review.open()
    await review.decide(review.acme.controller)

    await review.remind()

    assert [event.code for event in await review.events()] == ["review_requested", "approved"]


# --- Forged -----------------------------------------------------------------------------------------------


async def test_an_approval_that_somebody_wrote_into_the_database_is_none(review: Review) -> None:
    await review.open()
    who = review.acme.controller
    async with review.database.transaction() as session:
        row = await approvals.get_any(session, review.id)
        row.state, row.closed_at, row.decided_by = "approved", NOW, who.id
        row.signatures = [{"person": who.id, "role": "controller", "at": NOW.isoformat()}]
        session.add_all([row, a_decision(row, who.person)])

    with pytest.raises(ApplicationError, match="has taken no such decision") as refused:
        await review.read()
    assert (refused.value.type, refused.value.non_retryable) == ("decision_forged", True)


async def test_a_decision_counts_for_nothing_else_than_it_was_about(review: Review) -> None:
    await review.open()
    await review.decide(review.acme.controller)
    async with review.database.transaction() as session:
        row = await approvals.get_any(session, review.id)
        row.subject_hash = "6" * 64
        session.add(row)

    with pytest.raises(ApplicationError, match="has taken no such decision"):
        await review.read()

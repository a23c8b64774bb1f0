"""The records of a review: opened once, climbed, decided by the first who may, closed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from activities.approvals import Approvals
from billing.approval import Rung
from billing.business_time import Calendar
from billing.messages import (
    ApprovalInput,
    ApprovalOutcome,
    ClimbApproval,
    CloseApproval,
    Decide,
    OpenApproval,
    RemindApproval,
    Settled,
    SettleDecision,
)
from billing.operations import Role
from billing.policy import LadderStep
from db import approvals, operations, timeline
from db.session import Database
from db.tables import Approval, Decision, Operation, TimelineEvent

from ..builders import (
    NOW,
    SUBJECT_HASH,
    Member,
    Tenant,
    a_decision,
    an_operation,
    member,
    store,
    tenant,
)

LATER = NOW + timedelta(hours=1)
OFFICE = Calendar.model_validate(
    {
        "name": "office",
        "zone": "America/New_York",
        "country": "US",
        "days": (0, 1, 2, 3, 4),
        "opens": "09:00:00",
        "closes": "17:00:00",
    }
)
LADDER = (
    LadderStep(roles=(Role.CONTROLLER,), respond_within=480, remind_every=240),
    LadderStep(roles=(Role.LEGAL,), respond_within=480),
)


class Review:
    """An approval of an organization's plan change, and those who may or may not decide it."""

    def __init__(self, database: Database, acme: Tenant, operation: Operation) -> None:
        self.database, self.acme, self.operation = database, acme, operation
        self.approvals = Approvals(database)
        self.id = f"apr_{operation.id.removeprefix('op_')}-1"

    async def open(self, at: datetime = NOW) -> tuple[Rung, ...]:
        request = ApprovalInput(
            approval=self.id,
            organization=self.acme.id,
            operation=self.operation.id,
            kind="plan_change",
            round=1,
            subject={"to": {"plan": "scale"}},
            subject_hash=SUBJECT_HASH,
            amount=None,
            requested_by=self.acme.admin.id,
            ladder=LADDER,
            calendar=OFFICE,
        )
        order = OpenApproval(request=request, workflow=f"approval-{self.id}", at=at)
        return (await self.approvals.open_approval(order)).rungs

    async def climb(self, rung: int = 1) -> None:
        await self.approvals.climb_approval(
            ClimbApproval(approval=self.id, operation=self.operation.id, rung=rung, at=LATER)
        )

    async def decision(self, who: Member, **fields: Any) -> Decision:
        """The row that the API writes before it passes a decision on."""
        async with self.database.reading() as session:
            row = await approvals.get_any(session, self.id)
        decision = a_decision(row, who.person, **fields)
        await store(self.database, decision)
        return decision

    async def settle(self, decision: Decision, database: Database | None = None, **fields: Any) -> Settled:
        given = {
            "decision": decision.id,
            "person": decision.person_id,
            "verdict": decision.decision,
            "subject_hash": decision.subject_hash,
            "comment": decision.comment,
        }
        order = SettleDecision(
            approval=self.id,
            operation=self.operation.id,
            decide=Decide.model_validate(given | fields),
            at=LATER,
        )
        return await Approvals(database or self.database).settle_decision(order)

    async def decide(self, who: Member, **fields: Any) -> Settled:
        return await self.settle(await self.decision(who, **fields))

    async def close(
        self, state: Literal["expired", "dismissed"] = "expired", database: Database | None = None
    ) -> ApprovalOutcome:
        order = CloseApproval(
            approval=self.id, operation=self.operation.id, state=state, reason="Silence.", at=LATER
        )
        return await Approvals(database or self.database).close_approval(order)

    async def row(self) -> Approval:
        async with self.database.reading() as session:
            return await approvals.get_any(session, self.id)

    async def kept(self, decision: Decision) -> Decision:
        async with self.database.reading() as session:
            return await approvals.get_decision(session, decision.id)

    async def events(self) -> list[TimelineEvent]:
        async with self.database.reading() as session:
            return await timeline.read(session, self.operation.id)


@pytest.fixture
async def review(database: Database) -> Review:
    acme = await tenant(database)
    operation = an_operation(acme)
    await store(database, operation)
    return Review(database, acme, operation)


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
        {"to": {"plan": "scale"}},
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
    assert (event.event, event.at) == ("review requested", NOW)
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


# --- Reminded and climbed ---------------------------------------------------------------------------------


async def test_climbing_asks_the_next_rung_and_tells_so_once(review: Review) -> None:
    await review.open()

    await review.climb()
    await review.climb()

    row = await review.row()
    assert (row.rung, row.deadline) == (1, new_york(4, 10))
    assert [rung["state"] for rung in row.ladder] == ["passed", "active"]
    [_, event] = await review.events()
    assert (event.event, event.detail) == (
        "escalated",
        {"approval": review.id, "to": ["legal"], "deadline": "2026-03-04T15:00:00+00:00"},
    )


async def test_what_was_decided_meanwhile_does_not_climb(review: Review) -> None:
    await review.open()
    await review.decide(review.acme.controller)

    await review.climb()

    assert (await review.row()).rung == 0
    assert [event.event for event in await review.events()] == ["review requested", "approved"]


async def test_each_reminder_is_told_once(review: Review) -> None:
    await review.open()
    for number in (0, 0, 1):
        await review.approvals.note_reminder(
            RemindApproval(approval=review.id, operation=review.operation.id, rung=0, number=number, at=LATER)
        )

    assert [event.event for event in await review.events()] == [
        "review requested",
        "approvers reminded",
        "approvers reminded",
    ]


# --- Decided ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("approve", "approved"), ("reject", "rejected"), ("request_changes", "changes_requested")],
)
async def test_a_decision_closes_the_review_with_it(review: Review, verdict: str, state: str) -> None:
    await review.open()
    controller = review.acme.controller

    settled = await review.decide(controller, decision=verdict, comment="As discussed.")

    assert settled.refusal is None
    assert settled.outcome == ApprovalOutcome.model_validate(
        {"state": state, "person": controller.id, "role": "controller", "comment": "As discussed."}
    )
    row = await review.row()
    assert (row.state, row.decided_by, row.closed_at) == (state, controller.id, LATER)
    event = (await review.events())[-1]
    assert (event.event, event.actor) == (state.replace("_", " "), controller.id)
    assert event.detail == {
        "approval": review.id,
        "role": "controller",
        "comment": "As discussed.",
        "subject_hash": SUBJECT_HASH,
    }


async def test_settling_again_gives_the_same_answer_and_tells_nothing_new(review: Review) -> None:
    await review.open()
    decision = await review.decision(review.acme.controller)
    first = await review.settle(decision)

    assert await review.settle(decision) == first
    assert len(await review.events()) == 2


async def test_a_settled_decision_stands_although_its_person_has_left_since(review: Review) -> None:
    """The first attempt's answer was lost, and the person was deactivated before the second."""
    await review.open()
    decision = await review.decision(review.acme.controller)
    first = await review.settle(decision)
    gone = review.acme.controller.person
    async with review.database.transaction() as session:
        gone.active = False
        session.add(gone)

    assert await review.settle(decision) == first


async def test_whoever_is_asked_later_may_not_decide_yet(review: Review) -> None:
    await review.open()

    early = await review.decide(review.acme.legal)
    await review.climb()
    late = await review.decide(review.acme.legal)

    assert early.refusal is not None
    assert early.refusal.code == "wrong_role"
    assert late.outcome is not None
    assert (late.outcome.state, late.outcome.role) == ("approved", Role.LEGAL)


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
    kept = await review.kept(decision)
    assert (kept.state, kept.refusal, kept.settled_at) == ("refused", settled.refusal.model_dump(), LATER)
    assert (await review.row()).state == "open"
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


async def test_another_billing_admin_has_the_wrong_role(review: Review) -> None:
    await review.open()
    other = await member(review.database, review.acme.organization, [Role.BILLING_ADMIN])

    settled = await review.decide(other)

    assert settled.refusal is not None
    assert (settled.refusal.code, settled.refusal.message) == ("wrong_role", "Only controller may decide.")


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
    assert (await review.kept(decision)).state == "refused"
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
    assert [event.event for event in await review.events()] == ["review requested", won.state]


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
    assert (event.event, event.detail) == (
        f"review {state}",
        {"approval": review.id, "reason": "Silence."},
    )


async def test_a_decision_just_before_the_end_stands(review: Review) -> None:
    await review.open()
    controller = review.acme.controller
    await review.decide(controller, decision="reject", comment="Too dear.")

    outcome = await review.close()

    assert outcome == ApprovalOutcome(state="rejected", person=controller.id, comment="Too dear.")
    assert [event.event for event in await review.events()] == ["review requested", "rejected"]


async def test_of_a_decision_and_the_end_at_the_same_time_exactly_one_wins(review: Review) -> None:
    await review.open()
    other = Database(review.database.url)
    decision = await review.decision(review.acme.controller)

    settled, closed = await asyncio.gather(review.settle(decision), review.close(database=other))
    await other.dispose()

    row, told = await review.row(), [event.event for event in await review.events()]
    assert closed.state == row.state
    if settled.outcome is not None:
        assert (row.state, told) == ("approved", ["review requested", "approved"])
    else:
        assert settled.refusal is not None
        assert (settled.refusal.code, row.state) == ("approval_closed", "expired")
        assert told == ["review requested", "review expired"]

"""Whoever was told that something waits for them is told how it ended, once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from activities.operations.end_mails import ENDED
from activities.operations.endings import end_operation
from activities.operations.notices import open_notice
from billing.approvals.messages import ApprovalOutcome
from billing.approvals.notice_messages import NoticeInput
from billing.core.business_time import Calendar
from billing.core.notices import NoticeKind
from billing.core.operations import Kind, Problem, Role, State
from billing.mail.messages import MailContext, MailRequest
from billing.operations.kinds import ON_REQUEST
from billing.operations.messages import Progress
from db.approvals import approvals
from db.approvals.decided_mails import tell_decided
from db.core import timeline
from db.core.session import Database
from db.operations import notices
from db.operations import told as told_people
from db.tables import Approval, Notice, Operation, Outbox

from ...support.builders import (
    NOW,
    Member,
    Tenant,
    a_notice,
    an_approval,
    an_operation,
    member,
    store,
    tenant,
)
from ..mail.contexts import an_upgrade
from ..mail.money_contexts import a_refund, refunded
from ..reviewing import a_review

LATER = NOW + timedelta(minutes=5)
ALWAYS = Calendar(name="24x7", zone="UTC", always=True)


@dataclass
class World:
    """An organization with an operation that people were told of."""

    database: Database
    acme: Tenant
    operation: Operation
    second: Member
    """Another controller."""

    async def tell(self, about: str, *people: Member) -> None:
        async with self.database.transaction() as session:
            await told_people.note(
                session,
                [one.id for one in people],
                about=about,
                operation=self.operation.id,
                organization=self.acme.id,
                template="review_requested",
                at=NOW,
            )

    async def approval(self, **fields: Any) -> Approval:
        approval = an_approval(self.operation, **fields)
        await store(self.database, approval)
        return approval

    async def notice(self, **fields: Any) -> Notice:
        notice = a_notice(self.operation, **fields)
        await store(self.database, notice)
        return notice

    async def end(self, state: State = State.CANCELLED, **fields: Any) -> bool:
        given: dict[str, Any] = {
            "operation": self.operation.id,
            "key": "ended",
            "event": "workflow_ended",
            "at": LATER,
            "state": state,
            "stage": "done",
            "allowed_actions": (),
        }
        async with self.database.transaction() as session:
            return await end_operation(session, Progress.model_validate(given | fields))

    async def mails(self) -> dict[str, tuple[set[str], MailContext]]:
        """Who gets which mail, and what it says, by its template; each is there once."""
        async with self.database.reading() as session:
            rows = await session.exec(select(Outbox).where(Outbox.action == "mail").order_by(col(Outbox.id)))
            requests = [MailRequest.model_validate(row.payload) for row in rows]
        found = {one.template: (set(one.people), one.context) for one in requests}
        assert len(found) == len(requests)
        return found

    async def got(self) -> dict[str, set[str]]:
        return {template: people for template, (people, _) in (await self.mails()).items()}

    async def standing(self, notice: Notice) -> Notice:
        async with self.database.reading() as session:
            row = await notices.get(session, self.acme.id, notice.id)
        assert row is not None
        return row

    async def events(self) -> list[str]:
        async with self.database.reading() as session:
            return [event.code for event in await timeline.read(session, self.operation.id)]


@pytest.fixture
async def world(database: Database) -> World:
    acme = await tenant(database)
    operation = an_operation(acme, state="awaiting_approval", subject={"to": {"plan": "scale"}})
    await store(database, operation)
    return World(database, acme, operation, await member(database, acme.organization, [Role.CONTROLLER]))


# --- Those who were asked to decide -------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "state", [State.REJECTED, State.CANCELLED, State.EXPIRED, State.BLOCKED, State.DECLINED, State.FAILED]
)
async def test_whoever_was_asked_hears_of_every_end_whoever_brings_it_about(
    world: World, state: State
) -> None:
    approval = await world.approval()
    await world.tell(approval.id, world.acme.controller, world.second, world.acme.legal)
    problem = Problem(code="gave_up", message="It was given up.") if state is State.FAILED else None

    assert await world.end(state, error=problem)
    assert not await world.end(state)

    mails = await world.mails()
    people, context = mails["review_over"]
    assert people == {world.acme.controller.id, world.second.id, world.acme.legal.id}
    assert (context.state, context.requested_by) == (state, world.acme.admin.id)
    assert context.problem == problem
    assert mails["plan_change_ended"][0] == {world.acme.admin.id}
    assert set(mails) == {"review_over", "plan_change_ended"}


async def test_nobody_is_told_what_they_did_themselves(world: World) -> None:
    approval = await world.approval()
    await world.tell(approval.id, world.acme.controller, world.acme.legal)
    await world.end(State.REJECTED, actor=world.acme.controller.id, detail={"comment": "Too dear."})
    people, context = (await world.mails())["review_over"]
    assert people == {world.acme.legal.id}
    assert (context.person, context.comment) == (world.acme.controller.id, "Too dear.")


async def test_an_admin_who_cancels_for_a_colleague_hears_nothing_and_the_colleague_does(
    world: World,
) -> None:
    other = await member(world.database, world.acme.organization, [Role.BILLING_ADMIN])
    await world.end(actor=other.id)
    assert await world.got() == {"plan_change_ended": {world.acme.admin.id}}


async def test_whoever_approved_hears_that_it_came_to_nothing_after_all(world: World) -> None:
    approval = await world.approval(state="approved", decided_by=world.acme.controller.id)
    await world.tell(approval.id, world.acme.controller, world.second)
    await world.end(actor=world.acme.admin.id)
    people, context = (await world.mails())["review_over"]
    assert people == {world.acme.controller.id, world.second.id}
    assert context.decision == "approved"


async def test_whoever_asked_for_changes_hears_that_none_came(world: World) -> None:
    approval = await world.approval(state="changes_requested", decided_by=world.acme.controller.id)
    await world.tell(approval.id, world.acme.controller)
    await world.end(State.EXPIRED)
    people, context = (await world.mails())["review_over"]
    assert (people, context.decision) == ({world.acme.controller.id}, "changes_requested")


async def test_what_went_through_is_no_news_to_those_who_were_told_of_the_approval(world: World) -> None:
    approval = await world.approval(state="approved", decided_by=world.acme.controller.id)
    await world.tell(approval.id, world.acme.controller, world.second)
    await world.end(State.COMPLETED)
    assert await world.got() == {"plan_change_ended": {world.acme.admin.id}}


async def test_people_of_every_round_are_told_once(world: World) -> None:
    first = await world.approval(state="changes_requested")
    second = await world.approval(round=2)
    await world.tell(first.id, world.acme.controller, world.second)
    await world.tell(second.id, world.acme.controller, world.acme.legal)
    await world.end(State.FAILED)
    everybody = {world.acme.controller.id, world.second.id, world.acme.legal.id}
    assert (await world.got())["review_over"] == everybody


@pytest.mark.parametrize("decision", ["approved", "changes_requested"])
async def test_a_decision_after_which_it_goes_on_is_told_to_the_others_who_were_asked(
    world: World, decision: str
) -> None:
    cora = world.acme.controller
    approval = await world.approval(state=decision, decided_by=cora.id, closed_at=LATER)
    await world.tell(approval.id, cora, world.second, world.acme.legal)
    outcome = ApprovalOutcome.model_validate({"state": decision, "person": cora.id, "comment": "Fine."})
    async with world.database.transaction() as session:
        await tell_decided(session, approval, outcome)
        await tell_decided(session, approval, outcome)
    people, context = (await world.mails())["review_over"]
    assert people == {world.second.id, world.acme.legal.id}
    assert (context.decision, context.person, context.comment) == (decision, cora.id, "Fine.")


async def test_whoever_was_decided_for_hears_what_their_delegate_decided(world: World) -> None:
    cora, lee = world.acme.controller, world.acme.legal
    approval = await world.approval(state="approved", decided_by=lee.id, closed_at=LATER)
    await world.tell(approval.id, cora, lee)
    outcome = ApprovalOutcome(state="approved", person=lee.id, for_person=cora.id)
    async with world.database.transaction() as session:
        await tell_decided(session, approval, outcome)
    people, context = (await world.mails())["review_over"]
    assert (people, context.person, context.for_person) == ({cora.id}, lee.id, cora.id)


async def test_a_decision_tells_the_others_in_the_transaction_that_settles_it(database: Database) -> None:
    review = await a_review(database)
    await review.open()
    world = World(database, review.acme, review.operation, review.acme.legal)
    await world.tell(review.id, review.acme.controller, review.acme.legal)
    await review.decide(review.acme.controller)
    assert (await world.got())["review_over"] == {review.acme.legal.id}


async def test_who_was_told_of_something_that_is_nobodys_request_hears_that_it_was_given_up(
    database: Database,
) -> None:
    acme = await tenant(database)
    case = an_operation(acme, kind=Kind.CASE.value, requested_by="system")
    await store(database, case)
    world = World(database, acme, case, acme.legal)
    await world.tell(case.id, acme.admin, acme.controller)
    await world.end(State.FAILED)
    assert await world.got() == {"operation_over": {acme.admin.id, acme.controller.id}}


# --- Finance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.REJECTED, State.CANCELLED, State.EXPIRED, State.FAILED])
async def test_a_notice_of_what_came_to_nothing_waits_for_nobody_any_more(world: World, state: State) -> None:
    notice = await world.notice(state="escalated")
    await world.tell(notice.id, world.acme.finance, world.acme.controller)
    await world.end(state)

    row = await world.standing(notice)
    assert (row.state, row.superseded_at, row.superseded_by) == ("superseded", LATER, None)
    assert row.superseded_because
    assert "notice_superseded" in await world.events()
    assert (await world.got())["notice_over"] == {world.acme.finance.id, world.acme.controller.id}


async def test_finance_hears_of_the_end_of_what_it_has_acknowledged(world: World) -> None:
    notice = await world.notice(state="acknowledged", acknowledged_by=world.acme.finance.id)
    await world.tell(notice.id, world.acme.finance)
    await world.end(actor=world.acme.admin.id)
    assert (await world.standing(notice)).state == "acknowledged"
    assert (await world.got())["notice_over"] == {world.acme.finance.id}


async def test_somebody_who_was_asked_and_told_as_finance_gets_one_mail(world: World) -> None:
    approval, notice = await world.approval(), await world.notice()
    both = await member(world.database, world.acme.organization, [Role.CONTROLLER, Role.FINANCE])
    await world.tell(approval.id, both)
    await world.tell(notice.id, both, world.acme.finance)
    await world.end()
    got = await world.got()
    assert (got["review_over"], got["notice_over"]) == ({both.id}, {world.acme.finance.id})


async def test_figures_that_were_applied_stay_true_unless_they_are_taken_back(world: World) -> None:
    applied = await world.notice(kind="plan_change_applied")
    await world.tell(applied.id, world.acme.finance)
    await world.end(State.COMPLETED)
    assert (await world.standing(applied)).state == "open"


async def test_a_refund_that_came_through_after_all_is_no_failure_any_more(database: Database) -> None:
    acme = await tenant(database)
    refund = an_operation(acme, kind=Kind.REFUND.value)
    await store(database, refund)
    world = World(database, acme, refund, acme.legal)
    failed = await world.notice(kind="refund_failed")
    await world.tell(failed.id, acme.finance)
    await world.end(State.COMPLETED, key="completed:1", result=refunded(a_refund(), "succeeded"))
    assert (await world.standing(failed)).state == "superseded"
    assert (await world.got())["notice_over"] == {acme.finance.id}


async def opened(world: World, number: int) -> str:
    again = f"-{number}" if number > 1 else ""
    request = NoticeInput(
        notice=f"ntc_{world.operation.id.removeprefix('op_')}-plan_change_requested{again}",
        organization=world.acme.id,
        operation=world.operation.id,
        kind=NoticeKind.PLAN_CHANGE_REQUESTED,
        subject=an_upgrade(),
        calendar=ALWAYS,
        acknowledge_within=60,
    )
    async with world.database.transaction() as session:
        await open_notice(session, request, LATER)
    return request.notice


async def test_a_notice_of_new_figures_takes_the_place_of_those_before_that_wait(world: World) -> None:
    old = await world.notice()
    seen = await world.notice(id=f"{old.id}-2", state="acknowledged")
    new = await opened(world, 3)

    row = await world.standing(old)
    assert (row.state, row.superseded_by) == ("superseded", new)
    assert (await world.standing(seen)).state == "acknowledged"


async def test_a_notice_that_is_opened_after_the_end_tells_nobody(world: World) -> None:
    await world.end()
    id_ = await opened(world, 1)
    async with world.database.reading() as session:
        assert await notices.get(session, world.acme.id, id_) is None
    assert "finance_told" not in await world.events()


async def test_what_is_superseded_is_neither_acknowledged_nor_escalated(world: World) -> None:
    notice = await world.notice()
    await world.end()
    async with world.database.transaction() as session:
        late = await notices.acknowledge(session, notice.id, person_id=world.acme.finance.id, at=LATER)
        assert await notices.escalate(session, [notice.id]) == []
    assert (late.state, late.acknowledged_by) == ("superseded", None)


async def test_the_last_round_of_an_operation_is_found(world: World) -> None:
    await world.approval(state="changes_requested")
    last = await world.approval(round=2)
    async with world.database.reading() as session:
        found = await approvals.latest(session, world.operation.id)
    assert found is not None
    assert found.id == last.id


def test_whatever_is_asked_for_has_a_mail_of_its_end() -> None:
    assert ENDED.keys() == set(ON_REQUEST)

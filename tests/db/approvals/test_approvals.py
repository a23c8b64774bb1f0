"""Approvals and decisions: the first decision wins, nothing is decided twice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from billing.core.errors import Conflict
from billing.core.operations import Role
from db.approvals import approvals
from db.core.session import Database
from db.tables import Approval, Decision

from ...support.builders import NOW, Tenant, a_decision, an_approval, an_operation, member, store, tenant

LATER = NOW + timedelta(minutes=1)


async def open_approval(database: Database, acme: Tenant, **fields: Any) -> Approval:
    operation = an_operation(acme, kind="refund")
    approval = an_approval(operation, **fields)
    await store(database, operation, approval)
    return approval


async def record(database: Database, decision: Decision) -> tuple[Decision, bool]:
    async with database.transaction() as session:
        return await approvals.record(session, decision)


async def accept(database: Database, decision: Decision) -> Decision:
    async with database.transaction() as session:
        return await approvals.settle_accepted(session, decision.id, approval_state="approved", at=LATER)


async def close(database: Database, approval: Approval, state: str) -> Approval:
    async with database.transaction() as session:
        return await approvals.close(session, approval.id, state=state, at=LATER)


async def read(database: Database, approval: Approval) -> Approval:
    async with database.reading() as session:
        return await approvals.get_any(session, approval.id)


async def listed(database: Database, acme: Tenant, **filters: Any) -> list[str]:
    async with database.reading() as session:
        page = await approvals.paged(acme.id, **filters).page(session)
    return sorted(row.id for row in page.rows)


async def test_creating_an_approval_again_answers_the_first(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    again = approval.model_copy(update={"subject_hash": "other"})

    async with database.transaction() as session:
        kept, new = await approvals.create(session, again)

    assert (kept.subject_hash, new) == (approval.subject_hash, False)


async def test_another_organizations_approval_is_not_found(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    approval = await open_approval(database, acme)

    async with database.reading() as session:
        assert await approvals.get(session, other.id, approval.id) is None
        assert await approvals.get(session, acme.id, approval.id) is not None


async def test_of_decisions_at_the_same_moment_the_first_wins(database: Database, database_url: str) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    people = [await member(database, acme.organization, [Role.CONTROLLER]) for _ in range(6)]
    other = Database(database_url)  # connections of its own, like another process

    outcomes = await asyncio.gather(
        *(record((database, other)[n % 2], a_decision(approval, who.person)) for n, who in enumerate(people)),
        return_exceptions=True,
    )
    await other.dispose()

    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    lost = [outcome.code for outcome in outcomes if isinstance(outcome, Conflict)]
    assert (len(won), lost) == (1, ["already_decided"] * 5)
    async with database.reading() as session:
        kept = await approvals.decisions(session, approval.id)
    assert [decision.id for decision in kept] == [won[0][0].id]


async def test_recording_a_decision_again_answers_the_first(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    decision = a_decision(approval, acme.controller.person)
    await record(database, decision)

    again, new = await record(
        database, a_decision(approval, acme.controller.person, id=decision.id, decision="reject")
    )

    assert (again.decision, new) == ("approve", False)


async def test_an_accepted_decision_closes_the_approval_with_it(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    decision, _ = await record(database, a_decision(approval, acme.controller.person))

    settled = await accept(database, decision)

    closed = await read(database, approval)
    assert (settled.state, settled.settled_at) == ("accepted", LATER)
    assert (closed.state, closed.decided_by, closed.closed_at) == ("approved", acme.controller.id, LATER)


async def test_accepting_again_changes_nothing(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    decision, _ = await record(database, a_decision(approval, acme.controller.person))
    settled = await accept(database, decision)

    assert (await accept(database, decision)).model_dump() == settled.model_dump()


async def test_a_decision_that_lost_against_the_deadline_is_refused(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    decision, _ = await record(database, a_decision(approval, acme.controller.person))
    await close(database, approval, "expired")

    settled = await accept(database, decision)

    assert (settled.state, (settled.refusal or {})["code"]) == ("refused", "approval_closed")
    assert (await read(database, approval)).state == "expired"


async def test_the_first_to_close_an_approval_wins(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    await close(database, approval, "dismissed")

    assert (await close(database, approval, "expired")).state == "dismissed"


async def test_a_refused_decision_leaves_the_approval_to_others(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    stale, _ = await record(database, a_decision(approval, acme.controller.person, subject_hash="old"))
    async with database.transaction() as session:
        refused = await approvals.settle_refused(
            session, stale.id, refusal={"code": "stale_subject", "message": "look again"}, at=LATER
        )

    _, new = await record(database, a_decision(approval, acme.legal.person))

    assert (refused.state, refused.refusal) == (
        "refused",
        {"code": "stale_subject", "message": "look again"},
    )
    assert new


async def test_an_accepted_decision_cannot_be_refused_afterwards(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    decision, _ = await record(database, a_decision(approval, acme.controller.person))
    await accept(database, decision)

    async with database.transaction() as session:
        late = await approvals.settle_refused(session, decision.id, refusal={"code": "x"}, at=LATER)

    assert (late.state, late.refusal) == ("accepted", None)


async def test_nothing_is_decided_after_the_end(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    await close(database, approval, "expired")

    with pytest.raises(Conflict) as refusal:
        await record(database, a_decision(approval, acme.controller.person))

    assert refusal.value.code == "approval_closed"


async def test_climbing_the_ladder_is_kept_while_the_approval_is_open(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    ladder = [
        rung | {"state": state} for rung, state in zip(approval.ladder, ["passed", "active"], strict=True)
    ]

    async def climb() -> None:
        async with database.transaction() as session:
            await approvals.climb(session, approval.id, rung=1, ladder=ladder, deadline=LATER)

    await climb()
    climbed = await read(database, approval)
    assert (climbed.rung, climbed.ladder, climbed.deadline) == (1, ladder, LATER)

    await close(database, approval, "approved")
    ladder = []
    await climb()
    assert (await read(database, approval)).ladder == climbed.ladder


async def test_a_list_shows_what_waits_for_a_person(database: Database) -> None:
    acme = await tenant(database)
    first = await open_approval(database, acme)
    escalated = await open_approval(database, acme, rung=1)
    own = await open_approval(database, acme, requested_by=acme.controller.id)
    await open_approval(database, acme, state="approved")

    waiting = await listed(database, acme, waits_for=acme.controller.id)
    kept = await listed(database, acme, waits_for=acme.legal.id, keep=lambda row: row.rung == 1)
    assert waiting == sorted([first.id, escalated.id])
    assert kept == [escalated.id]
    assert await listed(database, acme, state="open") == sorted([first.id, escalated.id, own.id])


async def test_a_page_of_what_waits_is_full_although_much_is_left_out(database: Database) -> None:
    acme = await tenant(database)
    wanted = [await open_approval(database, acme, id=f"apr_{n}", rung=n % 3 == 0) for n in range(9)]
    expected = [row.id for row in reversed(wanted) if row.rung == 1]

    def escalated(row: Approval) -> bool:
        return row.rung == 1

    async with database.reading() as session:
        first = await approvals.paged(acme.id, keep=escalated).page(session, limit=2)
        rest = await approvals.paged(acme.id, keep=escalated).page(session, limit=2, cursor=first.next_cursor)

    assert [row.id for row in first.rows] == expected[:2]
    assert ([row.id for row in rest.rows], rest.next_cursor) == (expected[2:], None)


# --- Where somebody of each role is asked -----------------------------------------------------------------


async def of_each(database: Database, acme: Tenant, **fields: Any) -> Approval:
    """An approval that takes the controller and Legal."""
    approval = await open_approval(database, acme, **fields)
    ladder = [approval.ladder[0] | {"roles": ["controller", "legal"], "needs": "all"}, approval.ladder[1]]
    async with database.transaction() as session:
        await approvals.climb(session, approval.id, rung=0, ladder=ladder, deadline=approval.deadline)
    return approval


def signature_of(decision: Decision) -> dict[str, Any]:
    return {"person": decision.person_id, "role": "controller", "at": "2026-03-02T16:00:00Z"}


async def sign(database: Database, decision: Decision) -> Decision:
    async with database.transaction() as session:
        return await approvals.settle_accepted(
            session,
            decision.id,
            approval_state="open",
            at=LATER,
            signature=signature_of(decision),
            for_person="per_away",
        )


async def test_a_signature_leaves_the_approval_to_others(database: Database) -> None:
    acme = await tenant(database)
    approval = await of_each(database, acme)
    decision, _ = await record(database, a_decision(approval, acme.controller.person))

    signed = await sign(database, decision)
    again = await sign(database, decision)

    kept = await read(database, approval)
    assert (signed.state, signed.for_person, again.state) == ("accepted", "per_away", "accepted")
    assert (kept.state, kept.decided_by) == ("open", None)
    assert kept.signatures == [signature_of(decision)]


async def test_after_a_signature_another_person_decides_but_not_the_same_again(database: Database) -> None:
    acme = await tenant(database)
    approval = await of_each(database, acme)
    decision, _ = await record(database, a_decision(approval, acme.controller.person))
    await sign(database, decision)

    with pytest.raises(Conflict) as refusal:
        await record(database, a_decision(approval, acme.controller.person, decision="reject"))
    _, new = await record(database, a_decision(approval, acme.legal.person))

    assert (refusal.value.code, new) == ("already_decided", True)


async def test_a_yes_on_its_way_does_not_stop_those_who_are_asked_beside_it(database: Database) -> None:
    acme = await tenant(database)
    approval = await of_each(database, acme)
    await record(database, a_decision(approval, acme.controller.person))

    with pytest.raises(Conflict) as refusal:
        await record(database, a_decision(approval, acme.controller.person))
    assert refusal.value.code == "already_decided"
    _, new = await record(database, a_decision(approval, acme.legal.person, decision="reject"))

    assert new


async def test_a_no_on_its_way_stops_everybody(database: Database) -> None:
    acme = await tenant(database)
    approval = await of_each(database, acme)
    await record(database, a_decision(approval, acme.controller.person, decision="reject"))

    with pytest.raises(Conflict) as refusal:
        await record(database, a_decision(approval, acme.legal.person))

    assert refusal.value.code == "already_decided"

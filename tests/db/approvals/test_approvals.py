"""Approvals and decisions: the first decision wins, nothing is decided twice."""

from datetime import timedelta
from typing import Any

from db.approvals import approvals
from db.core.session import Database
from db.tables import Approval

from ...support.builders import NOW, Tenant, an_approval, an_operation, store, tenant

LATER = NOW + timedelta(minutes=1)


async def open_approval(database: Database, acme: Tenant, **fields: Any) -> Approval:
    operation = an_operation(acme, kind="refund")
    approval = an_approval(operation, **fields)
    await store(database, operation, approval)
    return approval


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


async def test_another_organizations_approval_is_not_found(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    approval = await open_approval(database, acme)

    async with database.reading() as session:
        assert await approvals.get(session, other.id, approval.id) is None
        assert await approvals.get(session, acme.id, approval.id) is not None


async def test_the_first_to_close_an_approval_wins(database: Database) -> None:
    acme = await tenant(database)
    approval = await open_approval(database, acme)
    await close(database, approval, "dismissed")

    assert (await close(database, approval, "expired")).state == "dismissed"


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

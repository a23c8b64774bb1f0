"""Notices: each there once, acknowledged once."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from db.core.session import Database
from db.operations import notices
from db.tables import Notice

from ...support.builders import NOW, Tenant, a_notice, an_operation, store, tenant

LATER = NOW + timedelta(hours=1)


async def told(database: Database, acme: Tenant) -> Notice:
    operation = an_operation(acme, kind="refund")
    await store(database, operation)
    notice = a_notice(operation)
    await store(database, notice)
    return notice


async def acknowledge(database: Database, notice: Notice, person_id: str) -> Notice:
    async with database.transaction() as session:
        return await notices.acknowledge(session, notice.id, person_id=person_id, at=LATER)


async def escalated(database: Database, *found: Notice) -> list[str]:
    async with database.transaction() as session:
        return [one.id for one in await notices.escalate(session, [one.id for one in found])]


async def test_another_notice_of_the_same_kind_has_an_id_of_its_own(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind="refund")
    await store(database, operation)
    failed = {"kind": "refund_failed"}
    async with database.transaction() as session:
        first = a_notice(operation, **failed)
        await notices.create(session, first)
        await notices.create(session, a_notice(operation, **failed, id=f"{first.id}-2"))
        assert [one.subject for one in await notices.of_operation(session, operation.id)] == [{}, {}]


async def test_whoever_acknowledges_first_stays(database: Database) -> None:
    acme = await tenant(database)
    notice = await told(database, acme)
    await acknowledge(database, notice, acme.finance.id)

    kept = await acknowledge(database, notice, acme.controller.id)

    assert (kept.state, kept.acknowledged_by, kept.acknowledged_at) == (
        "acknowledged",
        acme.finance.id,
        LATER,
    )


async def test_an_escalated_notice_can_still_be_acknowledged_but_not_the_other_way_round(
    database: Database,
) -> None:
    acme = await tenant(database)
    notice = await told(database, acme)

    assert await escalated(database, notice) == [notice.id]
    assert await escalated(database, notice) == []
    assert (await acknowledge(database, notice, acme.finance.id)).state == "acknowledged"
    assert await escalated(database, notice) == []


async def test_late_are_those_past_their_deadline_of_which_nobody_has_heard(
    database: Database,
) -> None:
    acme = await tenant(database)
    late, later, seen, told_of = [await told(database, acme) for _ in range(4)]
    async with database.transaction() as session:
        for one, deadline in ((late, NOW), (later, LATER), (seen, NOW), (told_of, NOW)):
            await session.exec(update(Notice).where(col(Notice.id) == one.id).values(deadline=deadline))
    await acknowledge(database, seen, acme.finance.id)
    await escalated(database, told_of)

    async with database.reading() as session:
        assert await notices.late(session, NOW, 9) == [late.id]
        assert await notices.late(session, LATER, 9) == [late.id, later.id]
        assert await notices.late(session, LATER, 1) == [late.id]


async def test_acknowledging_an_unknown_notice_is_an_error(database: Database) -> None:
    with pytest.raises(LookupError, match="ntc_unknown"):
        async with database.transaction() as session:
            await notices.acknowledge(session, "ntc_unknown", person_id="per_1", at=LATER)


async def test_lists_and_single_notices_stay_within_the_organization(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    mine, theirs = await told(database, acme), await told(database, other)
    await acknowledge(database, mine, acme.finance.id)

    async with database.reading() as session:
        assert [row.id for row in (await notices.paged(acme.id).page(session)).rows] == [mine.id]
        assert (await notices.paged(acme.id, state="open").page(session)).rows == []
        assert await notices.get(session, acme.id, theirs.id) is None
        assert await notices.get(session, other.id, theirs.id) is not None

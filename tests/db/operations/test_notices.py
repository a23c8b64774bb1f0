"""Notices: each there once, acknowledged once."""

from datetime import timedelta

import pytest

from db.core.session import Database
from db.operations import notices
from db.tables import Notice

from ...support.builders import NOW, Tenant, a_notice, an_operation, store, tenant

LATER = NOW + timedelta(hours=1)


async def told(database: Database, acme: Tenant) -> Notice:
    operation = an_operation(acme, kind="refund")
    await store(database, operation)
    async with database.transaction() as session:
        return await notices.create(session, a_notice(operation))


async def acknowledge(database: Database, notice: Notice, person_id: str) -> Notice:
    async with database.transaction() as session:
        return await notices.acknowledge(session, notice.id, person_id=person_id, at=LATER)


async def escalate(database: Database, notice: Notice) -> Notice:
    async with database.transaction() as session:
        return await notices.escalate(session, notice.id)


async def test_a_notice_is_there_once_and_another_of_its_kind_has_an_id_of_its_own(
    database: Database,
) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind="refund")
    await store(database, operation)
    failed = {"kind": "refund_failed"}
    async with database.transaction() as session:
        first = await notices.create(session, a_notice(operation, **failed))
        repeated = await notices.create(session, a_notice(operation, **failed, subject={"other": True}))
        second = await notices.create(session, a_notice(operation, **failed, id=f"{first.id}-2"))

    assert (repeated.id, repeated.subject) == (first.id, {})
    assert (second.id, second.kind) == (f"{first.id}-2", first.kind)


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

    assert (await escalate(database, notice)).state == "escalated"
    assert (await acknowledge(database, notice, acme.finance.id)).state == "acknowledged"
    assert (await escalate(database, notice)).state == "acknowledged"


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

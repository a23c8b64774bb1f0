"""What differs from Stripe is found as it is stored, once, and not what was only on its way."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.mirror.reconciliation import ObjectKind
from db.core.session import Database
from db.mirror import differences, mirror, reconciliations
from db.mirror.compare import RowDifference, compare_and_store
from db.tables import Customer, DifferenceRow, PaymentRow, Reconciliation

from ...support.builders import NOW, a_customer, store, tenant
from ...support.money_rows import a_payment, an_event
from ...support.reconciliation_rows import a_difference, a_run

SECOND = timedelta(seconds=1)


async def compared(
    database: Database, rows: Sequence[Any], kept: frozenset[str] = frozenset()
) -> list[RowDifference[Any]]:
    async with database.transaction() as session:
        return await compare_and_store(session, rows, kept)


async def customers(database: Database) -> dict[str, Customer]:
    async with database.reading() as session:
        return {row.id: row for row in await session.exec(select(Customer))}


def again(row: Any, **changes: Any) -> Any:
    """The row as read a second later."""
    return type(row)(**row.model_dump() | {"synced_at": row.synced_at + SECOND} | changes)


async def kept(database: Database, table: type[Any]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.exec(select(table).order_by(table.id)))


async def test_what_differs_is_told_field_by_field_and_overwritten(database: Database) -> None:
    acme = await tenant(database)
    same, other = a_customer(acme.id), a_customer(acme.id, balance=-500)
    await store(database, same, other)

    found = await compared(database, [again(other, name="New", balance=-700), again(same)])

    [one] = found
    assert (one.row.id, one.since, one.added) == (other.id, NOW, False)
    assert one.fields == [
        {"name": "name", "ours": other.name, "stripe": "New"},
        {"name": "balance", "ours": -500, "stripe": -700, "currency": "usd"},
    ]
    now = await customers(database)
    assert (now[other.id].name, now[other.id].balance) == ("New", -700)
    assert now[same.id].synced_at == NOW + SECOND
    assert await compared(database, [again(other, name="New", balance=-700)]) == []


async def test_of_a_customer_who_was_erased_nothing_personal_differs_or_is_stored(database: Database) -> None:
    acme = await tenant(database)
    erased = a_customer(acme.id, name=None, email=None, erased_at=NOW)
    await store(database, erased)

    [found] = await compared(
        database, [again(erased, name="Blue Bottle", email="b@b.example", balance=7, erased_at=None)]
    )

    assert [field["name"] for field in found.fields] == ["balance"]
    row = (await customers(database))[erased.id]
    assert (row.name, row.email, row.balance, row.erased_at) == (None, None, 7, NOW)
    assert "blue" not in row.folded


async def test_what_the_mirror_has_not_is_added(database: Database) -> None:
    acme = await tenant(database)
    known, new = a_customer(acme.id), a_customer(acme.id)
    await store(database, known)

    [one] = await compared(database, [new, again(known)])

    assert (one.row, one.fields, one.since, one.added) == (new, [], None, True)
    assert set(await customers(database)) == {known.id, new.id}


async def test_what_was_read_later_stays_and_is_no_difference(database: Database) -> None:
    acme = await tenant(database)
    newer = a_customer(acme.id, synced_at=NOW + SECOND)
    await store(database, newer)

    assert await compared(database, [again(newer, name="Old", synced_at=NOW)]) == []

    assert (await customers(database))[newer.id].name == newer.name


async def test_what_a_reading_does_not_show_is_no_difference_and_stays(database: Database) -> None:
    acme = await tenant(database)
    paid = a_payment(acme.id, invoice_id="in_1")
    await store(database, paid)

    assert await compared(database, [again(paid, invoice_id=None)], frozenset({"invoice_id"})) == []

    [row] = await kept(database, PaymentRow)
    assert (row.invoice_id, row.synced_at) == ("in_1", paid.synced_at + SECOND)


async def test_another_organizations_object_is_new_to_whom_it_is_now(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    moved = a_customer(acme.id, name="Moved")
    await store(database, moved)

    [one] = await compared(database, [again(moved, organization_id=other.id)])

    assert (one.added, one.fields) == (True, [])
    assert (await customers(database))[moved.id].organization_id == other.id


async def test_of_a_page_and_events_at_once_the_newest_reading_stays_and_nobody_waits_for_ever(
    database: Database, database_url: str
) -> None:
    """Pages are in Stripe's order, events come one by one; both hit rows that are there and that are not."""
    acme = await tenant(database)
    rows = [a_customer(acme.id) for _ in range(20)]
    await store(database, *rows[::2])
    other = Database(database_url)  # connections of its own, like another process

    async def event(row: Customer, seconds: int) -> None:
        async with other.transaction() as session:
            read_at = NOW + seconds * SECOND
            await mirror.store_customer(session, again(row, name=f"at {seconds}", synced_at=read_at))

    async def page(seconds: int) -> list[RowDifference[Any]]:
        read_at = NOW + seconds * SECOND
        shown = [again(row, name=f"at {seconds}", synced_at=read_at) for row in reversed(rows)]
        return await compared(database, shown)

    pages = [page(seconds) for seconds in (3, 1, 4, 2)]
    events = [event(row, seconds) for row in rows for seconds in (6, 5)]
    found = await asyncio.wait_for(asyncio.gather(*pages, *events), 20)
    await other.dispose()

    assert {row.name for row in (await customers(database)).values()} == {"at 6"}
    told = [one for of_page in found[: len(pages)] if of_page for one in of_page]
    for one in told:
        assert one.added or one.since < one.row.synced_at


async def test_what_a_page_is_about_to_store_waits_for_an_event_and_yields_to_it(
    database: Database, database_url: str
) -> None:
    """An event's reading, newer than the page's, is being written while the page arrives."""
    acme = await tenant(database)
    known, new = a_customer(acme.id), a_customer(acme.id)
    await store(database, known)
    other = Database(database_url)
    async with other.transaction() as session:
        for row in (known, new):
            await mirror.store_customer(session, again(row, name="Event", synced_at=NOW + 2 * SECOND))
        page = asyncio.create_task(compared(database, [again(known, name="Page"), again(new, name="Page")]))
        await asyncio.sleep(0.05)
        assert not page.done()
    found = await page
    await other.dispose()

    assert found == []
    assert {row.name for row in (await customers(database)).values()} == {"Event"}


async def test_what_is_found_of_an_object_again_joins_what_was_found_before(database: Database) -> None:
    acme = await tenant(database)
    run = a_run()
    await store(database, run)
    first, new = a_difference(run, acme.id), a_difference(run, acme.id, object_id="cus_2", correction="added")
    async with database.transaction() as session:
        await differences.add(session, [first, new])
    lines = [{"name": "lines", "ours": [], "stripe": [{}]}]
    async with database.transaction() as session:
        more = [a_difference(run, acme.id, fields=lines, object_id=id_) for id_ in ("cus_1", "cus_2")]
        await differences.add(session, more)

    rows = await kept(database, DifferenceRow)
    assert [(row.id, row.correction, [field["name"] for field in row.fields]) for row in rows] == [
        (first.id, "overwritten", ["name", "lines"]),
        (new.id, "added", ["name"]),
    ]


async def test_only_pending_events_are_under_way(database: Database) -> None:
    await store(
        database,
        an_event(object_id="cus_1"),
        an_event(object_id="cus_2", state="done", settled_at=NOW),
        an_event(object_id="cus_4"),
    )
    async with database.reading() as session:
        assert await differences.under_way(session, {"cus_1", "cus_2", "cus_3"}) == {"cus_1"}


def told(object_id: str, happened: datetime, received: datetime, **fields: Any) -> Any:
    return an_event(object_id=object_id, created_at=happened, received_at=received, **fields)


@pytest.mark.parametrize(
    ("event", "taken_back"),
    [
        (told("cus_1", NOW - SECOND, NOW + SECOND), True),
        (told("cus_1", NOW - SECOND, NOW + SECOND, missed=True), False),
        (told("cus_1", NOW - SECOND, NOW - SECOND / 2), False),
        (told("cus_1", NOW + SECOND, NOW + 2 * SECOND), False),
        (told("cus_1", NOW - 120 * SECOND, NOW + SECOND), False),
        (told("cus_2", NOW - SECOND, NOW + SECOND), False),
    ],
    ids=["just about to tell", "did not tell", "had told", "of later", "much too late", "of another"],
)
async def test_what_stripe_was_just_about_to_tell_is_taken_back(
    database: Database, event: Any, taken_back: bool
) -> None:
    acme = await tenant(database)
    run = a_run()
    await store(database, run)
    await store(database, a_difference(run, acme.id), type(event)(**event.model_dump()))

    async with database.transaction() as session:
        await differences.take_back(session, NOW + 60 * SECOND)

    assert (await kept(database, DifferenceRow) == []) is taken_back


async def test_a_payment_is_told_of_by_its_charge_and_a_balance_by_its_customer(database: Database) -> None:
    acme = await tenant(database)
    run, payment = a_run(), a_payment(acme.id)
    assert payment.charge
    await store(database, run, payment)
    difference = a_difference(run, acme.id, object_kind="payment", object_id=payment.id)
    await store(database, difference, told(payment.charge, NOW - SECOND, NOW + SECOND))

    async with database.transaction() as session:
        await differences.take_back(session, NOW + 60 * SECOND)

    assert await kept(database, DifferenceRow) == []


async def test_a_page_that_is_counted_again_is_counted_once(database: Database) -> None:
    run = a_run()
    await store(database, run)
    for page in ("customer:", "customer:", "customer:cus_9", "invoice:"):
        async with database.transaction() as session:
            kind = page.partition(":")[0]
            await reconciliations.count(session, run.id, page, kind, {"org_1": 3, "org_2": 1})

    [row] = await kept(database, Reconciliation)
    assert row.counts == {"org_1": {"customer": 6, "invoice": 3}, "org_2": {"customer": 2, "invoice": 1}}


async def test_runs_by_schedule_that_found_nothing_are_kept_only_while_they_are_new(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliations, "KEPT", 2)
    acme = await tenant(database)

    def run(id_: str, minute: int, **fields: Any) -> Reconciliation:
        started = {"started_at": NOW + timedelta(minutes=minute)}
        return a_run(id=id_, **started | {"scope": "recent", "state": "completed"} | fields)

    found = run("found", 1)
    asked_for = run("asked for", 2, scope="all", organization_id=acme.id, requested_by=acme.admin.id)
    week = run("week", 0, scope="rolling")
    await store(database, run("old", 0), week, found, asked_for, run("failed", 3, state="failed"))
    await store(database, run("new", 4), run("newest", 5), a_difference(found, acme.id))

    async with database.transaction() as session:
        await reconciliations.forget(session)

    left = {row.id for row in await kept(database, Reconciliation)}
    assert left == {"week", "found", "asked for", "failed", "new", "newest"}


async def test_only_this_organizations_differences_are_listed_and_counted(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    run = a_run()
    await store(database, run)
    mine = a_difference(run, acme.id, object_kind="invoice", object_id="in_1")
    await store(database, mine, a_difference(run, other.id))

    async with database.reading() as session:
        page = await differences.paged(acme.id).page(session)
        none = await differences.paged(acme.id, object_kind=ObjectKind.CUSTOMER).page(session)
        counted = await differences.counts(session, acme.id, [run.id])
    assert ([row.id for row in page.rows], none.rows) == ([mine.id], [])
    assert counted == {run.id: {"invoice": 1}}

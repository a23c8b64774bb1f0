"""Commitments: what is set aside, what of it counts in whose authority, and what frees it again."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.authority import AuthorityUse
from db.core.session import Database
from db.money import commitments
from db.tables import Commitment, Operation

from ...support.builders import NOW, Tenant, store, tenant
from ...support.money_rows import a_commitment, a_credit_operation, a_refund_operation

LATER = NOW + timedelta(minutes=5)
MONEY_BACK = (Kind.REFUND, Kind.CREDIT)


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


async def hold(database: Database, *rows: Commitment) -> None:
    async with database.transaction() as session:
        await commitments.hold(session, rows)


async def decide(database: Database, operation: Operation, authority_of: str, at: datetime = NOW) -> None:
    async with database.transaction() as session:
        await commitments.decide(session, operation.id, authority_of=authority_of, at=at)


async def release(database: Database, operation: Operation, keep: Collection[str] = ()) -> None:
    async with database.transaction() as session:
        await commitments.release(session, operation.id, at=LATER, keep=keep)


async def kept(database: Database, operation: Operation) -> list[Commitment]:
    async with database.reading() as session:
        return await commitments.of_operation(session, operation.id)


async def given(database: Database, acme: Tenant, amount: int, **fields: Any) -> Operation:
    """Money that was given by the requester's own authority, unless `fields` say otherwise."""
    operation = a_refund_operation(acme)
    given = {"authority_of": acme.admin.id, "decided_at": NOW}
    await store(database, operation, a_commitment(operation, amount, **given | fields))
    return operation


async def uses(
    database: Database,
    acme: Tenant,
    *,
    person_id: str | None = None,
    customer_id: str | None = None,
    kinds: Collection[Kind] = MONEY_BACK,
    currency: str = "usd",
    windows: Collection[int] = (30,),
    at: datetime = NOW,
    excluding: str = "op_new",
) -> dict[int, AuthorityUse]:
    async with database.reading() as session:
        return await commitments.uses(
            session,
            acme.id,
            person_id=person_id or acme.admin.id,
            customer_id=customer_id,
            kinds=kinds,
            currency=currency,
            windows=windows,
            at=at,
            excluding=excluding,
        )


async def used(database: Database, acme: Tenant, **asked: Any) -> tuple[int, int]:
    """By the person and to the customer, over thirty days."""
    use = (await uses(database, acme, **asked))[30]
    return use.by_person.amount_minor, use.to_customer.amount_minor


# --- Holding ---------------------------------------------------------------------------------------------


async def test_what_is_set_aside_is_not_decided_yet(database: Database) -> None:
    operation = a_refund_operation(await tenant(database))
    await store(database, operation)
    first = a_commitment(operation, 3_000, payment_intent="pi_1", authority_of="nobody", decided_at=NOW)
    second = a_commitment(operation, 2_000, payment_intent="pi_2", part=1)

    await hold(database, first, second)

    rows = await kept(database, operation)
    assert [(row.part, row.payment_intent, row.amount_minor) for row in rows] == [
        (0, "pi_1", 3_000),
        (1, "pi_2", 2_000),
    ]
    assert [(row.authority_of, row.decided_at, row.released_at) for row in rows] == [(None, None, None)] * 2


async def test_a_new_round_replaces_what_was_set_aside_decided_or_released(database: Database) -> None:
    acme = await tenant(database)
    operation = a_refund_operation(acme)
    await store(database, operation)
    await hold(
        database, *(a_commitment(operation, 1_000, payment_intent=f"pi_{n}", part=n) for n in range(3))
    )
    await decide(database, operation, acme.admin.id)
    await release(database, operation, keep=["pi_1", "pi_2"])

    await hold(database, a_commitment(operation, 4_000, payment_intent="pi_9", created_at=LATER))

    rows = await kept(database, operation)
    assert [(row.payment_intent, row.amount_minor, row.created_at, row.released_at) for row in rows] == [
        ("pi_9", 4_000, LATER, None),
        ("pi_1", 1_000, NOW, LATER),
        ("pi_2", 1_000, NOW, LATER),
    ]
    assert (rows[0].authority_of, rows[0].decided_at) == (None, None)


async def test_the_first_to_decide_stays_and_what_is_released_is_not_decided(database: Database) -> None:
    acme = await tenant(database)
    operation, ended = a_refund_operation(acme), a_refund_operation(acme)
    await store(database, operation, ended)
    await hold(database, a_commitment(operation))
    await hold(database, a_commitment(ended))
    await release(database, ended)

    await decide(database, operation, acme.controller.id)
    await decide(database, operation, acme.legal.id, LATER)
    await decide(database, ended, acme.controller.id)

    (row,) = await kept(database, operation)
    assert (row.authority_of, row.decided_at) == (acme.controller.id, NOW)
    assert [row.decided_at for row in await kept(database, ended)] == [None]


async def test_releasing_spares_the_payments_that_came_through_and_keeps_the_first_time(
    database: Database,
) -> None:
    operation = a_refund_operation(await tenant(database))
    await store(database, operation)
    parts = ["pi_1", "pi_2", None]
    await hold(database, *(a_commitment(operation, payment_intent=pi, part=n) for n, pi in enumerate(parts)))

    await release(database, operation, keep=["pi_1"])
    async with database.transaction() as session:
        await commitments.release(session, operation.id, at=LATER + timedelta(days=1), keep=["pi_1"])

    assert [row.released_at for row in await kept(database, operation)] == [None, LATER, LATER]


async def test_what_others_hold_of_a_payment_is_there_until_it_is_released(database: Database) -> None:
    acme = await tenant(database)
    own, waiting, decided, ended, elsewhere = [a_refund_operation(acme) for _ in range(5)]
    await store(
        database,
        *(own, waiting, decided, ended, elsewhere),
        a_commitment(own, payment_intent="pi_1"),
        a_commitment(waiting, 100, payment_intent="pi_1"),
        a_commitment(decided, 200, payment_intent="pi_2", authority_of=acme.admin.id, decided_at=NOW),
        a_commitment(ended, payment_intent="pi_1", released_at=LATER),
        a_commitment(elsewhere, payment_intent="pi_3"),
    )

    async with database.reading() as session:
        rows = await commitments.on_payments(session, ["pi_1", "pi_2"], excluding=own.id)

    assert {(row.operation_id, row.amount_minor) for row in rows} == {(waiting.id, 100), (decided.id, 200)}


# --- Counting --------------------------------------------------------------------------------------------


async def test_what_awaits_an_approval_counts_in_nobodys_authority(database: Database) -> None:
    acme = await tenant(database)
    await given(database, acme, 1_000, authority_of=None, decided_at=None, customer_id="cus_1")

    assert await used(database, acme, customer_id="cus_1") == (0, 0)


async def test_an_approved_amount_counts_in_the_authority_that_covered_it(database: Database) -> None:
    acme = await tenant(database)
    await given(database, acme, 1_000, authority_of=acme.controller.id)

    assert await used(database, acme) == (0, 0)
    assert await used(database, acme, person_id=acme.controller.id) == (1_000, 0)


async def test_a_customers_window_counts_what_everybody_gave_them(database: Database) -> None:
    acme = await tenant(database)
    await given(database, acme, 1_000, customer_id="cus_1")
    await given(database, acme, 200, customer_id="cus_1", authority_of=acme.controller.id)
    await given(database, acme, 30, customer_id="cus_2")
    await given(database, acme, 4)

    assert await used(database, acme, customer_id="cus_1") == (1_034, 1_200)
    assert await used(database, acme, customer_id=None) == (1_034, 0)


async def test_kinds_are_counted_together_where_they_are_asked_for_together(database: Database) -> None:
    acme = await tenant(database)
    await given(database, acme, 1_000)
    await given(database, acme, 200, kind=Kind.CREDIT.value)

    assert await used(database, acme) == (1_200, 0)
    assert await used(database, acme, kinds=[Kind.CREDIT]) == (200, 0)


async def test_another_currency_organization_or_the_operation_itself_does_not_count(
    database: Database,
) -> None:
    acme, other = await tenant(database), await tenant(database)
    operation = await given(database, acme, 1_000)
    await given(database, acme, 200, currency="eur")
    await given(database, other, 30, authority_of=acme.admin.id)

    assert await used(database, acme) == (1_000, 0)
    assert await used(database, acme, excluding=operation.id) == (0, 0)
    assert (await uses(database, acme, currency="eur"))[30].by_person == Money(
        amount_minor=200, currency="eur"
    )


async def test_releasing_frees_the_authority_too(database: Database) -> None:
    acme = await tenant(database)
    operation = await given(database, acme, 1_000, customer_id="cus_1")

    await release(database, operation)

    assert await used(database, acme, customer_id="cus_1") == (0, 0)


@pytest.mark.parametrize(
    ("age", "by_window"),
    [
        (timedelta(0), {7: 1_000, 30: 1_000}),
        (timedelta(days=7, microseconds=-1), {7: 1_000, 30: 1_000}),
        (timedelta(days=7), {7: 0, 30: 1_000}),
        (timedelta(days=30, microseconds=-1), {7: 0, 30: 1_000}),
        (timedelta(days=30), {7: 0, 30: 0}),
    ],
)
async def test_a_window_rolls_and_what_is_as_old_as_it_has_left_it(
    database: Database, age: timedelta, by_window: dict[int, int]
) -> None:
    acme = await tenant(database)
    await given(database, acme, 1_000, decided_at=NOW - age, customer_id="cus_1")

    found = await uses(database, acme, customer_id="cus_1", windows=[30, 7])

    assert found == {
        days: AuthorityUse(by_person=usd(total), to_customer=usd(total)) for days, total in by_window.items()
    }


async def test_large_amounts_are_summed_exactly_and_nothing_is_zero(database: Database) -> None:
    acme = await tenant(database)
    for _ in range(3):
        await given(database, acme, 3_000_000_000_000_001)

    assert await used(database, acme) == (9_000_000_000_000_003, 0)
    assert await used(database, acme, person_id=acme.legal.id) == (0, 0)
    assert await uses(database, acme, windows=[]) == {}


# --- Concurrency -----------------------------------------------------------------------------------------


async def test_of_many_at_once_each_sees_those_before_it(database: Database, database_url: str) -> None:
    acme = await tenant(database)
    operations = [a_credit_operation(acme) for _ in range(20)]
    await store(database, *operations)
    other = Database(database_url)  # connections of its own, like another process

    async def take(database: Database, operation: Operation) -> int:
        """What the authority had been used for when this one took its share."""
        async with database.transaction() as session:
            await commitments.lock(session, acme.id)
            found = await commitments.uses(
                session,
                acme.id,
                person_id=acme.admin.id,
                customer_id=None,
                kinds=MONEY_BACK,
                currency="usd",
                windows=[30],
                at=NOW,
                excluding=operation.id,
            )
            await commitments.hold(session, [a_commitment(operation, 1_000)])
            await commitments.decide(session, operation.id, authority_of=acme.admin.id, at=NOW)
            return found[30].by_person.amount_minor

    seen = await asyncio.gather(*(take((database, other)[n % 2], op) for n, op in enumerate(operations)))
    await other.dispose()

    assert sorted(seen) == [1_000 * n for n in range(20)]


async def test_the_lock_is_not_in_the_way_of_another_organization_or_of_new_operations(
    database: Database, database_url: str
) -> None:
    acme, other = await tenant(database), await tenant(database)
    if database.is_sqlite:
        return  # one writer at a time, whatever it writes
    beside = Database(database_url)
    async with database.transaction() as session:
        await commitments.lock(session, acme.id)
        await store(beside, a_refund_operation(acme))
        async with beside.transaction() as theirs:
            await commitments.lock(theirs, other.id)
    await beside.dispose()


async def test_the_queries_are_served_by_indexes(database: Database) -> None:
    acme = await tenant(database)
    statements = {
        "ix_commitments_person": f"organization_id = '{acme.id}' AND authority_of = 'per_1' "
        "AND decided_at > '2026-01-01'",
        "ix_commitments_customer": f"organization_id = '{acme.id}' AND customer_id = 'cus_1' "
        "AND decided_at > '2026-01-01'",
        "ix_commitments_payment_intent": "payment_intent IN ('pi_1', 'pi_2')",
    }
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"

    async with database.transaction() as session:
        connection = await session.connection()
        if not database.is_sqlite:
            # In an empty table reading it whole would cost less, and one index as much as another.
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        for index, condition in statements.items():
            plan = await connection.execute(text(f"{explain} SELECT part FROM commitments WHERE {condition}"))
            wanted = index if database.is_sqlite else "ix_commitments"
            assert any(wanted in str(row) for row in plan), index

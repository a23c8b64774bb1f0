"""Intents: one for a step and version, counted while open, closed once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from db.core.session import Database
from db.operations import intents
from db.tables import Intent, Operation

from ...support.builders import NOW, an_operation, store, tenant

LATER = NOW + timedelta(seconds=3)


async def stored_operation(database: Database) -> Operation:
    operation = an_operation(await tenant(database))
    await store(database, operation)
    return operation


async def open_intent(
    database: Database, operation: Operation, *, version: int = 1, seats: int = 6
) -> tuple[Intent, bool]:
    """As effects do, by an attempt and, where another one writes it at the same moment, one more."""
    intent = intents.new(
        organization_id=operation.organization_id,
        operation_id=operation.id,
        step="apply",
        version=version,
        effect="subscription.update",
        target="sub_1",
        params={"seats": seats},
        at=NOW,
    )
    try:
        async with database.transaction() as session:
            if await session.get(Intent, intent.idempotency_key) is not None:
                return await intents.take_up(session, intent), False
            await intents.begin(session, intent)
            return intent, True
    except IntegrityError:
        return await open_intent(database, operation, version=version, seats=seats)


async def close_done(database: Database, key: str, *, read_back: bool = False) -> Intent:
    async with database.transaction() as session:
        return await intents.close_done(
            session,
            key,
            at=LATER,
            stripe_id="sub_1",
            stripe_request_id="req_1",
            result={"invoice": "in_1"},
            read_back=read_back,
        )


async def close_refused(database: Database, key: str) -> Intent:
    async with database.transaction() as session:
        return await intents.close_refused(
            session, key, at=LATER, error={"code": "card_declined"}, stripe_request_id="req_2"
        )


async def test_the_first_opening_is_fresh_and_keyed_by_what_it_is_for(database: Database) -> None:
    operation = await stored_operation(database)

    intent, fresh = await open_intent(database, operation)

    assert fresh
    assert intent.idempotency_key == f"{operation.organization_id}:{operation.id}:apply:1"
    assert (intent.state, intent.attempts, intent.created_at) == ("open", 1, NOW)


async def test_opening_again_counts_the_attempt_and_is_not_fresh(database: Database) -> None:
    operation = await stored_operation(database)
    await open_intent(database, operation)

    intent, fresh = await open_intent(database, operation)

    assert (fresh, intent.attempts, intent.state) == (False, 2, "open")


async def test_only_one_of_many_openings_at_once_is_fresh(database: Database) -> None:
    operation = await stored_operation(database)

    # Many times over: two that insert at the same moment met in one of some hundred tries.
    for version in range(1, 61):
        opening = (open_intent(database, operation, version=version) for _ in range(8))
        openings = await asyncio.gather(*opening)

        assert sorted(fresh for _, fresh in openings) == [False] * 7 + [True]
        assert sorted(intent.attempts for intent, _ in openings) == list(range(1, 9))


async def test_other_parameters_under_the_same_key_are_refused_and_leave_no_trace(database: Database) -> None:
    operation = await stored_operation(database)
    await open_intent(database, operation)

    with pytest.raises(intents.IntentChanged, match="another request needs another step or version"):
        await open_intent(database, operation, seats=7)

    intent, _ = await open_intent(database, operation)
    assert (intent.attempts, intent.target, intent.params) == (2, "sub_1", {"seats": 6})


async def test_a_done_intent_keeps_what_stripe_answered(database: Database) -> None:
    operation = await stored_operation(database)
    intent, _ = await open_intent(database, operation)

    done = await close_done(database, intent.idempotency_key, read_back=True)

    assert (done.state, done.stripe_id, done.stripe_request_id) == ("done", "sub_1", "req_1")
    assert (done.result, done.read_back, done.closed_at) == ({"invoice": "in_1"}, True, LATER)


async def test_a_closed_intent_is_found_as_it_was_closed(database: Database) -> None:
    operation = await stored_operation(database)
    intent, _ = await open_intent(database, operation)
    await close_done(database, intent.idempotency_key)

    found, fresh = await open_intent(database, operation)

    assert (found.state, found.attempts, fresh) == ("done", 1, False)


async def test_the_first_to_close_it_wins(database: Database) -> None:
    operation = await stored_operation(database)
    intent, _ = await open_intent(database, operation)
    await close_refused(database, intent.idempotency_key)

    late = await close_done(database, intent.idempotency_key)

    assert (late.state, late.error, late.stripe_id) == ("refused", {"code": "card_declined"}, None)


async def test_closing_what_was_never_opened_is_an_error(database: Database) -> None:
    with pytest.raises(LookupError, match="org:op:apply:1"):
        await close_done(database, "org:op:apply:1")


async def test_a_raised_version_is_an_intent_of_its_own(database: Database) -> None:
    operation = await stored_operation(database)
    first, _ = await open_intent(database, operation)
    await close_refused(database, first.idempotency_key)

    second, fresh = await open_intent(database, operation, version=2, seats=7)

    assert fresh
    async with database.reading() as session:
        listed = await intents.of_operation(session, operation.id)
    assert [intent.idempotency_key for intent in listed] == [first.idempotency_key, second.idempotency_key]

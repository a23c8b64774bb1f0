"""Operations: idempotent creation, one open plan change, and how they move on."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from billing.core.errors import Conflict
from billing.core.operations import Kind, State
from db.core.session import Database
from db.operations import lists, operations
from db.operations.lists import OperationFilter
from db.tables import Operation

from ...support.builders import NOW, Tenant, an_operation, store, tenant

LATER = NOW + timedelta(minutes=5)


async def create(database: Database, operation: Operation) -> tuple[Operation, bool]:
    async with database.transaction() as session:
        return await operations.create(session, operation)


async def move(database: Database, operation: Operation, state: State, **fields: object) -> Operation:
    async with database.transaction() as session:
        return await operations.update_state(
            session,
            operation.id,
            state=state,
            stage=state.value,
            at=LATER,
            **fields,  # type: ignore[arg-type]
        )


async def read(database: Database, acme: Tenant, operation: Operation) -> Operation | None:
    async with database.reading() as session:
        return await operations.get(session, acme.id, operation.id)


async def test_a_new_operation_is_stored_as_given(database: Database) -> None:
    acme = await tenant(database)
    wanted = an_operation(acme, subject=None, created_at=NOW + timedelta(microseconds=123456))

    created, new = await create(database, wanted)

    assert new
    assert created.model_dump() == wanted.model_dump()
    stored = await read(database, acme, wanted)
    assert stored is not None
    assert stored.model_dump() == wanted.model_dump()


async def test_the_same_key_and_request_answer_the_first_operation(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme, idempotency_key="k"))

    again, new = await create(database, an_operation(acme, idempotency_key="k"))

    assert (again.id, new) == (first.id, False)


async def test_the_same_key_for_another_request_is_refused(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme, idempotency_key="k"))

    with pytest.raises(Conflict, match=first.id) as refusal:
        await create(database, an_operation(acme, idempotency_key="k", request_hash="other"))

    assert (refusal.value.code, refusal.value.field) == ("idempotency_key_reused", "Idempotency-Key")


async def test_another_organization_may_use_the_same_key(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    await create(database, an_operation(acme, idempotency_key="k"))

    _, new = await create(database, an_operation(other, idempotency_key="k"))

    assert new


async def test_a_second_open_plan_change_is_refused_naming_the_first(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme))

    with pytest.raises(Conflict, match=first.id) as refusal:
        await create(database, an_operation(acme))

    assert refusal.value.code == "plan_change_open"


async def test_one_whose_outcome_is_not_settled_says_what_can_be_done(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme))
    await move(database, first, State.MISMATCHED)
    with pytest.raises(Conflict, match="have it read again first"):
        await create(database, an_operation(acme))


async def test_of_many_plan_changes_at_once_exactly_one_wins(database: Database, database_url: str) -> None:
    acme = await tenant(database)
    other = Database(database_url)  # connections of its own, like another process
    wanted = [an_operation(acme) for _ in range(10)]

    outcomes = await asyncio.gather(
        *(create((database, other)[n % 2], operation) for n, operation in enumerate(wanted)),
        return_exceptions=True,
    )
    await other.dispose()

    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    lost = [outcome.code for outcome in outcomes if isinstance(outcome, Conflict)]
    assert (len(won), lost) == (1, ["plan_change_open"] * 9)


async def a_waiting_change(database: Database, acme: Tenant, stage: str = "scheduled") -> Operation:
    waiting, _ = await create(database, an_operation(acme))
    async with database.transaction() as session:
        await operations.update_state(session, waiting.id, state=State.RUNNING, stage=stage, at=NOW)
    return waiting


async def test_one_plan_change_may_be_open_beside_the_one_whose_place_it_is_to_take(
    database: Database,
) -> None:
    acme = await tenant(database)
    waiting = await a_waiting_change(database, acme)
    second, _ = await create(database, an_operation(acme, replaces=waiting.id))
    with pytest.raises(Conflict, match=second.id) as again:
        await create(database, an_operation(acme, replaces=waiting.id))
    with pytest.raises(Conflict, match=second.id) as beside:
        await create(database, an_operation(acme))
    await move(database, waiting, State.CANCELLED)
    with pytest.raises(Conflict, match=second.id):
        await create(database, an_operation(acme))

    assert {again.value.code, beside.value.code} == {"plan_change_open"}


@pytest.mark.parametrize("stage", ["review", "ended"])
async def test_a_plan_change_takes_no_place_that_nothing_waits_in(database: Database, stage: str) -> None:
    acme = await tenant(database)
    waiting = await a_waiting_change(database, acme, "scheduled" if stage == "ended" else stage)
    if stage == "ended":
        await move(database, waiting, State.CANCELLED)
        second, _ = await create(database, an_operation(acme, replaces=waiting.id))
        assert second.replaces == ""
    else:
        with pytest.raises(Conflict):
            await create(database, an_operation(acme, replaces=waiting.id))


async def test_of_many_that_would_take_the_same_place_at_once_exactly_one_wins(
    database: Database, database_url: str
) -> None:
    acme = await tenant(database)
    waiting = await a_waiting_change(database, acme)
    other = Database(database_url)
    wanted = [an_operation(acme, replaces=waiting.id if n % 3 else "") for n in range(9)]

    outcomes = await asyncio.gather(
        *(create((database, other)[n % 2], operation) for n, operation in enumerate(wanted)),
        return_exceptions=True,
    )
    await other.dispose()

    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    lost = [outcome.code for outcome in outcomes if isinstance(outcome, Conflict)]
    assert (len(won), lost) == (1, ["plan_change_open"] * 8)


async def test_of_one_request_sent_many_times_at_once_one_operation_comes(
    database: Database, database_url: str
) -> None:
    acme = await tenant(database)
    other = Database(database_url)
    wanted = [an_operation(acme, idempotency_key="k") for _ in range(10)]

    outcomes = await asyncio.gather(
        *(create((database, other)[n % 2], operation) for n, operation in enumerate(wanted))
    )
    await other.dispose()

    assert len({operation.id for operation, _ in outcomes}) == 1
    assert sorted(new for _, new in outcomes) == [False] * 9 + [True]


async def test_a_plan_change_has_room_once_the_one_before_is_closed(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme))
    await move(database, first, State.BLOCKED)

    _, new = await create(database, an_operation(acme))

    assert new


async def test_a_mismatch_still_counts_as_open(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme))
    await move(database, first, State.MISMATCHED)

    async with database.reading() as session:
        [still] = await operations.open_plan_changes(session, acme.id)

    assert still.id == first.id
    assert still.closed_at is None


async def test_other_kinds_may_be_open_beside_a_plan_change(database: Database) -> None:
    acme = await tenant(database)
    await create(database, an_operation(acme))

    for _ in range(2):
        _, new = await create(database, an_operation(acme, kind=Kind.REFUND.value))
        assert new


async def test_a_taken_operation_id_is_an_error_of_the_caller(database: Database) -> None:
    acme = await tenant(database)
    first, _ = await create(database, an_operation(acme, kind=Kind.REFUND.value))

    with pytest.raises(ValueError, match=first.id):
        await create(database, an_operation(acme, id=first.id, kind=Kind.REFUND.value))


async def test_moving_on_changes_what_is_given_and_keeps_the_rest(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme))

    await move(database, operation, State.RUNNING, subject={"to": "scale"})
    moved = await move(
        database, operation, State.AWAITING_APPROVAL, approval_id="apr_1", allowed_actions=["cancel"]
    )

    assert (moved.state, moved.stage, moved.updated_at) == ("awaiting_approval", "awaiting_approval", LATER)
    assert (moved.subject, moved.approval_id, moved.allowed_actions) == ({"to": "scale"}, "apr_1", ["cancel"])
    assert moved.closed_at is None


async def test_none_can_be_written_where_it_differs_from_keeping(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme, approval_id="apr_1", error={"code": "x"}))

    moved = await move(database, operation, State.RUNNING, approval_id=None)

    assert (moved.approval_id, moved.error) == (None, {"code": "x"})


async def test_a_final_state_closes_it_at_the_first_time(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme))
    await move(database, operation, State.COMPLETED, result={"verified": True})

    async with database.transaction() as session:
        again = await operations.update_state(
            session, operation.id, state=State.COMPLETED, stage="done", at=LATER + timedelta(days=1)
        )

    assert (again.closed_at, again.result) == (LATER, {"verified": True})


async def test_a_late_write_does_not_open_a_closed_operation_again(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme))
    await move(database, operation, State.CANCELLED)

    late = await move(database, operation, State.RUNNING, allowed_actions=["cancel"])

    assert (late.state, late.closed_at) == ("cancelled", LATER)
    assert late.model_dump() == (await move(database, operation, State.RUNNING)).model_dump()


async def test_a_final_state_that_waits_for_a_person_leaves_it_open(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme, kind=Kind.REFUND.value))

    failed = await move(database, operation, State.FAILED, stays_open=True, allowed_actions=["retry"])
    closed = await move(database, operation, State.FAILED)

    assert (failed.state, failed.closed_at, failed.allowed_actions) == ("failed", None, ["retry"])
    assert (closed.state, closed.closed_at) == ("failed", LATER)


async def test_a_closed_operation_opens_again_when_it_fails_after_all(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme, kind=Kind.REFUND.value))
    await move(database, operation, State.COMPLETED)

    failed = await move(database, operation, State.FAILED, stays_open=True)
    running = await move(database, operation, State.RUNNING)
    completed = await move(database, operation, State.COMPLETED)

    assert (failed.state, failed.closed_at) == ("failed", None)
    assert (running.state, running.closed_at) == ("running", None)
    assert (completed.state, completed.closed_at) == ("completed", LATER)


async def test_a_late_write_that_would_stay_open_does_not_open_a_closed_operation(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme, kind=Kind.REFUND.value))
    await move(database, operation, State.COMPLETED)

    async with database.transaction() as session:
        late = await operations.update_state(
            session,
            operation.id,
            state=State.FAILED,
            stage="refund_failed",
            at=LATER - timedelta(seconds=1),
            stays_open=True,
        )

    assert (late.state, late.closed_at) == ("completed", LATER)


async def test_only_a_final_state_opens_a_closed_operation(database: Database) -> None:
    acme = await tenant(database)
    operation, _ = await create(database, an_operation(acme, kind=Kind.REFUND.value))
    await move(database, operation, State.COMPLETED)

    late = await move(database, operation, State.RUNNING, stays_open=True)

    assert (late.state, late.closed_at) == ("completed", LATER)


async def test_moving_an_unknown_operation_is_an_error(database: Database) -> None:
    with pytest.raises(LookupError, match="op_unknown"):
        await move(database, an_operation(await tenant(database), id="op_unknown"), State.RUNNING)


async def test_another_organizations_operation_is_not_found(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    operation, _ = await create(database, an_operation(acme))

    assert await read(database, other, operation) is None


async def test_times_come_back_in_utc_to_the_microsecond(database: Database) -> None:
    acme = await tenant(database)
    berlin = datetime(2026, 7, 1, 9, 30, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    operation, _ = await create(database, an_operation(acme, created_at=berlin))

    stored = await read(database, acme, operation)

    assert stored is not None
    assert stored.created_at == datetime(2026, 7, 1, 7, 30, 0, 7, tzinfo=UTC)
    assert stored.created_at.tzinfo is UTC or stored.created_at.utcoffset() == timedelta(0)


async def test_a_time_without_a_zone_is_not_stored(database: Database) -> None:
    acme = await tenant(database)
    naive = datetime(2026, 7, 1, 9, 30)  # noqa: DTZ001

    with pytest.raises(Exception, match="a time without a zone"):
        await store(database, an_operation(acme, created_at=naive))


async def test_a_list_is_filtered_by_kind_and_state_within_the_organization(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    change, refund = an_operation(acme), an_operation(acme, kind="refund")
    failed = an_operation(acme, kind="refund", state="failed", closed_at=NOW)
    await store(database, change, refund, failed, an_operation(other))

    async def ids(kind: Kind | None = None, state: State | None = None) -> list[str]:
        async with database.reading() as session:
            page = await lists.operations(acme.id, OperationFilter(kind=kind, state=state)).page(session)
        return [row.id for row in page.rows]

    assert sorted(await ids()) == sorted([change.id, refund.id, failed.id])
    assert sorted(await ids(kind=Kind.REFUND)) == sorted([refund.id, failed.id])
    assert await ids(state=State.FAILED) == [failed.id]
    assert await ids(kind=Kind.CREDIT) == []


async def test_the_products_own_keys_and_those_of_people_never_meet(database: Database) -> None:
    acme = await tenant(database)
    people, _ = await create(database, an_operation(acme, kind="refund", idempotency_key="case:re_1"))
    own = an_operation(acme, kind="case", idempotency_key=None, product_key="case:re_1", request_hash="x")

    created, new = await create(database, own)
    assert (created.id, new) == (own.id, True)
    again = an_operation(acme, kind="case", idempotency_key=None, product_key="case:re_1", request_hash="y")
    assert ((await create(database, again))[0].id, people.id != own.id) == (own.id, True)


async def test_an_operation_that_nobody_sent_a_key_for_needs_none(database: Database) -> None:
    acme = await tenant(database)
    for _ in range(2):
        _, new = await create(database, an_operation(acme, kind="portal_access", idempotency_key=None))
        assert new

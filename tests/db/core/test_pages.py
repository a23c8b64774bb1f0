"""Pages: stable while rows come in, and cursors that cannot be made up."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from billing.core.errors import InvalidRequest
from db.core.pages import FewRows, decode, encode
from db.core.session import Database
from db.mirror import lists
from db.operations.lists import operations

from ...support.builders import NOW, a_customer, an_operation, store, tenant


async def test_pages_go_from_the_newest_to_the_oldest_and_end(database: Database) -> None:
    acme = await tenant(database)
    await store(database, *(an_operation(acme, id=f"op_{n}", kind="refund") for n in range(1, 6)))

    seen, cursor = [], None
    while True:
        async with database.reading() as session:
            page = await operations(acme.id).page(session, limit=2, cursor=cursor)
        seen.append([row.id for row in page.rows])
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == [["op_5", "op_4"], ["op_3", "op_2"], ["op_1"]]


async def test_the_last_page_is_the_last_even_when_it_is_full(database: Database) -> None:
    acme = await tenant(database)
    await store(database, *(an_operation(acme, kind="refund") for _ in range(2)))

    async with database.reading() as session:
        page = await operations(acme.id).page(session, limit=2)

    assert (len(page.rows), page.next_cursor) == (2, None)


async def test_rows_that_come_in_between_neither_repeat_nor_hide_others(database: Database) -> None:
    acme = await tenant(database)
    await store(database, *(an_operation(acme, id=f"op_{n}", kind="refund") for n in (1, 3, 5, 7)))
    async with database.reading() as session:
        first = await operations(acme.id).page(session, limit=2)

    await store(database, an_operation(acme, id="op_8", kind="refund"))
    await store(database, an_operation(acme, id="op_2", kind="refund"))

    async with database.reading() as session:
        second = await operations(acme.id).page(session, limit=9, cursor=first.next_cursor)
    assert [row.id for row in first.rows] == ["op_7", "op_5"]
    assert [row.id for row in second.rows] == ["op_3", "op_2", "op_1"]


async def test_rows_of_the_same_moment_are_told_apart_by_their_id(database: Database) -> None:
    acme = await tenant(database)
    moments = {"a": NOW, "b": NOW, "c": NOW, "d": NOW + timedelta(microseconds=1)}
    await store(database, *(a_customer(acme.id, id=i, created_at=at) for i, at in moments.items()))

    async with database.reading() as session:
        first = await lists.customers(acme.id).page(session, limit=2)
        second = await lists.customers(acme.id).page(session, limit=2, cursor=first.next_cursor)

    assert [row.id for row in first.rows] == ["d", "c"]
    assert ([row.id for row in second.rows], second.next_cursor) == (["b", "a"], None)


async def test_a_page_after_a_row_that_is_gone_is_refused_and_not_read_from_the_beginning(
    database: Database,
) -> None:
    async with database.reading() as session:
        first = await FewRows(["a", "b", "c"], str).page(session, limit=2)
        rest = await FewRows(["a", "b", "c"], str).page(session, limit=2, cursor=first.next_cursor)
        assert (first.rows, rest.rows) == (["a", "b"], ["c"])
        with pytest.raises(InvalidRequest) as refused:
            await FewRows(["a", "c"], str).page(session, limit=2, cursor=first.next_cursor)
    assert refused.value.code == "invalid_cursor"


def test_a_cursor_says_its_key_again() -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    assert decode(encode((at, "cus_Ä_1")), [datetime, str]) == (at, "cus_Ä_1")


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%%%",
        "é",
        "=",
        encode(("op_1",)) + "=",
        encode(("op_1",)) + "A",
        " " + encode(("op_1",)),
        encode(("op_1", "op_2")),
        encode(("op\x00",)),
        base64.urlsafe_b64encode(b'"op_1"').decode(),
        base64.urlsafe_b64encode(b"[1]").decode().rstrip("="),
        base64.urlsafe_b64encode(b'{"a": 1}').decode().rstrip("="),
        base64.urlsafe_b64encode(b"\xff\xfe").decode().rstrip("="),
    ],
)
def test_anything_else_is_an_invalid_cursor(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        decode(cursor, [str])
    assert (refusal.value.code, refusal.value.field) == ("invalid_cursor", "cursor")


@pytest.mark.parametrize("at", ["yesterday", "2026-03-01T12:00:00", "2026-03-01T12:00:00Z"])
def test_a_time_in_a_cursor_has_to_be_one_that_was_given_out(at: str) -> None:
    with pytest.raises(InvalidRequest):
        decode(encode((at, "cus_1")), [datetime, str])

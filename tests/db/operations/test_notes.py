"""Notes: numbered, only ever added."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db.core.session import Database
from db.operations import notes
from db.tables import NoteRow, Operation

from ...support.builders import NOW, store, tenant
from ...support.money_rows import a_note, a_refund_operation


async def a_refund(database: Database) -> Operation:
    operation = a_refund_operation(await tenant(database))
    await store(database, operation)
    return operation


async def add(database: Database, note: NoteRow) -> bool:
    async with database.transaction() as session:
        return await notes.add(session, note)


async def kept(database: Database, operation: Operation) -> list[NoteRow]:
    async with database.reading() as session:
        return await notes.of_operation(session, operation.id)


async def test_notes_come_back_as_they_were_written_in_their_order(database: Database) -> None:
    operation, other = await a_refund(database), await a_refund(database)
    later = a_note(operation, seq=2, text="The bank called back: „Überweisung“.", at=NOW + timedelta(hours=1))
    first = a_note(operation)

    assert [await add(database, note) for note in (later, first, a_note(other))] == [True, True, True]

    assert [row.model_dump() for row in await kept(database, operation)] == [
        first.model_dump(),
        later.model_dump(),
    ]


async def test_a_note_whose_id_or_place_is_taken_is_not_stored(database: Database) -> None:
    operation = await a_refund(database)
    note = a_note(operation)
    await add(database, note)

    assert not await add(database, a_note(operation, text="Something else."))
    assert not await add(database, a_note(operation, id=note.id, seq=2))
    assert [row.text for row in await kept(database, operation)] == [note.text]


@pytest.mark.parametrize("change", ["UPDATE notes SET text = 'Nothing happened.'", "DELETE FROM notes"])
async def test_the_database_refuses_to_change_or_delete_a_note(database: Database, change: str) -> None:
    operation = await a_refund(database)
    await add(database, a_note(operation))

    with pytest.raises(IntegrityError, match="notes are append-only"):
        async with database.transaction() as session:
            await (await session.connection()).execute(text(change))

    assert len(await kept(database, operation)) == 1


async def test_a_note_on_an_unknown_operation_is_refused(database: Database) -> None:
    operation = await a_refund(database)
    with pytest.raises(IntegrityError):
        await add(database, a_note(operation, operation_id="op_unknown"))

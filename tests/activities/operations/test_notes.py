"""The records of notes, and which objects in Stripe bear them."""

import asyncio
from datetime import timedelta

import pytest

from activities.operations.notes import NoteRecords
from billing.money.notes import AddNote, Note, NoteObject, NotesQuery
from db.core import timeline
from db.core.session import Database
from db.tables import Operation

from ...support.builders import NOW, an_intent, store, tenant
from ...support.money_rows import a_balance_transaction, a_credit_operation, a_note, a_refund_operation

LATER = NOW + timedelta(days=2)


async def a_refund(database: Database, *notes: str) -> Operation:
    operation = a_refund_operation(await tenant(database))
    await store(
        database,
        operation,
        *(a_note(operation, seq=seq, text=text) for seq, text in enumerate(notes, start=1)),
    )
    return operation


def query(operation: Operation) -> NotesQuery:
    return NotesQuery(operation=operation.id)


def words(operation: Operation, text: str = "The bank gave it up.", author: str = "per_1") -> AddNote:
    return AddNote(operation=operation.id, text=text, author=author, at=LATER)


async def test_the_notes_of_an_operation_come_in_their_order(database: Database) -> None:
    operation = await a_refund(database, "Billed twice for March.", "And for April.")

    assert await NoteRecords(database).read_notes(query(operation)) == [
        Note(seq=1, text="Billed twice for March.", author=operation.requested_by, at=NOW),
        Note(seq=2, text="And for April.", author=operation.requested_by, at=NOW),
    ]


async def test_a_persons_words_become_the_next_note_and_an_event(database: Database) -> None:
    operation = await a_refund(database, "Billed twice for March.")
    records = NoteRecords(database)

    await records.add_note(words(operation))

    assert (await records.read_notes(query(operation)))[1:] == [
        Note(seq=2, text="The bank gave it up.", author="per_1", at=LATER)
    ]
    async with database.reading() as session:
        (event,) = await timeline.read(session, operation.id)
    assert (event.key, event.code, event.actor, event.at) == ("note:2", "note_added", "per_1", LATER)
    assert (event.detail["seq"], event.detail["text"]) == (2, "The bank gave it up.")
    assert event.detail["note"].startswith("note_")


async def test_the_same_words_by_the_same_person_are_one_note(database: Database) -> None:
    operation = await a_refund(database)
    records = NoteRecords(database)

    await records.add_note(words(operation))
    await records.add_note(words(operation).model_copy(update={"at": LATER + timedelta(days=1)}))
    await records.add_note(words(operation, author="per_2"))

    notes = await records.read_notes(query(operation))
    assert [(note.seq, note.author, note.at) for note in notes] == [(1, "per_1", LATER), (2, "per_2", LATER)]


async def test_notes_at_the_same_moment_are_numbered_without_a_gap(
    database: Database, database_url: str
) -> None:
    operation = await a_refund(database)
    other = Database(database_url)  # connections of its own, like another process

    await asyncio.gather(
        *(
            NoteRecords((database, other)[n % 2]).add_note(words(operation, f"This is note number {n % 10}."))
            for n in range(20)
        )
    )
    await other.dispose()

    notes = await NoteRecords(database).read_notes(query(operation))
    assert [note.seq for note in notes] == list(range(1, 11))
    assert {note.text for note in notes} == {f"This is note number {n}." for n in range(10)}


async def test_a_note_on_an_unknown_operation_is_an_error(database: Database) -> None:
    with pytest.raises(LookupError, match="op_unknown"):
        await NoteRecords(database).add_note(
            AddNote(operation="op_unknown", text="…", author="per_1", at=NOW)
        )


async def test_what_a_refund_made_in_stripe_bears_its_notes(database: Database) -> None:
    operation = await a_refund(database)
    made = {"effect": "refund.create", "state": "done"}
    await store(
        database,
        an_intent(operation, step="refund:0", stripe_id="re_1", result={"payment_intent": "pi_1"}, **made),
        an_intent(operation, step="refund:1", effect="refund.create", state="refused"),
        an_intent(operation, step="refund:2", effect="refund.create"),
        an_intent(operation, step="note:2:0", stripe_id="re_1", effect="refund.note", state="done"),
        an_intent(
            operation,
            step="refund:1",
            version=2,
            created_at=LATER,
            stripe_id="re_2",
            result={"payment_intent": "pi_2"},
            **made,
        ),
    )

    assert await NoteRecords(database).read_note_objects(query(operation)) == [
        NoteObject(kind="refund.note", target="re_1", names=("pi_1",)),
        NoteObject(kind="refund.note", target="re_2", names=("pi_2",)),
    ]


async def test_a_credit_note_or_balance_transaction_bears_the_notes_of_a_credit(database: Database) -> None:
    acme = await tenant(database)
    by_note, by_balance = a_credit_operation(acme), a_credit_operation(acme)
    await store(
        database,
        *(by_note, by_balance),
        an_intent(by_note, effect="credit_note.create", state="done", stripe_id="cn_1", result={"amount": 1}),
        an_intent(by_balance, effect="balance.create", state="done", stripe_id="cbtxn_note"),
        a_balance_transaction(acme.id, id="cbtxn_note", customer_id="cus_7"),
    )
    records = NoteRecords(database)

    assert await records.read_note_objects(query(by_note)) == [
        NoteObject(kind="credit_note.note", target="cn_1")
    ]
    assert await records.read_note_objects(query(by_balance)) == [
        NoteObject(kind="balance.note", target="cbtxn_note", customer="cus_7")
    ]


async def test_what_has_made_nothing_has_nothing_to_bear_a_note(database: Database) -> None:
    operation = await a_refund(database, "Billed twice for March.")

    assert await NoteRecords(database).read_note_objects(query(operation)) == []

"""The records of an operation's notes, and which objects in Stripe bear them."""

from collections.abc import Mapping
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.cases.case import CaseFound
from billing.core.events import EventCode
from billing.core.operations import Kind
from billing.money.notes import AddNote, Note, NoteObject, NotesQuery
from billing.operations.messages import Progress
from db.core.session import Database
from db.mirror import mirror
from db.operations import intents, notes, operations
from db.tables import Intent, NoteRow, new_id

from .records import write

BearerNote = Literal["refund.note", "credit_note.note", "balance.note", "invoice.note", "subscription.note"]

BEARERS: Mapping[str, BearerNote] = {
    "refund.create": "refund.note",
    "credit_note.create": "credit_note.note",
    "balance.create": "balance.note",
    "invoice.void": "invoice.note",
    "invoice.mark_uncollectible": "invoice.note",
    "subscription.cancel": "subscription.note",
    "subscription.cancel_at_period_end": "subscription.note",
    "subscription.keep": "subscription.note",
}
"""The effects after which an object bears notes, and those that write one on it."""


class NoteRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def read_notes(self, query: NotesQuery) -> list[Note]:
        """Every note of the operation, the first one first."""
        async with self._database.reading() as session:
            rows = await notes.of_operation(session, query.operation)
        return [Note(seq=row.seq, text=row.text, author=row.author, at=row.at) for row in rows]

    @activity.defn
    async def add_note(self, order: AddNote) -> None:
        """Adds a note, with its event on the timeline; the same by the same person again adds nothing."""
        async with self._database.transaction() as session:
            operation = await operations.lock(session, order.operation)
            kept = await notes.of_operation(session, order.operation)
            if any((note.text, note.author) == (order.text, order.author) for note in kept):
                return
            row = NoteRow(
                id=new_id("note"),
                operation_id=operation.id,
                seq=len(kept) + 1,
                organization_id=operation.organization_id,
                text=order.text,
                author=order.author,
                at=order.at,
            )
            await notes.add(session, row)
            await write(
                session,
                Progress(
                    operation=row.operation_id,
                    key=f"note:{row.seq}",
                    event=EventCode.NOTE_ADDED,
                    at=row.at,
                    actor=row.author,
                    detail={"note": row.id, "seq": row.seq, "text": row.text, "by": row.author},
                ),
            )

    @activity.defn
    async def read_note_objects(self, query: NotesQuery) -> list[NoteObject]:
        """What the operation has made in Stripe so far that bears its notes, in the order of making; of a
        case what it is about."""
        async with self._database.reading() as session:
            operation = await operations.get_any(session, query.operation)
            if operation is not None and operation.kind == Kind.CASE:
                return [_case_object(CaseFound.model_validate(operation.request))]
            made = [
                intent
                for intent in await intents.of_operation(session, query.operation)
                if intent.state == intents.DONE and intent.effect in BEARERS
            ]
            return [await _note_object(session, intent) for intent in made]


def _case_object(found: CaseFound) -> NoteObject:
    return NoteObject.model_validate(
        {"kind": found.note_effect, "target": found.note_target, "names": found.payments}
    )


async def _note_object(session: AsyncSession, intent: Intent) -> NoteObject:
    assert intent.stripe_id is not None, "what was made has an id"
    kind = BEARERS[intent.effect]
    customer = None
    if kind == "balance.note":
        customer = await mirror.balance_customer(session, intent.stripe_id)
    names: tuple[str, ...] = ()
    if kind in ("invoice.note", "subscription.note"):
        names = (intent.stripe_id,)
    elif kind == "refund.note" and (payment := (intent.result or {}).get("payment_intent")):
        names = (payment,)
    return NoteObject(kind=kind, target=intent.stripe_id, customer=customer, names=names)

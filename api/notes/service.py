"""The notes of requests for money and of cases: kept with the request, added to, never changed."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.errors import Conflict
from billing.core.events import EventCode
from billing.core.operations import Kind
from billing.money.notes import MAX_NOTES, Note, NoteInput, with_objects
from billing.money.waiver import WAIVERS
from db.core import timeline
from db.core.clock import utc_now
from db.core.pages import FewRows
from db.core.timeline import NewEvent
from db.operations import notes, operations, outbox
from db.tables import NoteRow, Operation, Outbox, new_id
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import Caller
from ..http.context import Context
from ..http.csv_lists import Show
from ..operations.service import owned
from ..operations.views import each
from .schemas import NoteAnswer


def first(operation: Operation, text: str) -> tuple[NoteRow, NewEvent]:
    """The request's own note, which goes into the records with it."""
    row = _row(operation, 1, operation.requested_by, text, operation.created_at)
    return row, _event(row)


def first_message(operation: Operation, text: str) -> Note:
    """The request's own note as its workflow gets it."""
    return Note(seq=1, text=text, author=operation.requested_by, at=operation.created_at)


async def find_or_add(session: AsyncSession, operation: Operation, caller: Caller, text: str) -> Note:
    """The operation's note with exactly this text, a new one if need be. Raises Conflict `notes_full`."""
    row, _ = await _add(session, operation, caller, text, {})
    return _message(row)


async def listed(
    context: Context, caller: Caller, kind: Kind, operation_id: str, sort: str
) -> tuple[FewRows[NoteRow], Show[NoteRow, NoteAnswer]]:
    """The notes, and what makes their answers. Raises ApiProblem `not_found`."""
    async with context.database.reading() as session:
        operation = await owned(session, caller, kind, operation_id)
        rows = await notes.of_operation(session, operation_id)
    return FewRows(rows, lambda row: str(row.seq), sort), each(lambda row: _answer(operation, row))


async def add(context: Context, caller: Caller, kind: Kind, operation_id: str, text: str) -> NoteAnswer:
    """Records the note and has it mirrored into Stripe; the same by the same person again is the same note.

    Raises ApiProblem `not_found`, Conflict `notes_full`.
    """
    async with context.database.transaction() as session:
        operation = await owned(session, caller, kind, operation_id)
        row, new = await _add(session, operation, caller, text, {"author": caller.person})
        start = await _mirror(session, operation, row) if new else None
    if start is not None:
        context.dispatcher.hand_over(start)
    return _answer(operation, row)


async def _add(
    session: AsyncSession, operation: Operation, caller: Caller, text: str, alike: dict[str, str]
) -> tuple[NoteRow, bool]:
    """A note, and whether it is new: one with this text that is also otherwise `alike` is not written again.

    The operation is locked, so that of two at the same moment the second finds the first.
    """
    await operations.lock(session, operation.id)
    rows = await notes.of_operation(session, operation.id)
    same = {"text": text} | alike
    for earlier in rows:
        if all(getattr(earlier, name) == value for name, value in same.items()):
            return earlier, False
    if len(rows) >= MAX_NOTES:
        raise Conflict(
            "notes_full",
            f"it already has {MAX_NOTES} notes, the most that Stripe's metadata can hold",
        )
    row = _row(operation, len(rows) + 1, caller.person, text, utc_now())
    await notes.add(session, row)
    event = _event(row)
    await timeline.append(
        session,
        operation.id,
        key=event.key,
        event=event.event,
        actor=event.actor,
        at=event.at,
        detail=event.detail,
    )
    return row, True


async def _mirror(session: AsyncSession, operation: Operation, row: NoteRow) -> Outbox:
    message = NoteInput(organization=operation.organization_id, operation=operation.id, note=_message(row))
    return await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=ids.note_workflow(operation.id, row.seq),
        name=ids.NOTE,
        payload=message.model_dump(mode="json"),
        at=row.at,
        due_at=row.at + HEAD_START,
    )


def _row(operation: Operation, seq: int, author: str, text: str, at: datetime) -> NoteRow:
    return NoteRow(
        operation_id=operation.id,
        seq=seq,
        id=new_id("note"),
        organization_id=operation.organization_id,
        text=text,
        author=author,
        at=at,
    )


def _message(row: NoteRow) -> Note:
    return Note(seq=row.seq, text=row.text, author=row.author, at=row.at)


def _event(row: NoteRow) -> NewEvent:
    detail = {"note": row.id, "seq": row.seq, "text": row.text, "by": row.author}
    return NewEvent(f"note:{row.seq}", EventCode.NOTE_ADDED, row.author, row.at, detail)


def _answer(operation: Operation, row: NoteRow) -> NoteAnswer:
    return NoteAnswer(
        id=row.id,
        operation=row.operation_id,
        seq=row.seq,
        text=with_objects(row.text, _named(operation)),
        author=row.author,
        at=row.at,
    )


def _named(operation: Operation) -> Sequence[str]:
    """The payments that the operation is about: as it was laid out, before that the one that was asked for.
    Of a void or write-off it is the invoice."""
    if operation.kind in WAIVERS:
        return [operation.request["invoice"]]
    if operation.subject is not None and operation.kind != Kind.CASE:
        return [part["payment_intent"] for part in operation.subject.get("parts", ())]
    asked = operation.request.get("payment_intent")
    return [asked] if asked else []

"""The notes of an operation in both places: our records and the metadata in Stripe."""

from collections.abc import Mapping, Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.notes import NoteRecords
    from billing.core.hashing import digest
    from billing.core.operations import Problem
    from billing.money.notes import AddNote, Note, NotesQuery, note_metadata
    from billing.stripe.effects import EffectKind

from .effects import OperationEffects
from .recorded import recorded


class NoteSync:
    def __init__(self, operation: str, effects: OperationEffects, first: Note | None = None) -> None:
        """`first` came with the request; a case has none, it is what is owed."""
        self._operation, self._effects = operation, effects
        self._known = [first] if first else []

    def learn(self, note: Note) -> None:
        """A note that came with a revised request."""
        if note.seq not in {known.seq for known in self._known}:
            self._known.append(note)

    def initial_metadata(self, payments: Sequence[str]) -> dict[str, str]:
        """What the object in Stripe carries from the beginning: the notes that the workflow was told.

        Not those of our records at this moment: a workflow that is reset must send the same again.
        """
        return note_metadata(self._known, payments)

    async def add(self, text: str, author: str) -> None:
        """One more note on the operation; the same by the same person again adds nothing."""
        order = AddNote(operation=self._operation, text=text, author=author, at=workflow.now())
        await recorded(NoteRecords.add_note, order)

    async def sync(
        self, kind: EffectKind, target: str, held: Mapping[str, str], payments: Sequence[str]
    ) -> Problem | None:
        """Writes into Stripe what its metadata lacks of our notes; None when nothing is missing any more."""
        query = NotesQuery(operation=self._operation)
        notes = await recorded(NoteRecords.read_notes, query)
        wanted = note_metadata(notes, payments)
        missing = {key: text for key, text in wanted.items() if held.get(key) != text}
        if not missing:
            return None
        step = f"keep-note:{digest([target, missing])[:12]}"
        written = await self._effects.perform(step, kind, target, {"metadata": missing})
        return written.problem if written.outcome == "refused" else None

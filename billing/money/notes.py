"""Notes: why money went back, in a person's words, tied to what it is about in Stripe.

A note is kept in our records and mirrored into the metadata of the object in Stripe. It is amended only by
adding another; nothing of it is ever changed.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message

NOTE_MIN, NOTE_MAX = 10, 440
"""Characters that a person may write: with the payment's id they stay within the 500 of a metadata value."""

MAX_NOTES = 20
"""For one operation: each takes two of the 50 metadata keys that Stripe allows an object."""

VALUE_MAX = 500
"""Characters of a metadata value (Stripe, Metadata)."""


class Note(Message):
    """One note; `seq` counts from 1. `text` is what the person wrote, without the payment's id."""

    seq: int
    text: str
    author: str
    at: AwareDatetime


def with_objects(text: str, objects: Sequence[str]) -> str:
    """The note as it is shown: its text and what it is about in Stripe, filled in by us: payments, the
    invoice that was given up, or the subscription that ends."""
    if not objects:
        return text
    named = {"in": "invoice", "sub": "subscription"}.get(objects[0].partition("_")[0])
    word = named or ("payment" if len(objects) == 1 else "payments")
    return f"{text} (Stripe {word} {', '.join(objects)})"


def note_metadata(notes: Iterable[Note], objects: Sequence[str]) -> dict[str, str]:
    """What the object in Stripe carries: each note with the id of what it is about;
    beside it who wrote it and when."""
    metadata: dict[str, str] = {}
    for note in notes:
        key = "plixo_note" if note.seq == 1 else f"plixo_note_{note.seq}"
        metadata[key] = _within_a_value(note.text, objects)
        metadata[f"{key}_by"] = f"{note.author} {_utc(note.at)}"
    return metadata


def names_payment(text: str, payment: str) -> bool:
    """Whether the note says something and, as the payment's refund bears it in Stripe, names the payment."""
    return bool(text.strip()) and payment in _within_a_value(text, [payment])


def _within_a_value(text: str, objects: Sequence[str]) -> str:
    """The note as it is shown; of words that are too many the end is left out, not what it names."""
    shown = with_objects(text, objects)
    excess = len(shown) - VALUE_MAX
    if excess > 0:
        shown = with_objects(f"{text[: max(0, len(text) - excess - 1)]}…", objects)
    return shown[:VALUE_MAX]


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class NoteInput(Message):
    """A note that was added to an operation, to be mirrored into Stripe."""

    organization: str
    operation: str
    note: Note


class AddNote(Message):
    """A person's words on what they did become a note of the operation."""

    operation: str
    text: str
    author: str
    at: AwareDatetime


class NotesQuery(Message):
    """Whose notes, or whose objects in Stripe that bear them."""

    operation: str


class NoteObject(Message):
    """What an operation made in Stripe, as the effect that writes a note on it names it."""

    kind: Literal[
        "refund.note",
        "credit_note.note",
        "balance.note",
        "invoice.note",
        "subscription.note",
        "customer.note",
        "charge.note",
    ]
    target: str
    customer: str | None = None
    """Whose balance it is of, for a balance transaction."""
    names: tuple[str, ...] = ()
    """What its notes must name: the payments, or the invoice."""

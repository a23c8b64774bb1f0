"""What can be wrong with a note."""

from billing.money.notes import MAX_NOTES, NOTE_MAX, NOTE_MIN

from ..problems.catalogue import declare

NOTES_FULL = declare(
    "notes_full",
    409,
    "Too many notes",
    f"It already has {MAX_NOTES} notes, the most that Stripe's metadata can hold.",
)

NOTE_MISSING = declare(
    "note_missing",
    422,
    "The note is missing",
    f"note is required: say in {NOTE_MIN} to {NOTE_MAX} characters what was done and why.",
    "/note",
)

NOTE_TOO_SHORT = declare(
    "note_too_short",
    422,
    "The note is too short",
    f"note must have at least {NOTE_MIN} characters, not counting surrounding spaces: say why.",
    "/note",
)

NOTE_TOO_LONG = declare(
    "note_too_long",
    422,
    "The note is too long",
    f"note must have at most {NOTE_MAX} characters, the most that Stripe's metadata can hold; shorten it.",
    "/note",
)

NOTE_UNREADABLE = declare(
    "note_unreadable",
    422,
    "The note is not plain text",
    "note must not contain control characters; remove them.",
    "/note",
)

NOTE_WRONG = (
    NOTE_MISSING,
    NOTE_TOO_SHORT,
    NOTE_TOO_LONG,
    NOTE_UNREADABLE,
)
"""The codes of every request with a note."""

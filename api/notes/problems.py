"""What can be wrong with a note."""

from billing.money.notes import MOST_NOTES, NOTE_MAX, NOTE_MIN

from ..problems.entries import Entry, declare

NOTE_WRONG = ("note_missing", "note_too_short", "note_too_long", "note_unreadable")
"""The codes of every request with a note."""

PROBLEMS: dict[str, Entry] = {
    "notes_full": Entry(
        409,
        "There are too many notes",
        f"There are {MOST_NOTES} notes on it already, which is what Stripe's metadata holds.",
    ),
    "note_missing": Entry(
        422,
        "The note is missing",
        f"note is required: say in {NOTE_MIN} to {NOTE_MAX} characters what was done and why.",
        "/note",
    ),
    "note_too_short": Entry(
        422,
        "The note is too short",
        f"note must have at least {NOTE_MIN} characters, not counting blanks around them: say why.",
        "/note",
    ),
    "note_too_long": Entry(
        422,
        "The note is too long",
        f"note must have at most {NOTE_MAX} characters, which is what Stripe's metadata holds; shorten it.",
        "/note",
    ),
    "note_unreadable": Entry(
        422,
        "The note is not plain text",
        "note must not contain control characters; remove them.",
        "/note",
    ),
}
declare(PROBLEMS)

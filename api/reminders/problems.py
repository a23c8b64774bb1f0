"""What can be wrong with reminder runs and pauses."""

from ..problems.entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "not_pausable": Entry(
        409,
        "Can't be paused",
        "This reminder run is at paused (held): it can be paused only while it is deciding or sending.",
    ),
    "not_resumable": Entry(
        409,
        "Can't be resumed",
        "This reminder run is at sending (running): it can be resumed only while it is paused.",
    ),
    "reminders_not_configured": Entry(
        409,
        "There are no reminders",
        "The policy has no section [reminders], which says when customers are reminded: add it.",
    ),
    "pause_over": Entry(
        422,
        "That day has come",
        "It is 2026-05-04 already where the customer is: choose a later day, or leave until out.",
        "/until",
    ),
}
declare(PROBLEMS)

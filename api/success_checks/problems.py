"""What can be wrong with the period of the success checks."""

from ..problems.entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "period_inverted": Entry(422, "It ends before it begins", "to must be after from.", "/to", where="query"),
    "period_too_long": Entry(
        422,
        "The period is too long",
        "A period has at most 366 days: choose a later from.",
        "/from",
        where="query",
    ),
}
declare(PROBLEMS)

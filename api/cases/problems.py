"""What can be wrong with what is asked of a case."""

from ..problems.entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "not_takable": Entry(
        409, "It is closed", "This case is at done (completed): it can't be taken on any more."
    ),
    "not_confirmable": Entry(
        409,
        "There is nothing to confirm",
        "This case is at note_owed (running): "
        "it can be confirmed only while somebody is said to have made it.",
    ),
    "not_named": Entry(
        403,
        "Nobody says that you made it",
        "Only the person who is said to have made it in Stripe can say whether they did.",
    ),
    "done_by_unfit": Entry(
        422,
        "This person can't confirm it",
        "This person has left or is an auditor, and can't confirm that they made it: "
        "close it in your own name, and say in the note who made it.",
        "/done_by",
    ),
    "done_by_unknown": Entry(
        422,
        "Unknown person",
        "There is no such person in your organization: name one of those of GET /v1/people.",
        "/done_by",
    ),
}
declare(PROBLEMS)

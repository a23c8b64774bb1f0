"""What can be wrong with what is asked of a case."""

from .entry import Entry

CASES: dict[str, Entry] = {
    "not_takable": Entry(
        409, "It is closed", "This case is at done (completed): it can't be taken on any more."
    ),
    "done_by_unknown": Entry(
        422,
        "Unknown person",
        "There is no such person in your organization: name one of those of GET /v1/people.",
        "/done_by",
    ),
}

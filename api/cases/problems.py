"""What can be wrong with what is asked of a case."""

from ..problems.catalogue import declare

DONE_BY_UNFIT = declare(
    "done_by_unfit",
    422,
    "This person can't confirm the change",
    "This person has left or is an auditor, and can't confirm that they made the change: close "
    "the case in your own name, and say in the note who made it.",
    "/done_by",
)

DONE_BY_UNKNOWN = declare(
    "done_by_unknown",
    422,
    "Unknown person",
    "There is no such person in your organization.",
    "/done_by",
    for_programs="See GET /v1/people.",
)

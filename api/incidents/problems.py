"""What can be wrong with what is told an incident."""

from ..problems.entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "still_degraded": Entry(
        409,
        "It is still degraded",
        "The component is still degraded: write the note when it works again.",
    ),
    "already_cleared": Entry(409, "It is cleared", "This incident was cleared before."),
    "step_unknown": Entry(
        404, "No such step", "The runbook has no step 99; GET /v1/incidents/{id} shows its steps."
    ),
}
declare(PROBLEMS)

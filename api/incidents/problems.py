"""What can be wrong with what is told an incident."""

from ..problems.catalogue import declare

STILL_DEGRADED = declare(
    "still_degraded",
    409,
    "It is still degraded",
    "The component is still degraded: write the note when it works again.",
)

ALREADY_CLEARED = declare(
    "already_cleared",
    409,
    "It is cleared",
    "This incident was cleared before.",
)

STEP_UNKNOWN = declare(
    "step_unknown",
    404,
    "No such step",
    "The runbook has no step 99; GET /v1/incidents/{id} shows its steps.",
)

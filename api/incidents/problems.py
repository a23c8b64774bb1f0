"""What can be wrong with what is told an incident."""

from ..problems.catalogue import declare

STILL_DEGRADED = declare(
    "still_degraded",
    409,
    "The component is still degraded",
    "The component is still degraded: add the note once it has recovered.",
)

ALREADY_CLEARED = declare(
    "already_cleared",
    409,
    "The incident is already cleared",
    "This incident was already cleared.",
)

STEP_UNKNOWN = declare(
    "step_unknown",
    404,
    "Unknown step",
    "The runbook has no step 99.",
    for_programs="GET /v1/incidents/{id} lists its steps.",
)

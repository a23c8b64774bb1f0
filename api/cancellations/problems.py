"""What can be wrong with a request for a cancellation."""

from ..operations.problems import NOT_SYNCED
from ..problems.catalogue import declare

UNUSED_TIME_UNFIT = declare(
    "unused_time_unfit",
    422,
    "Unused time with the wrong action",
    "A plan that ends now leaves time unused that is paid for. Say what becomes of it with the action now, "
    "and only then.",
    "/unused_time",
)

CANCELLATION_PROBLEMS = (UNUSED_TIME_UNFIT, NOT_SYNCED)
"""Those of every request."""

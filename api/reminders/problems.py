"""What can be wrong with reminder runs and pauses."""

from ..problems.catalogue import declare

PAUSE_OVER = declare(
    "pause_over",
    422,
    "That day has come",
    "It is 2026-05-04 already where the customer is: choose a later day, or leave until out.",
    "/until",
)

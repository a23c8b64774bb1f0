"""What can be wrong with reminder runs and pauses."""

from ..problems.catalogue import declare

PAUSE_OVER = declare(
    "pause_over",
    422,
    "The date is in the past",
    "It is already 2026-05-04 where the customer is: choose a later date, or omit until.",
    "/until",
)

PAUSE_UNEXPLAINED = declare(
    "pause_unexplained",
    422,
    "A pause needs a reason",
    "Say in reason why these invoices are paused, for people who look at them later.",
    "/reason",
)

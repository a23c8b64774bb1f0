"""What can be wrong with the period of the success checks."""

from ..problems.catalogue import declare

PERIOD_INVERTED = declare(
    "period_inverted",
    422,
    "The period ends before it starts",
    "to must be after from.",
    "/to",
    where="query",
)

PERIOD_TOO_LONG = declare(
    "period_too_long",
    422,
    "The period is too long",
    "A period can be at most 366 days long: choose a later from.",
    "/from",
    where="query",
)

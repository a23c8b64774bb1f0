"""What can be wrong with a request that names a quote."""

from ..problems.catalogue import declare

QUOTE_UNKNOWN = declare(
    "quote_unknown",
    422,
    "Unknown quote",
    "There is no such quote of this kind in your organization. Send the quote of an answer unchanged, "
    "or get a new one.",
    "/quote",
)

QUOTE_OUTDATED = declare(
    "quote_outdated",
    409,
    "The quote is outdated",
    "The quote is older than 30 minutes. Get a new quote and look at it, then send the request with that.",
    "/quote",
)

WITH_QUOTE = (QUOTE_UNKNOWN, QUOTE_OUTDATED)
"""What naming a quote can be answered with."""

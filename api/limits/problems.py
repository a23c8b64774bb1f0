"""What is refused because there was too much of it."""

from ..problems.catalogue import declare

TOO_MANY_OPERATIONS = declare(
    "too_many_operations",
    429,
    "Too many operations",
    "You can start 30 operations per minute. Nothing was started; try again later.",
)

TOO_MANY_QUOTES = declare(
    "too_many_quotes",
    429,
    "Too many quotes",
    "You can get 30 quotes per minute. Nothing was read; try again later.",
)

TOO_MANY_DELEGATIONS = declare(
    "too_many_delegations",
    429,
    "Too many delegations",
    "You can create 20 delegations per hour. Nothing was created; try again later.",
)

TOO_MANY_WRONG_KEYS = declare(
    "too_many_wrong_keys",
    429,
    "Too many invalid keys or links",
    "Too many invalid API keys or links were sent from your address or with this key's prefix; check what "
    "you send, and try again later.",
)

RATE_LIMITED = declare(
    "rate_limited",
    429,
    "Too many requests",
    "This API key is limited to 100 requests per second; try again later.",
)

"""What is refused because there was too much of it."""

from ..problems.catalogue import declare

TOO_MANY_OPERATIONS = declare(
    "too_many_operations",
    429,
    "Too many operations",
    "In a minute you may begin 30 operations. Nothing was done; wait as Retry-After says.",
)

TOO_MANY_DELEGATIONS = declare(
    "too_many_delegations",
    429,
    "Too many delegations",
    "In an hour you may give 20 delegations. Nothing was done; wait as Retry-After says.",
)

TOO_MANY_WRONG_KEYS = declare(
    "too_many_wrong_keys",
    429,
    "Too many wrong API keys",
    "Too many wrong API keys came from your address, or with this key's prefix; "
    "check the key, and wait as Retry-After says.",
)

RATE_LIMITED = declare(
    "rate_limited",
    429,
    "Too many requests",
    "This API key sends more than 100 a second; wait as Retry-After says.",
)

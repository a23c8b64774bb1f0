"""What can be wrong with an API key that somebody makes."""

from ..problems.catalogue import declare

KEY_EXPIRY_PAST = declare(
    "key_expiry_past",
    422,
    "The key would have expired",
    "expires_at must be in the future; omit it for a key that works until it is revoked.",
    "/expires_at",
)

KEY_OUTLIVES_YOURS = declare(
    "key_outlives_yours",
    403,
    "The key would outlive yours",
    "A key can't make one that works longer than itself. Choose an earlier expires_at, or sign in to the "
    "console.",
    "/expires_at",
)

TOO_MANY_KEYS = declare(
    "too_many_keys",
    409,
    "Too many API keys",
    "A person can have at most 20 API keys that work; revoke one first.",
)

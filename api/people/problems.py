"""What can be wrong with an API key that somebody makes."""

from ..problems.catalogue import declare

KEY_EXPIRY_PAST = declare(
    "key_expiry_past",
    422,
    "The key would have expired",
    "expires_at must be in the future. A key without a last day works until it is revoked.",
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

KEY_MAY_LESS = declare(
    "key_may_less",
    403,
    "The key would do more than yours",
    "A key can't make one with other scopes than its own: read. Choose among these, or sign in to the "
    "console.",
    "/scopes",
)

KEY_NOT_LIVE = declare(
    "key_not_live",
    409,
    "The key doesn't work",
    "This key is revoked or expired, so nothing can take its place; make a new one.",
)

KEY_REPLACED = declare(
    "key_replaced",
    409,
    "The key was replaced before",
    "The key 3f8a61c09d24 takes its place. If nobody has its secret, revoke that one first.",
)

KEY_OF_ANOTHER = declare(
    "key_of_another",
    403,
    "The key is somebody else's",
    "Only its person can have a key replaced. You can revoke it.",
)

TOO_MANY_KEYS = declare(
    "too_many_keys",
    409,
    "Too many API keys",
    "A person can have at most 20 API keys that work; revoke one first.",
)

"""What can be wrong with a webhook."""

from ..problems.catalogue import declare

WEBHOOK_UNSIGNED = declare(
    "webhook_unsigned",
    400,
    "The webhook is not signed",
    "Stripe-Signature must be t=<seconds>,v1=<signature>, as Stripe sends it.",
    "/Stripe-Signature",
    "header",
)

WEBHOOK_FORGED = declare(
    "webhook_forged",
    400,
    "The signature doesn't match",
    "No signature matches this body; check that PLIXO_STRIPE_WEBHOOK_SECRET belongs to this "
    "endpoint and that no proxy changes the body.",
    "/Stripe-Signature",
    "header",
)

WEBHOOK_STALE = declare(
    "webhook_stale",
    400,
    "The signature is too old",
    "It was signed more than 300 seconds ago; check this machine's clock.",
    "/Stripe-Signature",
    "header",
)

WEBHOOK_FROM_FUTURE = declare(
    "webhook_from_future",
    400,
    "The signature is from the future",
    "Its timestamp is more than 300 seconds in the future; check this machine's clock.",
    "/Stripe-Signature",
    "header",
)

WEBHOOK_MALFORMED = declare(
    "webhook_malformed",
    400,
    "The webhook is not an event",
    "The body is not a snapshot event in JSON; send only snapshot events of the account to this endpoint.",
)

WEBHOOK_TOO_LARGE = declare(
    "webhook_too_large",
    400,
    "The webhook is too large",
    "The body is larger than 256 KiB; no event of Stripe's is that large.",
)

WEBHOOK_NOT_CONFIGURED = declare(
    "webhook_not_configured",
    503,
    "Webhooks are not configured",
    "PLIXO_STRIPE_WEBHOOK_SECRET is not set; set it to this endpoint's signing secret.",
)

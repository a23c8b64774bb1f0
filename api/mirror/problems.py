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
    "The signature does not fit",
    "No signature fits this body; check that PLIXO_STRIPE_WEBHOOK_SECRET is this endpoint's, "
    "and that no proxy changes the body.",
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
    "It was signed for more than 300 seconds from now; check this machine's clock.",
    "/Stripe-Signature",
    "header",
)

WEBHOOK_MALFORMED = declare(
    "webhook_malformed",
    400,
    "The webhook is not an event",
    "The body is not a snapshot event in JSON; point only snapshot events of the account here.",
)

WEBHOOK_TOO_LARGE = declare(
    "webhook_too_large",
    400,
    "The webhook is too large",
    "The body is larger than 256 KiB, which no event is.",
)

WEBHOOK_NOT_CONFIGURED = declare(
    "webhook_not_configured",
    503,
    "No webhook is taken",
    "PLIXO_STRIPE_WEBHOOK_SECRET is not set; set it to the signing secret of this endpoint.",
)

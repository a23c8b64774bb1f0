"""The one way to Stripe: one async client a process, no retries of its own."""

import stripe

TIMEOUT = 25.0
"""Seconds; the SDK's own 80 would outlast an activity's heartbeat many times."""


def stripe_client(api_key: str, api_base: str) -> stripe.StripeClient:
    """A client for the pinned API version. Retries are 0: the activity's retry policy owns backoff."""
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=TIMEOUT),
    )

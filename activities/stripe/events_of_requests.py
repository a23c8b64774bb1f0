"""What a request of ours did, as Stripe's events tell: each names its request by the idempotency key."""

from typing import Any

import stripe

NEAR = 60
"""Seconds from what happened within which Stripe's event of it is, by Stripe's clock."""
PAGE = 100
"""Stripe's largest page."""


async def object_told(client: stripe.StripeClient, type: str, key: str, at: int) -> dict[str, Any] | None:
    """The object as it was then, by the event of this type; None where there is none. Raises StripeError.

    `at` is when it happened, in UTC seconds: events are the whole account's, and of days they are too many.
    Stripe keeps them for 30 days.
    """
    near: Any = {"type": type, "limit": PAGE, "created": {"gte": at - NEAR, "lte": at + NEAR}}
    page = await client.v1.events.list_async(near)
    async for event in page.auto_paging_iter():
        if event.request is not None and event.request.idempotency_key == key:
            found: dict[str, Any] = event.data.object.to_dict()
            return found
    return None

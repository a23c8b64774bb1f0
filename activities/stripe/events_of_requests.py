"""What a request of ours did, as Stripe's events tell: each names its request by the idempotency key."""

from typing import Any

import stripe

PAGE = 100
"""Stripe's largest page."""


async def object_told(
    client: stripe.StripeClient, type: str, key: str, since: int | None, until: int | None = None
) -> dict[str, Any] | None:
    """The object as it was then, by the event of this type; None where there is none. Raises StripeError.

    Stripe keeps events for 30 days; the event is from between these, in UTC seconds.
    """
    bounds = {"gte": since, "lte": until}
    created = {name: bound for name, bound in bounds.items() if bound is not None}
    wanted: Any = {"type": type, "limit": PAGE} | ({"created": created} if created else {})
    page = await client.v1.events.list_async(wanted)
    async for event in page.auto_paging_iter():
        if event.request is not None and event.request.idempotency_key == key:
            found: dict[str, Any] = event.data.object.to_dict()
            return found
    return None

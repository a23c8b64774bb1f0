"""The versions of the API that were ever released: https://docs.stripe.com/api/versioning.

The list is the pinned SDK's, which names each that an endpoint for webhooks can be given.
"""

from stripe.params import WebhookEndpointCreateParams

from ..core.annotations import arms, literals
from ..core.errors import StripeError, invalid

RELEASES: tuple[str, ...] = tuple(
    literals(arms(WebhookEndpointCreateParams.__annotations__["api_version"], WebhookEndpointCreateParams))
)
"""The oldest first."""

_PLACES = {version: place for place, version in enumerate(RELEASES)}


def refusal(version: str) -> StripeError | None:
    """Why this is no version; in the words of answers that people quote in public."""
    return None if version in _PLACES else invalid(f"Invalid Stripe API version: {version}")


def before(version: str, change: str) -> bool:
    """Whether a client of this version has not heard of what changed in the release `change`."""
    return _PLACES[version] < _PLACES[change]

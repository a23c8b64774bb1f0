"""The reasons that money goes back for, or is given up, as people choose them and the policy names them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

RefundReason = Literal["requested_by_customer", "duplicate", "fraudulent", "other"]
"""Stripe's reasons, and `other`, which Stripe does not know: that one goes to the metadata."""

CreditReason = Literal[
    "goodwill", "duplicate", "order_change", "product_unsatisfactory", "fraudulent", "other"
]

VoidReason = Literal["billed_in_error", "billed_twice", "order_change", "other"]
"""Why an invoice should not have been sent."""

WriteOffReason = Literal["insolvent", "unreachable", "refuses_to_pay", "goodwill", "other"]
"""Why an invoice that is right is not asked for any more."""

CancellationReason = Literal[
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "customer_service",
    "low_quality",
    "too_complex",
    "other",
]
"""Stripe's words for why a subscription is cancelled."""

REASON_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "duplicate": "paid twice",
        "requested_by_customer": "the customer asked for it",
        "fraudulent": "fraudulent",
        "order_change": "the order was changed",
        "product_unsatisfactory": "the customer was not satisfied",
        "goodwill": "goodwill",
        "billed_in_error": "billed in error",
        "billed_twice": "billed twice",
        "insolvent": "the customer is insolvent",
        "unreachable": "the customer can't be reached",
        "refuses_to_pay": "the customer refuses to pay",
        "too_expensive": "it is too expensive",
        "missing_features": "features are missing",
        "switched_service": "another service takes its place",
        "unused": "it is not used enough",
        "customer_service": "the support was not good enough",
        "low_quality": "the quality was not good enough",
        "too_complex": "it is too complicated",
        "other": "another reason, see the note",
    }
)
"""The reasons, as people read them, on pages and in mails."""


def reason_choices(reasons: Iterable[str]) -> list[tuple[str, str]]:
    """What can be chosen of them, with its words."""
    return [(reason, REASON_WORDS[reason].capitalize()) for reason in reasons]

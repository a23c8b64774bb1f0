"""The reasons that money goes back for, as people choose them and the policy names them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

RefundReason = Literal["duplicate", "requested_by_customer", "fraudulent", "other"]
"""Stripe's reasons, and `other`, which Stripe does not know: that one goes to the metadata."""

CreditReason = Literal[
    "goodwill", "duplicate", "fraudulent", "order_change", "product_unsatisfactory", "other"
]

REASON_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "duplicate": "paid twice",
        "requested_by_customer": "the customer asked for it",
        "fraudulent": "fraudulent",
        "order_change": "the order was changed",
        "product_unsatisfactory": "the customer was not satisfied",
        "goodwill": "goodwill",
        "other": "another reason, see the note",
    }
)
"""The reasons, as people read them."""

"""The reasons that money goes back for, as people choose them and the policy names them."""

from typing import Literal

RefundReason = Literal["duplicate", "requested_by_customer", "fraudulent", "other"]
"""Stripe's reasons, and `other`, which Stripe does not know: that one goes to the metadata."""

CreditReason = Literal[
    "goodwill", "duplicate", "fraudulent", "order_change", "product_unsatisfactory", "other"
]

"""2026-09-30.endive: payment and setup intents take no `payment_method_types`; what a method is decides.

https://docs.stripe.com/changelog/endive
"""

from .registry import Call, requests


@requests(
    "2026-09-30.endive",
    "POST /v1/payment_intents",
    "POST /v1/payment_intents/{id}",
    "POST /v1/payment_intents/{id}/confirm",
    "POST /v1/setup_intents",
    "POST /v1/setup_intents/{id}",
)
def types(call: Call) -> None:
    """They are left out."""
    call.params.pop("payment_method_types", None)

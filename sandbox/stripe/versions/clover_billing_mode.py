"""2025-09-30.clover: a new subscription bills flexibly unless it says otherwise; it was classically.

https://docs.stripe.com/billing/subscriptions/billing-mode
"""

from ..core.forms import Tree
from .registry import Call, requests

VERSION = "2025-09-30.clover"


@requests(VERSION, "POST /v1/subscriptions", "POST /v1/subscription_schedules")
def classic(call: Call) -> None:
    """A subscription or schedule of one's own making."""
    if "from_subscription" not in call.params:
        _default(call.params)


@requests(VERSION, "POST /v1/invoices/create_preview")
def previewed_classic(call: Call) -> None:
    """The preview of a subscription that there is not yet."""
    params = call.params
    if "subscription" in params or "schedule" in params:
        return
    for name in ("subscription_details", "schedule_details"):
        if isinstance(params.get(name), dict):
            _default(params[name])


def _default(params: Tree) -> None:
    params.setdefault("billing_mode", {"type": "classic"})

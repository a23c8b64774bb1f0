"""2026-09-30.endive: the new anchor of a subscription is an object; it was a word, or a time in a preview.

https://docs.stripe.com/changelog/endive/2026-09-30/polymorphic-billing-cycle-anchor
"""

from ..core.forms import Tree
from .registry import Call, requests

VERSION = "2026-09-30.endive"


@requests(VERSION, "POST /v1/subscriptions/{id}", "POST /v1/subscriptions/{id}/resume")
def anchor(call: Call) -> None:
    """`now` becomes `{type: now}`."""
    _wrap(call.params)


@requests(VERSION, "POST /v1/invoices/create_preview")
def previewed_anchor(call: Call) -> None:
    """The same in the details of the subscription."""
    details = call.params.get("subscription_details")
    if isinstance(details, dict):
        _wrap(details)


def _wrap(params: Tree) -> None:
    given = params.get("billing_cycle_anchor")
    if isinstance(given, str) and given:
        timestamp = given.isdigit()
        params["billing_cycle_anchor"] = (
            {"type": "timestamp", "timestamp": given} if timestamp else {"type": given}
        )

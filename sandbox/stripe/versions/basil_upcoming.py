"""2025-03-31.basil: an invoice is previewed by `POST /v1/invoices/create_preview`; `upcoming` was read.

https://docs.stripe.com/changelog/basil/2025-03-31/invoice-preview-api-deprecations
"""

from ..core.forms import Tree
from ..core.kernel import Obj, list_object
from .registry import Call, requests

VERSION = "2025-03-31.basil"
PREVIEW = ("", "v1", "invoices", "create_preview")
DETAILS = (
    *("billing_cycle_anchor", "cancel_at", "cancel_at_period_end", "cancel_now", "default_tax_rates"),
    *("items", "proration_behavior", "proration_date", "resume_at", "start_date", "trial_end"),
)


@requests(VERSION, "POST /v1/invoices/create_preview")
def flat(call: Call) -> None:
    """What was said of the subscription with a prefix goes into its details."""
    _nest(call.params)


@requests(VERSION, "GET /v1/invoices/upcoming")
def upcoming(call: Call) -> None:
    """The preview under its former address."""
    call.method, call.segments = "POST", PREVIEW
    _nest(call.params)


@requests(VERSION, "GET /v1/invoices/upcoming/lines")
def upcoming_lines(call: Call) -> None:
    """Its lines under theirs."""
    for name in ("limit", "starting_after", "ending_before"):
        call.params.pop(name, None)
    upcoming(call)
    call.instead = _lines


def _nest(params: Tree) -> None:
    given = {name: params.pop(f"subscription_{name}") for name in DETAILS if f"subscription_{name}" in params}
    if given:
        details = params.setdefault("subscription_details", {})
        if isinstance(details, dict):
            details.update(given)


def _lines(invoice: Obj) -> Obj:
    data = invoice["lines"]["data"]
    return list_object(data, "/v1/invoices/upcoming/lines", has_more=bool(invoice["lines"]["has_more"]))

"""What Stripe Tax would charge, from a fixed table of places: `automatic_tax[enabled]=true`.

The place is the customer's address. It is unknown without a country, and in the United States and Canada
without a postal code or a state. Where the account has no registration nothing is charged and nothing is
wrong. Prices without a tax behavior count as exclusive, as for an account whose settings say so.
https://docs.stripe.com/tax/customer-locations, https://docs.stripe.com/tax/zero-tax
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.kernel import Obj, Store
from ..core.updates import require_own
from . import tax_rates


@dataclass(frozen=True, slots=True)
class Place:
    """What is charged in one country or state."""

    percent: str
    type: str
    name: str


PLACES = {
    "AT": Place("20", "vat", "VAT"),
    "AU": Place("10", "gst", "GST"),
    "CA-BC": Place("5", "gst", "GST"),
    "CA-ON": Place("13", "hst", "HST"),
    "CH": Place("8.1", "vat", "VAT"),
    "DE": Place("19", "vat", "VAT"),
    "ES": Place("21", "vat", "VAT"),
    "FR": Place("20", "vat", "VAT"),
    "GB": Place("20", "vat", "VAT"),
    "JP": Place("10", "jct", "JCT"),
    "NL": Place("21", "vat", "VAT"),
    "US-CA": Place("8.25", "sales_tax", "Sales Tax"),
    "US-NY": Place("8.875", "sales_tax", "Sales Tax"),
    "US-TX": Place("8.25", "sales_tax", "Sales Tax"),
    "US-WA": Place("10.35", "sales_tax", "Retail Sales Tax"),
}
"""Where the account is registered. Other places are known but not collected for."""
AUTOMATIC = "txr_auto"
"""How the ids of the rates begin that Stripe Tax makes."""
BY_STATE = ("CA", "US")
REVERSED = ("vat", "gst")
"""The taxes whose debt passes to a business elsewhere that says `tax_exempt=reverse`."""


def place_of(customer: Obj) -> str | None:
    """The key of a customer's place, such as `DE` or `US-NY`; None when Stripe couldn't tell it."""
    address = customer.get("address") or {}
    country = address.get("country")
    if not country:
        return None
    if country not in BY_STATE:
        return str(country)
    if not address.get("postal_code") or not address.get("state"):
        return None
    return f"{country}-{address['state']}"


def rate_in(store: Store, place: str, now: int, *, inclusive: bool) -> Obj:
    """The tax rate that Stripe Tax makes for a place: of nothing where the account is not registered.

    It isn't stored here: a preview may only look.
    """
    found = PLACES.get(place)
    country, _, state = place.partition("-")
    id = f"{AUTOMATIC}{'in' if inclusive else 'ex'}{country}{state}"
    percentage = float(found.percent) if found else 0.0
    return store.find(tax_rates.KIND, id) or tax_rates.blank(
        id,
        now,
        active=False,
        country=country,
        display_name=found.name if found else "Tax",
        effective_percentage=percentage,
        inclusive=inclusive,
        jurisdiction=state or country,
        jurisdiction_level="state" if state else "country",
        percentage=percentage,
        rate_type="percentage" if found else None,
        state=state or None,
        tax_type=found.type if found else None,
    )


def reason_of(rate: Obj, exempt: str) -> tuple[bool, str]:
    """Whether a rate is charged to a customer of this `tax_exempt`, and Stripe's word for why."""
    if exempt == "exempt":
        return False, "customer_exempt"
    if exempt == "reverse" and (rate["jurisdiction_level"] is None or rate["tax_type"] in REVERSED):
        return False, "reverse_charge"
    if rate["jurisdiction_level"] and not rate["rate_type"]:
        return True, "not_collecting"
    return True, "standard_rated" if rate["percentage"] else "zero_rated"


def asked(given: dict[str, Any], param: str = "automatic_tax") -> bool:
    """Whether a request switches automatic tax on; raises 400 where another account is to owe the taxes."""
    require_own(given.get("liability"), f"{param}[liability]")
    return bool(given["enabled"])


def of_invoice(enabled: bool, place: str | None) -> dict[str, Any]:
    """The `automatic_tax` of an invoice."""
    status = None
    if enabled:
        status = "complete" if place else "requires_location_inputs"
    return {
        "disabled_reason": None,
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": status,
    }


def of_subscription(enabled: bool, disabled_reason: str | None = None) -> dict[str, Any]:
    """The `automatic_tax` of a subscription or of a schedule's phase."""
    return {
        "disabled_reason": disabled_reason,
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
    }

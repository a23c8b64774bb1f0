"""Restricted keys: `rk_test_…` may do what its permissions say, and everything while none were set.

Checked before the object is looked for. Writing includes reading.
https://docs.stripe.com/keys#limit-access; the wording is that of recorded answers.
"""

from collections.abc import Collection, Sequence

from ..core.errors import StripeError
from ..settings.account import Account

PERMISSIONS = {
    "customers": "customer",
    "tax_ids": "customer",
    "subscriptions": "subscription",
    "subscription_items": "subscription",
    "subscription_schedules": "subscription",
    "invoices": "invoice",
    "invoice_payments": "invoice",
    "invoiceitems": "invoice",
    "refunds": "charge",
    "charges": "charge",
    "disputes": "dispute",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "setup_intents": "setup_intent",
    "mandates": "mandate",
    "prices": "plan",
    "products": "plan",
    "credit_notes": "credit_note",
    "coupons": "coupon",
    "promotion_codes": "promotion_code",
    "tax_rates": "tax_rate",
    "test_helpers": "test_clock",
    "events": "event",
    "webhook_endpoints": "webhook",
    "event_destinations": "webhook",
    "billing_portal": "billing_portal",
    "billing": "billing_meter",
}
"""By the first part of the path after /v1 or /v2/core."""


def names() -> list[str]:
    """Every permission that a key can be given."""
    return sorted(f"{one}_{verb}" for one in set(PERMISSIONS.values()) for verb in ("read", "write"))


def masked(key: str) -> str:
    """A key as refusals show it."""
    return f"{key[:8]}{'*' * 9}{key[-4:]}"


def permission(method: str, segments: Sequence[str]) -> str | None:
    """What a key must be allowed to do for a request, such as `customer_read`; None: nothing."""
    named = segments[3:4] if segments[1:3] == ("v2", "core") else segments[2:3]
    of = PERMISSIONS.get("".join(named))
    return of and f"{of}_{'read' if method == 'GET' else 'write'}"


def check(account: Account, key: str, granted: Collection[str], method: str, segments: Sequence[str]) -> None:
    """Raises 403 for a request that the key's permissions do not allow."""
    needed = permission(method, segments)
    if needed is None or needed in granted or needed.replace("_read", "_write") in granted:
        return
    coded = account.switches.key_refusal == "coded"
    where = f" on account '{account.id}'" if coded else ""
    raise StripeError(
        403,
        "invalid_request_error",
        f"The provided key '{masked(key)}' does not have the required permissions for this "
        f"endpoint{where}. Having the 'rak_{needed}' permission would allow this request to continue.",
        code="more_permissions_required" if coded else None,
        saved=False,
    )

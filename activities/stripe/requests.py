"""What a request to Stripe is, as far as who may send it when depends on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from temporalio import activity

NAMED_OBJECTS = ("customer", "subscription", "invoice", "payment_intent", "charge", "from_subscription")
"""Parameters of a body that name an object which the request works on."""

ONLY_COMPUTES = "/create_preview"
"""The end of the path of a POST that changes nothing."""

NOBODYS = 3
"""The priority of what no activity asks for; Temporal's default."""

PROBES = 1
"""The priority of a probe: whether anything else may be sent depends on it."""

EVENTS = 2
"""The priority of what Stripe has told of: after what somebody waits for."""
FOLLOWER = "stripe-events"
"""For whom that is, as the gate knows workflows: it waits while Stripe is held."""

_Asker = tuple[int, str | None]
"""Priority, and for whom."""
_asker: ContextVar[_Asker | None] = ContextVar("asker", default=None)

_WORDS = frozenset({
    "account", "advance", "attach", "attach_payment", "balance_transactions", "billing", "billing_portal",
    "cancel", "capture", "cash_balance", "cash_balance_transactions", "charges", "close",
    "configurations", "confirm", "core", "coupons", "create_preview", "credit_notes", "customers",
    "deactivate", "detach", "disable", "discount", "disputes", "enable", "event_destinations",
    "event_summaries", "events", "expire", "finalize", "fund_cash_balance", "invoice_payments",
    "invoiceitems", "invoices", "lines", "mandates", "mark_uncollectible", "meter_event_adjustments",
    "meter_events", "meters", "pause", "pay", "payment_intents", "payment_methods", "ping", "preview",
    "prices", "products", "promotion_codes", "reactivate", "refunds", "release", "resume", "search",
    "send", "sessions", "setup_intents", "subscription_items", "subscription_schedules", "subscriptions",
    "tax_ids", "tax_rates", "test_clocks", "test_helpers", "v1", "v2", "void", "webhook_endpoints",
})  # fmt: skip
"""What stands in Stripe's paths besides ids. Ids are known by what they are not: people may choose that of a
coupon, a product or a customer."""


@dataclass(frozen=True)
class StripeRequest:
    """A request that is to be sent: where to, what it writes, and for whom."""

    endpoint: str
    """Verb and path, `{id}` in place of ids: what Stripe's limits of an endpoint are about."""
    writes: frozenset[str] = frozenset()
    """Objects that Stripe locks while it works on this."""
    priority: int = NOBODYS
    """Temporal's key: the lower, the sooner."""
    workflow: str | None = None
    """Whose activity asks; None outside of activities, and of a probe."""


@contextmanager
def probing() -> Iterator[None]:
    """Within the block requests only find out whether Stripe answers: they are sent while others are held."""
    with _asking(PROBES, None):
        yield


@contextmanager
def following_events() -> Iterator[None]:
    """Within the block requests read what Stripe has told of."""
    with _asking(EVENTS, FOLLOWER):
        yield


@contextmanager
def _asking(priority: int, for_whom: str | None) -> Iterator[None]:
    token = _asker.set((priority, for_whom))
    try:
        yield
    finally:
        _asker.reset(token)


def stripe_request(method: str, url: str, body: str | None) -> StripeRequest:
    """The request that an activity, or whoever else runs just now, is about to send."""
    path = urlsplit(url).path
    parts = path.split("/")
    ids = [part for part in parts if part and part not in _WORDS]
    endpoint = f"{method.upper()} {'/'.join('{id}' if part in ids else part for part in parts)}"
    writes: frozenset[str] = frozenset()
    if method.lower() == "post" and not path.endswith(ONLY_COMPUTES):
        parameters = parse_qs(body) if isinstance(body, str) else {}
        writes = frozenset(ids).union(*(parameters.get(name, ()) for name in NAMED_OBJECTS))
    if asker := _asker.get():
        return StripeRequest(endpoint, writes, *asker)
    if not activity.in_activity():
        return StripeRequest(endpoint, writes)
    info = activity.info()
    return StripeRequest(endpoint, writes, info.priority.priority_key or NOBODYS, info.workflow_id)

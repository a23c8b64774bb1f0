"""Search of seven kinds of objects: https://docs.stripe.com/api/pagination/search.

Search is not for reading what was just written: Stripe finds new objects after up to a minute. How long it
is here is a setting, `/_sandbox/search`; what changes of an object that is found already, is found at once.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from stripe.params import (
    ChargeSearchParams,
    CustomerSearchParams,
    InvoiceSearchParams,
    PaymentIntentSearchParams,
    PriceSearchParams,
    ProductSearchParams,
    SubscriptionSearchParams,
)

from ..core.kernel import Ctx, Obj, invalid, route
from .query import NUMBER, TEXT, TOKEN, Field, parse


def _fields(sort: str, *names: str) -> dict[str, Field]:
    return {name: (sort, tuple(name.split("."))) for name in names}


FIELDS: dict[str, tuple[str, type, dict[str, Field]]] = {
    "charge": (
        "charges",
        ChargeSearchParams,
        {
            **_fields(NUMBER, "amount", "created"),
            **_fields(TOKEN, "currency", "customer", "disputed", "refunded", "status"),
            **_fields(TOKEN, "billing_details.address.postal_code"),
            **_fields(TOKEN, *(f"payment_method_details.card.{name}" for name in ("brand", "exp_month"))),
            **_fields(TOKEN, *(f"payment_method_details.card.{name}" for name in ("exp_year", "last4"))),
            **_fields(TOKEN, "payment_method_details.card.fingerprint"),
        },
    ),
    "customer": (
        "customers",
        CustomerSearchParams,
        {**_fields(NUMBER, "created"), **_fields(TEXT, "email", "name", "phone")},
    ),
    "invoice": (
        "invoices",
        InvoiceSearchParams,
        {
            **_fields(NUMBER, "created", "total"),
            **_fields(TOKEN, "currency", "customer", "number", "receipt_number", "status"),
            "last_finalization_error_code": (TOKEN, ("last_finalization_error", "code")),
            "last_finalization_error_type": (TOKEN, ("last_finalization_error", "type")),
            "subscription": (TOKEN, ("parent", "subscription_details", "subscription")),
        },
    ),
    "payment_intent": (
        "payment_intents",
        PaymentIntentSearchParams,
        {**_fields(NUMBER, "amount", "created"), **_fields(TOKEN, "currency", "customer", "status")},
    ),
    "price": (
        "prices",
        PriceSearchParams,
        _fields(TOKEN, "active", "currency", "lookup_key", "product", "type"),
    ),
    "product": (
        "products",
        ProductSearchParams,
        {**_fields(TOKEN, "active", "shippable", "url"), **_fields(TEXT, "description", "name")},
    ),
    "subscription": (
        "subscriptions",
        SubscriptionSearchParams,
        {**_fields(NUMBER, "canceled_at", "created"), **_fields(TOKEN, "status")},
    ),
}
"""Of each kind: its path, its parameters and what can be searched for, beside `metadata`."""


def _declare(kind: str) -> None:
    resource, params, fields = FIELDS[kind]
    path = f"/v1/{resource}/search"

    @route("GET", path, params=params, kind=kind)
    def search(ctx: Ctx) -> Obj:
        """What a query finds, newest first; `page` is what the answer before gave as `next_page`."""
        query = parse(ctx.params["query"], fields, resource)
        latest = ctx.now - ctx.account.search_delay_seconds
        found = ctx.store.all(kind, lambda one: one["created"] <= latest and query.met_by(one))
        return _page(ctx, found, path)


for _kind in FIELDS:
    _declare(_kind)


def _page(ctx: Ctx, found: list[Obj], url: str) -> Obj:
    limit = ctx.params.get("limit", 10)
    if not 1 <= limit <= 100:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise invalid(f"This value must be {bound}.", code="parameter_invalid_integer", param="limit")
    start = _start(ctx.params.get("page"))
    stop = start + limit
    page: dict[str, Any] = {
        "object": "search_result",
        "data": found[start:stop],
        "has_more": stop < len(found),
        "next_page": base64.urlsafe_b64encode(str(stop).encode()).decode() if stop < len(found) else None,
        "url": url,
    }
    wanted = ctx.params.get("expand") or []
    if "total_count" in wanted:
        ctx.params["expand"] = [path for path in wanted if path != "total_count"]
        page["total_count"] = len(found)
    return page


def _start(page: str | None) -> int:
    if page is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(page))
    except (ValueError, binascii.Error) as error:
        raise invalid(f"Invalid page: {page}", param="page") from error

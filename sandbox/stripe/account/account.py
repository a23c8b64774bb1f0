"""The account itself: https://docs.stripe.com/api/accounts/retrieve."""

from __future__ import annotations

from ..core.kernel import Ctx, Obj, route


@route("GET", "/v1/account", params=None, kind="account")
def retrieve(ctx: Ctx) -> Obj:
    """Whose key it is."""
    return {
        "id": ctx.account.id,
        "object": "account",
        "business_profile": {"name": ctx.account.name},
        "charges_enabled": True,
        "country": ctx.account.country,
        "default_currency": ctx.account.default_currency,
        "details_submitted": True,
        "payouts_enabled": True,
        "type": "standard",
    }

"""What the customer portal offers: https://docs.stripe.com/api/customer_portal/configurations."""

from __future__ import annotations

from typing import Any

from stripe.params.billing_portal import (
    ConfigurationCreateParams,
    ConfigurationListParams,
    ConfigurationRetrieveParams,
    ConfigurationUpdateParams,
)

from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed

TAKEN = ("active", "business_profile", "default_return_url", "features", "login_page", "name")
KIND = "billing_portal.configuration"
MAX_PRODUCTS = 10


@route("POST", "/v1/billing_portal/configurations", params=ConfigurationCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """A configuration to be named by sessions; the default one is made in the Dashboard, not here."""
    configuration = _new(ctx, is_default=False)
    configuration["metadata"] = merge_metadata(None, ctx.params.get("metadata"))
    _take(ctx, configuration)
    ctx.store.put(configuration)
    ctx.emit("billing_portal.configuration.created", configuration)
    return configuration


@route("GET", "/v1/billing_portal/configurations/{id}", params=ConfigurationRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One configuration."""
    return ctx.store.get(KIND, ctx.path["id"], param="configuration")


@route("POST", "/v1/billing_portal/configurations/{id}", params=ConfigurationUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a configuration: what is left out stays."""
    configuration = ctx.store.get(KIND, ctx.path["id"], param="configuration")
    before = public(configuration)
    configuration["metadata"] = merge_metadata(configuration["metadata"], ctx.params.get("metadata"))
    _take(ctx, configuration)
    if configuration["is_default"] and not configuration["active"]:
        raise invalid("The default configuration can't be deactivated.", param="active")
    if configuration != before:
        configuration["updated"] = ctx.now
    return changed(ctx, configuration, before, "billing_portal.configuration.updated")


@route("GET", "/v1/billing_portal/configurations", params=ConfigurationListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Configurations, newest first, by `active` and `is_default`."""
    wanted = {name: ctx.params[name] for name in ("active", "is_default") if name in ctx.params}
    found = ctx.store.all(KIND, lambda one: all(one[name] == value for name, value in wanted.items()))
    return ctx.page(found, "/v1/billing_portal/configurations")


def default(ctx: Ctx) -> Obj | None:
    """The configuration of sessions that name none.

    In Stripe it comes of saving the portal's settings in the Dashboard. Here it is made when it is needed,
    once `/_sandbox/portal` says that they are saved.
    """
    for configuration in ctx.store.all(KIND):
        if configuration["is_default"]:
            return configuration
    if ctx.account.portal_needs_configuration:
        return None
    made = _new(ctx, is_default=True)
    for feature in ("invoice_history", "payment_method_update"):
        made["features"][feature]["enabled"] = True
    ctx.store.put(made)
    ctx.emit("billing_portal.configuration.created", made)
    return made


def check_url(value: Any, param: str) -> None:
    """Refuse what isn't a web address; "" and None unset one."""
    if value and not str(value).startswith(("https://", "http://")):
        raise invalid("Not a valid URL", code="url_invalid", param=param)


def _new(ctx: Ctx, *, is_default: bool) -> Obj:
    """With every feature off, as Stripe's reference shows it."""
    return {
        "id": ctx.store.new_id("bpc"),
        "object": KIND,
        "active": True,
        "application": None,
        "business_profile": dict.fromkeys(("headline", "privacy_policy_url", "terms_of_service_url")),
        "created": ctx.now,
        "default_return_url": None,
        "features": {
            "customer_update": {"allowed_updates": [], "enabled": False},
            "invoice_history": {"enabled": False},
            "payment_method_update": {"enabled": False, "payment_method_configuration": None},
            "subscription_cancel": {
                "cancellation_reason": {
                    "enabled": False,
                    "feedback_options": None,
                    "options": ["too_expensive", "missing_features", "switched_service", "unused", "other"],
                },
                "enabled": False,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_pause": {
                "duration": {
                    "interval_options": [{"interval": "month", "interval_count": 1}],
                    "type": "interval_options",
                },
                "enabled": False,
            },
            "subscription_update": {
                "billing_cycle_anchor": "unchanged",
                "default_allowed_updates": [],
                "enabled": False,
                "products": None,
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": ctx.now,
    }


def _take(ctx: Ctx, configuration: Obj) -> None:
    _merge(configuration, {name: ctx.params[name] for name in TAKEN if name in ctx.params})
    check_url(configuration["default_return_url"], "default_return_url")
    for name in ("privacy_policy_url", "terms_of_service_url"):
        check_url(configuration["business_profile"][name], f"business_profile[{name}]")
    if configuration["login_page"]["enabled"]:
        raise invalid("This stand-in has no login page of the portal.", param="login_page[enabled]")
    features = configuration["features"]
    _check_cancel(features["subscription_cancel"])
    for option in features["subscription_pause"]["duration"]["interval_options"]:
        option.setdefault("interval_count", 1)
    _check_products(ctx, features["subscription_update"])


def _merge(current: Obj, given: Obj) -> None:
    """Lay what is given over what is there: objects by their fields, lists whole, "" empties."""
    for name, value in given.items():
        old = current.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value)
        elif value == "":
            current[name] = [] if isinstance(old, list) else None
        else:
            current[name] = public(value)


def _check_cancel(feature: Obj) -> None:
    """`create_prorations` needs mode=immediately, `always_invoice` is an error (Stripe's reference)."""
    behavior = feature["proration_behavior"]
    if behavior == "always_invoice" or (behavior != "none" and feature["mode"] != "immediately"):
        raise invalid(
            f"Cancelling with mode={feature['mode']} does not go with proration_behavior={behavior}.",
            param="features[subscription_cancel][proration_behavior]",
        )


def _check_products(ctx: Ctx, feature: Obj) -> None:
    products = feature["products"] or []
    param = "features[subscription_update][products]"
    if len(products) > MAX_PRODUCTS:
        raise invalid(f"A configuration takes at most {MAX_PRODUCTS} products.", param=param)
    for position, product in enumerate(products):
        where = f"{param}[{position}]"
        ctx.store.get("product", product["product"], param=f"{where}[product]", status=400)
        for number, price in enumerate(product["prices"]):
            at = f"{where}[prices][{number}]"
            if ctx.store.get("price", price, param=at, status=400)["product"] != product["product"]:
                raise invalid(f"The price {price} is not one of the product {product['product']}.", param=at)
        quantity = {"enabled": False, "maximum": None, "minimum": 0, **product.get("adjustable_quantity", {})}
        product["adjustable_quantity"] = quantity

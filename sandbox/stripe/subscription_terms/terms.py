"""What a subscription's parameters say beside its items: terms of payment, cancellation, notes.

https://docs.stripe.com/api/subscriptions
"""

from typing import Any

from ..core.kernel import Ctx, Obj, invalid, merge_metadata, missing, public
from ..core.updates import not_built
from ..discounts import discounts
from ..payments.payments import payment_method_for
from ..taxes import automatic_tax, tax_rates
from .shapes import items_of

NOT_BUILT = (
    "application_fee_percent",
    "billing_schedules",
    "billing_thresholds",
    "customer_account",
    "default_source",
    "invoice_settings",
    "on_behalf_of",
    "pending_invoice_item_interval",
    "transfer_data",
)


def refuse_unsupported(ctx: Ctx) -> None:
    """Refuse what this stand-in would otherwise ignore in silence."""
    not_built(ctx, *NOT_BUILT)
    entries = [*ctx.params.get("items", []), *ctx.params.get("add_invoice_items", [])]
    for entry in entries:
        for name in (
            "price_data",
            "billing_thresholds",
            "current_trial",
        ):
            if entry.get(name):
                raise invalid(f"This stand-in does not support {name} on items.", param=f"items[{name}]")


def take_pricing(ctx: Ctx, subscription: Obj, params: dict[str, Any]) -> None:
    """What changes the amounts beside items: discounts, tax rates, automatic tax.

    Empty discounts make a subscription that exists have its customer's again.
    """
    if given := params.get("discounts"):
        subscription["discounts"] = discounts.redeem(
            ctx,
            given,
            param="discounts",
            customer=subscription["customer"],
            currency=subscription["currency"],
            subscription=subscription["id"],
        )
    elif given == "":
        subscription["discounts"], subscription["_inherits"] = [], True
    if "default_tax_rates" in params:
        old = subscription["default_tax_rates"]
        subscription["default_tax_rates"] = tax_rates.chosen(
            ctx, params["default_tax_rates"], param="default_tax_rates", kept=old
        )
    if "automatic_tax" in params:
        enabled = automatic_tax.asked(params["automatic_tax"])
        subscription["automatic_tax"] = automatic_tax.of_subscription(enabled)
    if subscription["automatic_tax"]["enabled"] and subscription["default_tax_rates"]:
        message = "You may not use `default_tax_rates` together with `automatic_tax[enabled]=true`."
        raise invalid(message, param="default_tax_rates")


def take_item_pricing(ctx: Ctx, subscription: Obj, item: Obj, entry: dict[str, Any], where: str) -> None:
    """An item's own discounts and tax rates, as an entry of `items` asks for them."""
    if "discounts" in entry:
        item["discounts"] = discounts.redeem(
            ctx,
            entry["discounts"] or [],
            param=f"{where}[discounts]",
            customer=subscription["customer"],
            currency=subscription["currency"],
            subscription_item=item["id"],
        )
    if "tax_rates" in entry:
        item["tax_rates"] = tax_rates.chosen(
            ctx, entry["tax_rates"], param=f"{where}[tax_rates]", kept=item["tax_rates"]
        )


def take_terms(ctx: Ctx, subscription: Obj) -> None:
    """Copy the plain fields and the terms of payment."""
    params = ctx.params
    if "description" in params:
        subscription["description"] = params["description"] or None
    subscription["metadata"] = merge_metadata(subscription["metadata"], params.get("metadata"))
    if "default_payment_method" in params:
        subscription["default_payment_method"] = _default_method(
            ctx, subscription, params["default_payment_method"]
        )
    if "pause_collection" in params:
        subscription["pause_collection"] = _pause(ctx, params["pause_collection"])
    end_behavior = (params.get("trial_settings") or {}).get("end_behavior") or {}
    if end_behavior.get("billing_cycle_anchor") == "unchanged":
        raise invalid(
            "This stand-in begins a full period when a trial ends.",
            param="trial_settings[end_behavior][billing_cycle_anchor]",
        )
    for name in ("payment_settings", "trial_settings"):
        for key, value in (params.get(name) or {}).items():
            subscription[name][key] = None if value == "" else public(value)
    _collection(subscription, params)


def _pause(ctx: Ctx, given: Any) -> Obj | None:
    """How collection is paused; "" ends that."""
    if given == "":
        return None
    resumes_at = given.get("resumes_at")
    if resumes_at is not None and resumes_at <= ctx.now:
        raise invalid("`resumes_at` must be in the future.", param="pause_collection[resumes_at]")
    return {"behavior": given["behavior"], "resumes_at": resumes_at}


def take_cancellation(ctx: Ctx, subscription: Obj) -> None:
    """`cancel_at_period_end`, `cancel_at` and why."""
    params = ctx.params
    if "cancel_at_period_end" in params and params.get("cancel_at"):
        raise invalid(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
            param="cancel_at",
        )
    if subscription["schedule"] and ("cancel_at_period_end" in params or "cancel_at" in params):
        raise invalid(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and "
            "updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead.",
            param="cancel_at_period_end" if "cancel_at_period_end" in params else "cancel_at",
        )
    end = end_asked(ctx, subscription, params)
    if end != subscription["cancel_at"]:
        subscription["cancel_at"] = end
        subscription["canceled_at"] = ctx.now if end is not None else None
        reason = "cancellation_requested" if end is not None else None
        subscription["cancellation_details"]["reason"] = reason
    if "cancel_at_period_end" in params or "cancel_at" in params:
        subscription["cancel_at_period_end"] = params.get("cancel_at_period_end", False)
    details = params.get("cancellation_details") or {}
    for name in ("comment", "feedback"):
        if name in details:
            subscription["cancellation_details"][name] = details[name] or None


def end_asked(ctx: Ctx, subscription: Obj, params: dict[str, Any]) -> int | None:
    """When the subscription ends if the parameters have their way; the end of a period is the first one's."""
    ends = [int(item["current_period_end"]) for item in items_of(subscription)]
    at_end = params.get("cancel_at_period_end", subscription["cancel_at_period_end"])
    if at_end != subscription["cancel_at_period_end"]:
        return min(ends) if at_end else None
    if "cancel_at" not in params:
        end: int | None = subscription["cancel_at"]
        return end
    given = params["cancel_at"]
    if given == "":
        return None
    if given == "min_period_end":
        return min(ends)
    if given in ("max_period_end", "max_billed_until"):
        return max(ends)
    if not isinstance(given, int) or given <= ctx.now:
        raise invalid("`cancel_at` must be a timestamp in the future.", param="cancel_at")
    return given


def _default_method(ctx: Ctx, subscription: Obj, id: str) -> str | None:
    if id == "":
        return None
    method = payment_method_for(ctx, id, subscription["customer"], param="default_payment_method")
    if method["customer"] != subscription["customer"]:
        raise missing("PaymentMethod", id, param="default_payment_method", status=400)
    return str(method["id"])


def _collection(subscription: Obj, params: dict[str, Any]) -> None:
    if "collection_method" in params:
        subscription["collection_method"] = params["collection_method"]
        if params["collection_method"] == "charge_automatically":
            subscription["days_until_due"] = None
    sends = subscription["collection_method"] == "send_invoice"
    if "days_until_due" in params:
        if not sends:
            raise invalid(
                "`days_until_due` can only be set if collection_method is `send_invoice`.",
                param="days_until_due",
            )
        subscription["days_until_due"] = params["days_until_due"]
    if sends and subscription["days_until_due"] is None:
        raise invalid(
            "If collection_method is `send_invoice`, you must pass `days_until_due`.", param="days_until_due"
        )

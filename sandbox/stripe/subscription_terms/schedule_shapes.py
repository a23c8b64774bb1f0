"""Subscription schedules as objects: their settings and phases in Stripe's shape.

What a phase leaves out it has of the schedule's `default_settings`, then of the customer or the account.
https://docs.stripe.com/api/subscription_schedules/object
"""

from typing import Any

from ..core.kernel import Ctx, Obj, public
from ..taxes import automatic_tax
from .schedule_phases import discount_entry, phase_items
from .shapes import in_trial, items_of, period_end

KIND = "subscription_schedule"
SETTINGS = ("automatic_tax", "collection_method", "default_payment_method", "description", "invoice_settings")
"""What both a phase and the schedule's `default_settings` may say."""


def schedule_of(ctx: Ctx, subscription: Obj, end_behavior: str) -> Obj:
    """The schedule of a running subscription: one phase, which is its current period."""
    start = min(item["current_period_start"] for item in items_of(subscription))
    tax = public(subscription["automatic_tax"])
    invoices = invoice_settings(subscription["days_until_due"])
    made = phase_shape(
        subscription["currency"],
        start,
        period_end(subscription),
        phase_items(items_of(subscription)),
        trial_end=subscription["trial_end"] if in_trial(subscription, ctx.now) else None,
        automatic_tax=tax,
        collection_method=subscription["collection_method"],
        default_payment_method=subscription["default_payment_method"],
        default_tax_rates=public(subscription["default_tax_rates"]),
        discounts=[discount_entry(discount=id) for id in subscription["discounts"]],
        invoice_settings=public(invoices),
    )
    schedule = blank(ctx, subscription["customer"], subscription["billing_mode"], subscription["test_clock"])
    schedule.update(
        current_phase=span(made),
        end_behavior=end_behavior,
        phases=[made],
        status="active",
        subscription=subscription["id"],
        _without_discounts=[] if subscription.get("_inherits", True) else [start],
    )
    schedule["default_settings"].update(
        automatic_tax=public(tax),
        collection_method=subscription["collection_method"],
        default_payment_method=subscription["default_payment_method"],
        description=subscription["description"],
        invoice_settings=invoices,
    )
    return schedule


def blank(ctx: Ctx, customer: str, mode: dict[str, Any], clock: str | None) -> Obj:
    """A schedule without phases, not stored."""
    return {
        "id": ctx.store.new_id("sub_sched"),
        "object": KIND,
        "application": None,
        "billing_mode": public(mode),
        "canceled_at": None,
        "completed_at": None,
        "created": ctx.now,
        "current_phase": None,
        "customer": customer,
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": automatic_tax.of_subscription(False),
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "invoice_settings": invoice_settings(None),
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": clock,
        "_expires": None,
        "_notice": None,
        "_without_discounts": [],
    }


def invoice_settings(days: int | None) -> Obj:
    """The settings of a schedule's invoices: within how many days those that are sent must be paid."""
    return {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": days,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    }


def phase_shape(
    currency: str, start: int, end: int, items: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """A phase in Stripe's shape."""
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
        **more,
    }


def span(phase: dict[str, Any]) -> dict[str, int]:
    """A phase's dates, as `current_phase` shows them."""
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}

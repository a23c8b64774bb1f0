"""An invoice as an object: its shape, its lines, and what would be due of it."""

from ..catalog.proration import Draft
from ..core.amounts import minimum_charge
from ..core.kernel import Ctx, Obj, public
from ..discounts import discounts
from ..taxes import automatic_tax
from . import addressees
from .invoice_lines import item_line, recurring_line, set_lines


def compose(
    ctx: Ctx,
    customer: Obj,
    *,
    currency: str,
    reason: str,
    subscription: Obj | None,
    period: tuple[int, int] | None,
    id: str | None = None,
) -> Obj:
    """An invoice without lines, in Stripe's shape, not stored."""
    source = subscription or {}
    terms = {} if reason == "manual" else source  # one made by hand takes only its customer's discount
    collection = source.get("collection_method", "charge_automatically")
    return {
        "id": id or ctx.store.new_id("in"),
        "object": "invoice",
        "account_country": ctx.account.country,
        "account_name": ctx.account.name,
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": automatic_tax.of_invoice(bool(terms and terms["automatic_tax"]["enabled"]), None),
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": collection,
        "created": ctx.now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        **addressees.read(ctx, customer),
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": public(terms.get("default_tax_rates", [])),
        "description": source.get("description"),
        "discounts": _discounts(ctx, customer, terms),
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": _parent(subscription) if subscription else None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": period[1] if period else ctx.now,
        "period_start": period[0] if period else ctx.now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": customer.get("test_clock"),
        "threshold_reason": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
        "_days_until_due": source.get("days_until_due"),
    }


def lay_out(
    ctx: Ctx,
    invoice: Obj,
    items: list[Obj],
    drafts: list[Draft],
    subscription: Obj | None,
    *,
    prefix: str = "il",
    embedded: int = 10,
) -> None:
    """Give the invoice one line for each item and each recurring charge, in this order."""
    taken = {item["id"]: ctx.store.new_id(prefix) for item in items}
    lines = [item_line(ctx.store, item, invoice["id"], taken[item["id"]], taken) for item in items]
    if subscription is not None:
        lines += [
            recurring_line(
                draft,
                subscription["id"],
                invoice["id"],
                ctx.store.new_id(prefix),
                dict(subscription["metadata"]),
            )
            for draft in drafts
        ]
    set_lines(ctx, invoice, lines, embedded=embedded)


def expect(invoice: Obj, customer: Obj) -> int:
    """Say on an unfinalized invoice what would be due; gives the customer's balance afterwards."""
    expect_balance(invoice, customer)
    return int(invoice["starting_balance"] + invoice["total"] - invoice["amount_due"])


def expect_balance(invoice: Obj, customer: Obj) -> None:
    """Say on an invoice what the customer's balance leaves due: nothing below the smallest charge."""
    start = customer["balance"]
    owed = max(0, start + invoice["total"])
    due = owed if owed >= minimum_charge(invoice["currency"]) else 0
    invoice.update(starting_balance=start, amount_due=due, amount_remaining=due)


def _discounts(ctx: Ctx, customer: Obj, subscription: Obj) -> list[str]:
    if subscription:
        return discounts.of_subscription(ctx, subscription)
    own = discounts.of_customer(ctx, customer["id"])
    return [own["id"]] if own else []


def _parent(subscription: Obj) -> Obj:
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
            "subscription_proration_date": None,
        },
        "type": "subscription_details",
    }

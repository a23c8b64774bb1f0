"""Invoices over HTTP; what happens to them is in invoicing.py.

https://docs.stripe.com/api/invoices
"""

from typing import Any

from stripe.params import (
    InvoiceCreateParams,
    InvoiceDeleteParams,
    InvoiceFinalizeInvoiceParams,
    InvoiceListParams,
    InvoiceMarkUncollectibleParams,
    InvoicePayParams,
    InvoiceRetrieveParams,
    InvoiceSendInvoiceParams,
    InvoiceUpdateParams,
    InvoiceVoidInvoiceParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, missing, public, route
from ..core.periods import DAY
from ..core.updates import differences, not_built, require_own, without_effect
from ..discounts import discounts
from ..payments.payments import declined, payment_method_for
from ..taxes import automatic_tax, tax_rates
from . import draft_invoices, endings, invoicing
from .invoicing import draw_up, require_status, save
from .pending_items import pending_items, release

KIND = "invoice"
NOT_BUILT = (
    *("account_tax_ids", "application_fee_amount", "customer_account", "default_source", "from_invoice"),
    *("on_behalf_of", "payment_settings", "rendering", "shipping_cost", "shipping_details", "transfer_data"),
)
EDITABLE_WHEN_FINAL = {
    "auto_advance",
    "default_payment_method",
    "due_date",
    "expand",
    "metadata",
}


@route("POST", "/v1/invoices", params=InvoiceCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """A draft by hand, with the pending items when `pending_invoice_items_behavior` says include."""
    not_built(ctx, *NOT_BUILT)
    params = ctx.params
    subscription = None
    if params.get("subscription"):
        subscription = ctx.store.get("subscription", params["subscription"], param="subscription", status=400)
    owner = params.get("customer") or (subscription and subscription["customer"])
    if not owner:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = ctx.store.get("customer", owner, param="customer", status=400)
    if subscription and subscription["customer"] != customer["id"]:
        raise missing("subscription", subscription["id"], param="subscription", status=400)
    items = []
    if params.get("pending_invoice_items_behavior", "exclude") == "include":
        items = pending_items(ctx.store, customer["id"], subscription["id"] if subscription else None)
    currency = params.get("currency") or customer["currency"] or ctx.account.default_currency
    fields: dict[str, Any] = {"auto_advance": False, "metadata": merge_metadata(None, params.get("metadata"))}
    fields.update(_given(ctx, params, customer["id"]))
    _check_terms({**(subscription or {}), **fields}, params)
    fields["id"] = ctx.store.new_id("in")
    fields.update(_pricing(ctx, params, {**fields, "customer": customer["id"], "currency": currency}))
    return draw_up(
        ctx, customer, currency=currency, reason="manual", items=items, subscription=subscription, **fields
    )


@route("GET", "/v1/invoices/{id}", params=InvoiceRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One invoice."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", "/v1/invoices/{id}", params=InvoiceUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a draft; of a finalized invoice only what does not touch its money."""
    not_built(ctx, *NOT_BUILT)
    invoice, params = ctx.store.get(KIND, ctx.path["id"]), ctx.params
    fixed = sorted(set(params) - EDITABLE_WHEN_FINAL)
    if invoice["status"] != "draft" and fixed:
        raise invalid(
            f"Finalized invoices can't be updated in this way: {', '.join(fixed)}.",
            code=invoicing.WRONG_MOVE,
            param=fixed[0],
        )
    before = public(invoice)
    invoice.update(_given(ctx, params, invoice["customer"]))
    _check_terms(invoice, params)
    if priced := _pricing(ctx, params, invoice):
        invoice.update(priced)
        draft_invoices.reckon_again(ctx, invoice)
    invoice["metadata"] = merge_metadata(invoice["metadata"], params.get("metadata"))
    save(ctx, invoice)
    if changed := differences(before, invoice):
        ctx.emit("invoice.updated", invoice, changed)
    return invoice


@route("DELETE", "/v1/invoices/{id}", params=InvoiceDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Throw a draft away; its items wait again."""
    invoice = ctx.store.get(KIND, ctx.path["id"])
    require_status(
        invoice,
        "draft",
        message=f"You can only delete draft invoices. The invoice {invoice['id']} is {invoice['status']}.",
    )
    for item in ctx.store.related("invoiceitem", "invoice", invoice["id"]):
        release(ctx, item)
    ctx.store.delete(KIND, invoice["id"])
    ctx.emit("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": KIND, "deleted": True}


@route("POST", "/v1/invoices/{id}/finalize", params=InvoiceFinalizeInvoiceParams, kind=KIND)
def finalize(ctx: Ctx) -> Obj:
    """Finalize a draft now instead of waiting; with auto_advance it is collected an hour later."""
    invoice = ctx.store.get(KIND, ctx.path["id"])
    if "auto_advance" in ctx.params:
        invoice["auto_advance"] = ctx.params["auto_advance"]
    invoicing.finalize(ctx, invoice)
    if (
        invoice["status"] == "open"
        and invoice["auto_advance"]
        and invoice["collection_method"] == "charge_automatically"
    ):
        invoice["next_payment_attempt"] = ctx.now + invoicing.FINALIZE_AFTER
        save(ctx, invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/pay", params=InvoicePayParams, kind=KIND)
def pay(ctx: Ctx) -> Obj:
    """Pay an invoice now, or (`paid_out_of_band`) outside Stripe.

    A decline is a 402 that counts; a bank debit leaves it open for its days.
    """
    not_built(ctx, "forgive", "mandate", "source")
    without_effect(ctx, "off_session", "payment_method")  # where there is nothing to charge
    invoice, params = ctx.store.get(KIND, ctx.path["id"]), ctx.params
    if invoice["status"] == "draft":
        invoicing.finalize(ctx, invoice)
    if invoice["status"] == "paid" and not ctx.params.get("paid_out_of_band") and invoice["amount_due"] == 0:
        return invoice
    invoicing.require_payable(invoice)
    if params.get("paid_out_of_band"):
        endings.settle_out_of_band(ctx, invoice)
        return invoice
    method = params.get("payment_method") or invoicing.method_for(ctx, invoice)
    if method is None:
        raise invoicing.no_method()
    chosen = payment_method_for(ctx, method, invoice["customer"], param="payment_method")
    outcome = invoicing.attempt(ctx, invoice, chosen["id"], off_session=params.get("off_session", True))
    if not (outcome.paid or outcome.processing):
        raise declined(outcome, keep_changes=True, waits_code="invoice_payment_intent_requires_action")
    return invoice


@route("POST", "/v1/invoices/{id}/send", params=InvoiceSendInvoiceParams, kind=KIND)
def send(ctx: Ctx) -> Obj:
    """Send an invoice of `send_invoice`; test mode sends no mail, but tells `invoice.sent`.

    https://docs.stripe.com/api/invoices/send; the refusal's words are reported by users, no page has them.
    """
    invoice = ctx.store.get(KIND, ctx.path["id"])
    if invoice["collection_method"] != "send_invoice":
        raise invalid("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if invoice["status"] == "draft":
        invoicing.finalize(ctx, invoice)
    require_status(
        invoice,
        "open",
        "paid",
        "uncollectible",
        message=f"The invoice {invoice['id']} is void and can't be sent.",
    )
    save(ctx, invoice)
    ctx.emit("invoice.sent", invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/void", params=InvoiceVoidInvoiceParams, kind=KIND)
def void(ctx: Ctx) -> Obj:
    """Cancel a finalized, unpaid invoice for good."""
    invoice = ctx.store.get(KIND, ctx.path["id"])
    endings.void(ctx, invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/mark_uncollectible", params=InvoiceMarkUncollectibleParams, kind=KIND)
def mark_uncollectible(ctx: Ctx) -> Obj:
    """Write an open invoice off; it can still be paid or voided."""
    invoice = ctx.store.get(KIND, ctx.path["id"])
    endings.mark_uncollectible(ctx, invoice, None)
    return invoice


@route("GET", "/v1/invoices", params=InvoiceListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Invoices, newest first, by all of Stripe's filters."""
    params = ctx.params
    if params.get("subscription"):
        path = "parent.subscription_details.subscription"
        found = ctx.store.related(KIND, path, params["subscription"])
    elif params.get("customer"):
        found = ctx.store.related(KIND, "customer", params["customer"])
    else:
        found = ctx.store.all(KIND, lambda invoice: _matches(invoice, params))
    return ctx.page([invoice for invoice in found if _matches(invoice, params)], "/v1/invoices")


def _matches(invoice: Obj, params: dict[str, Any]) -> bool:
    return (
        params.get("customer") in (None, invoice["customer"])
        and params.get("customer_account") in (None, invoice["customer_account"])
        and params.get("status") in (None, invoice["status"])
        and params.get("collection_method") in (None, invoice["collection_method"])
        and within(invoice["created"], params.get("created"))
        and within(invoice["due_date"], params.get("due_date"))
    )


def _given(ctx: Ctx, params: dict[str, Any], customer: str) -> dict[str, Any]:
    """The invoice's fields that the parameters set."""
    fields: dict[str, Any] = {}
    require_own(params.get("issuer"), "issuer")
    for name in (
        "auto_advance",
        "automatically_finalizes_at",
        "collection_method",
        "custom_fields",
        "description",
        "due_date",
        "effective_at",
        "footer",
        "number",
        "statement_descriptor",
    ):
        if name in params:
            fields[name] = None if params[name] == "" else params[name]
    if params.get("default_payment_method"):
        method = payment_method_for(
            ctx, params["default_payment_method"], customer, param="default_payment_method"
        )
        fields["default_payment_method"] = method["id"]
    if "days_until_due" in params:
        fields["_days_until_due"] = params["days_until_due"]
        if "due_date" not in params:
            fields["due_date"] = ctx.now + params["days_until_due"] * DAY
    return fields


def _pricing(ctx: Ctx, params: dict[str, Any], invoice: dict[str, Any]) -> dict[str, Any]:
    """The fields that change an invoice's amounts: discounts, tax rates, automatic tax."""
    fields: dict[str, Any] = {}
    if "discounts" in params:
        fields["discounts"] = discounts.redeem(
            ctx,
            params["discounts"] or [],
            param="discounts",
            customer=invoice["customer"],
            currency=invoice["currency"],
            invoice=invoice["id"],
        )
    if "default_tax_rates" in params:
        fields["default_tax_rates"] = tax_rates.chosen(
            ctx,
            params["default_tax_rates"],
            param="default_tax_rates",
            kept=invoice.get("default_tax_rates"),
        )
    if "automatic_tax" in params:
        fields["automatic_tax"] = automatic_tax.of_invoice(automatic_tax.asked(params["automatic_tax"]), None)
    return fields


def _check_terms(invoice: dict[str, Any], params: dict[str, Any]) -> None:
    """A due date belongs to `send_invoice`, which in turn needs one."""
    sends = invoice.get("collection_method") == "send_invoice"
    given = [name for name in ("days_until_due", "due_date") if name in params]
    if given and not sends:
        raise invalid(f"`{given[0]}` can only be set if collection_method is `send_invoice`.", param=given[0])
    if len(given) == 2:
        raise invalid(
            "You may only specify one of these parameters: days_until_due, due_date.", param="due_date"
        )
    known = invoice.get("due_date") or invoice.get("days_until_due") or invoice.get("_days_until_due")
    if sends and not given and known is None:
        raise invalid(
            "If collection_method is `send_invoice`, you must pass one of: days_until_due, due_date.",
            param="days_until_due",
        )

"""Payment intents and charges over HTTP.

https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/api/charges
"""

from stripe.params import (
    ChargeListParams,
    ChargeRetrieveParams,
    ChargeUpdateParams,
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    PaymentIntentUpdateParams,
)

from ..core.amounts import minimum_charge, text
from ..core.filters import listed, within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, copy_fields, not_built, without_effect
from ..customers.other_methods import CASH
from ..invoices import invoice_attachments, invoicing
from ..payments import mandates
from ..payments.payment_shapes import new_intent
from ..payments.payments import cancel_intent, capture, confirm, declined, payment_method_for
from . import cash_balance

KIND = "payment_intent"
NOT_BUILT = (
    "allowed_payment_method_types",
    "application_fee_amount",
    "confirmation_token",
    "customer_account",
    "hooks",
    "on_behalf_of",
    "payment_method_configuration",
    "transfer_data",
)
LATER_NOT_BUILT = (*NOT_BUILT, "payment_method_data")
UPDATE_NOT_BUILT = (
    *LATER_NOT_BUILT,
    *("amount_details", "currency", "excluded_payment_method_types", "payment_details"),
    "payment_method_options",
)
DESCRIPTORS = ("statement_descriptor", "statement_descriptor_suffix")

NO_AMOUNT = (
    "The amount must be greater than or equal to the minimum charge amount allowed for your account and the "
    "currency set (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to "
    "save a Payment Method for future use without an immediate payment, use a Setup Intent instead: "
    "https://docs.stripe.com/payments/setup-intents"
)


@route("POST", "/v1/payment_intents", params=PaymentIntentCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """An intent to charge an amount, with `confirm` at once; after a decline (402) the intent stays."""
    not_built(ctx, *NOT_BUILT)
    without_effect(ctx, "radar_options")
    params = ctx.params
    currency = params["currency"].lower()
    if params["amount"] < 1:
        raise invalid(NO_AMOUNT, code="parameter_invalid_integer", param="amount")
    if params["amount"] < minimum_charge(currency):
        raise invalid(
            f"Amount must be at least {text(minimum_charge(currency), currency)} {currency}",
            code="amount_too_small",
            param="amount",
        )
    if params.get("mandate_data") and not params.get("confirm"):
        raise invalid("`mandate_data` is only for an intent that is confirmed at once.", param="mandate_data")
    customer = params.get("customer")
    if customer:
        ctx.store.get("customer", customer, param="customer", status=400)
    method = cash_balance.method_of(ctx)
    if params.get("payment_method"):
        method = payment_method_for(ctx, params["payment_method"], customer, param="payment_method")["id"]
    intent = new_intent(ctx, customer, params["amount"], currency, payment_method=method)
    _take(ctx, intent)
    intent["capture_method"] = params.get("capture_method", "automatic_async")
    if params.get("automatic_payment_methods"):
        intent["automatic_payment_methods"] = {
            "allow_redirects": "always",
            **params["automatic_payment_methods"],
        }
    ctx.store.put(intent)
    if params.get("confirm"):
        _confirm(ctx, intent, method)
    return intent


@route("GET", "/v1/payment_intents/{id}", params=PaymentIntentRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One payment intent."""
    without_effect(ctx, "client_secret")  # a secret key needs none
    return ctx.store.get(KIND, ctx.path["id"], param="intent")


@route("POST", "/v1/payment_intents/{id}", params=PaymentIntentUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change an intent; its amount only before it is paid and when no invoice has made it."""
    not_built(ctx, *UPDATE_NOT_BUILT)
    intent = ctx.store.get(KIND, ctx.path["id"], param="intent")
    if cash_balance.waits(intent) and ("amount" in ctx.params or "payment_method" in ctx.params):
        raise _unexpected(intent, "updated in how it is paid")
    if "amount" in ctx.params:
        if intent["status"] in ("succeeded", "canceled") or intent.get("_invoice"):
            raise _unexpected(intent, "updated in its amount")
        intent["amount"] = ctx.params["amount"]
        invoice_attachments.ask_for(ctx, intent)
    if ctx.params.get("payment_method"):
        method = payment_method_for(
            ctx, ctx.params["payment_method"], intent["customer"], param="payment_method"
        )
        intent["payment_method"] = method["id"]
        if intent["status"] == "requires_payment_method":
            intent["status"] = "requires_confirmation"
    if "capture_method" in ctx.params:
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise _unexpected(intent, "updated in its capture method")
        intent["capture_method"] = ctx.params["capture_method"]
    _take(ctx, intent)
    return ctx.store.put(intent)


@route("POST", "/v1/payment_intents/{id}/confirm", params=PaymentIntentConfirmParams, kind=KIND)
def confirm_intent(ctx: Ctx) -> Obj:
    """Charge now, or ask the customer to authenticate; a decline is a 402 that counts."""
    not_built(ctx, "amount_to_confirm", *LATER_NOT_BUILT)
    without_effect(ctx, "radar_options")
    intent = ctx.store.get(KIND, ctx.path["id"], param="intent")
    _confirm(ctx, intent, ctx.params.get("payment_method"))
    return intent


@route("POST", "/v1/payment_intents/{id}/capture", params=PaymentIntentCaptureParams, kind=KIND)
def capture_intent(ctx: Ctx) -> Obj:
    """Take all or a part of what was set aside."""
    not_built(ctx, "amount_details", "final_capture", "payment_details", *LATER_NOT_BUILT)
    intent = ctx.store.get(KIND, ctx.path["id"], param="intent")
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "captured")
    amount: int = ctx.params.get("amount_to_capture") or intent["amount_capturable"]
    if amount > intent["amount_capturable"]:
        raise invalid(
            f"The amount to capture must be at most {intent['amount_capturable']}.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    copy_fields(ctx, intent, DESCRIPTORS)
    intent["metadata"] = merge_metadata(intent["metadata"], ctx.params.get("metadata"))
    capture(ctx, intent, amount)
    return intent


@route("POST", "/v1/payment_intents/{id}/cancel", params=PaymentIntentCancelParams, kind=KIND)
def cancel(ctx: Ctx) -> Obj:
    """Give an intent up; those of invoices are given up by voiding the invoice."""
    intent = ctx.store.get(KIND, ctx.path["id"], param="intent")
    if intent.get("_invoice"):
        raise invalid(
            "You cannot cancel a PaymentIntent that an invoice has made; void the invoice instead.",
            code="payment_intent_unexpected_state",
        )
    cash_balance.give_back(ctx, intent)
    cancel_intent(ctx, intent, ctx.params.get("cancellation_reason"))
    invoice_attachments.give_up(ctx, intent)
    return intent


@route("GET", "/v1/payment_intents", params=PaymentIntentListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Payment intents, newest first."""
    not_built(ctx, "customer_account")
    return listed(ctx, KIND, "/v1/payment_intents", "customer")


@route("GET", "/v1/charges/{id}", params=ChargeRetrieveParams, kind="charge")
def retrieve_charge(ctx: Ctx) -> Obj:
    """One charge."""
    return ctx.store.get("charge", ctx.path["id"])


@route("POST", "/v1/charges/{id}", params=ChargeUpdateParams, kind="charge")
def update_charge(ctx: Ctx) -> Obj:
    """Change a charge's notes."""
    not_built(ctx, "customer", "fraud_details", "shipping", "transfer_group")
    charge = ctx.store.get("charge", ctx.path["id"])
    before = public(charge)
    copy_fields(ctx, charge, ("description", "receipt_email"))
    charge["metadata"] = merge_metadata(charge["metadata"], ctx.params.get("metadata"))
    return changed(ctx, charge, before, "charge.updated")


@route("GET", "/v1/charges", params=ChargeListParams, kind="charge")
def list_charges(ctx: Ctx) -> Obj:
    """Charges by customer or payment intent, newest first."""
    not_built(ctx, "transfer_group")
    params = ctx.params
    if params.get("payment_intent"):
        found = ctx.store.related("charge", "payment_intent", params["payment_intent"])
    elif params.get("customer"):
        found = ctx.store.related("charge", "customer", params["customer"])
    else:
        found = ctx.store.all("charge")
    wanted = [
        charge
        for charge in found
        if params.get("customer") in (None, charge["customer"])
        and within(charge["created"], params.get("created"))
    ]
    return ctx.page(wanted, "/v1/charges")


def _take(ctx: Ctx, intent: Obj) -> None:
    copy_fields(
        ctx,
        intent,
        (
            "confirmation_method",
            "description",
            "receipt_email",
            "setup_future_usage",
            "shipping",
            "transfer_group",
            *DESCRIPTORS,
        ),
    )
    intent["metadata"] = merge_metadata(intent["metadata"], ctx.params.get("metadata"))


def _confirm(ctx: Ctx, intent: Obj, method: str | None) -> None:
    if intent["status"] in ("succeeded", "canceled", "processing") or cash_balance.waits(intent):
        raise _unexpected(intent, "confirmed")
    invoice = ctx.store.get("invoice", intent["_invoice"]) if intent.get("_invoice") else None
    method = method or intent["payment_method"] or (invoicing.method_for(ctx, invoice) if invoice else None)
    if method is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly "
            "with a payment "
            "method.",
            code="payment_intent_unexpected_state",
        )
    if ctx.params.get("mandate_data"):
        chosen = payment_method_for(ctx, method, intent["customer"], param="payment_method")
        mandates.grant(ctx, chosen, ctx.params["mandate_data"])
        method = chosen["id"]
    if (ctx.store.find("payment_method", method) or {}).get("type") == CASH:
        cash_balance.ask_for_transfer(ctx, intent)
        return
    off_session = bool(ctx.params.get("off_session", False))
    intent["_return_url"] = ctx.params.get("return_url")
    if invoice is not None:
        outcome = invoicing.attempt(ctx, invoice, method, off_session=off_session)
    else:
        may_wait = not (off_session or ctx.params.get("error_on_requires_action"))
        outcome = confirm(ctx, intent, method, off_session=off_session, may_wait=may_wait)
    invoice_attachments.credit(ctx, intent)
    if outcome.error is not None:
        raise declined(outcome, keep_changes=True)


def _unexpected(intent: Obj, what: str) -> Exception:
    return invalid(
        f"This PaymentIntent's status is {intent['status']}: it can't be {what}.",
        code="payment_intent_unexpected_state",
    )

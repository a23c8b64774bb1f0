"""Payments: what a payment intent and its charges look like, and the act of charging a test card.

How a card behaves is written on the payment method (the test tokens of payment_methods.py). A declined charge is
an object like a paid one; whether the request that made it is refused is the caller's decision: `declined` gives
the 402 for it.
"""

from dataclasses import dataclass
from typing import Any

from .kernel import Ctx, Obj, StripeError, card_declined, invalid, public
from .payment_methods import find, payment_method_behavior

AUTHENTICATION = "authentication_required"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try to charge went; `error` is the intent's `last_payment_error` when it did not."""

    intent: Obj
    charge: Obj | None
    needs_action: bool = False
    error: Obj | None = None

    @property
    def paid(self) -> bool:
        """Whether the money came in."""
        return self.error is None and not self.needs_action


def new_intent(
    ctx: Ctx,
    customer: str | None,
    amount: int,
    currency: str,
    *,
    payment_method: str | None = None,
    **more: Any,
) -> Obj:
    """A stored payment intent that waits for its confirmation; tells `payment_intent.created`."""
    id = ctx.store.new_id("pi")
    intent = {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{id}_secret_{ctx.store.new_id('k')[2:]}",
        "confirmation_method": "automatic",
        "created": ctx.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_confirmation" if payment_method else "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        **more,
    }
    ctx.store.put(intent)
    ctx.emit("payment_intent.created", intent)
    return intent


def payment_method_for(ctx: Ctx, id: str, customer: str | None, *, param: str) -> Obj:
    """The payment method, if the customer may use it; raises 400 otherwise."""
    method = find(ctx, id, param=param)
    if method["customer"] is not None and method["customer"] != customer:
        raise invalid(
            f"The PaymentMethod {method['id']} does not belong to the customer {customer}.", param=param
        )
    return method


def confirm(ctx: Ctx, intent: Obj, method_id: str, *, off_session: bool = True) -> Attempt:
    """Try to charge the intent's amount to a payment method, with its events; never raises for a declined card."""
    method = payment_method_for(ctx, method_id, intent["customer"], param="payment_method")
    behavior = payment_method_behavior(method)
    intent["payment_method"] = method["id"]
    if behavior.requires_action and not (off_session and behavior.off_session_ok):
        return _needs_action(ctx, intent, method)
    charge = _charge(ctx, intent, method)
    intent["latest_charge"] = charge["id"]
    if behavior.decline_code is None:
        ctx.store.put(charge)
        ctx.emit("charge.succeeded", charge)
        _succeed(ctx, intent)
        return Attempt(intent, charge)
    error = _error(behavior.code, behavior.decline_code, behavior.message, charge, method)
    charge.update(
        amount_captured=0,
        balance_transaction=None,
        captured=False,
        failure_code=error["code"],
        failure_message=error["message"],
        outcome=_outcome("issuer_declined", "declined_by_network", behavior.decline_code, error["message"]),
        paid=False,
        receipt_url=None,
        status="failed",
    )
    ctx.store.put(charge)
    ctx.emit("charge.failed", charge)
    return _fail(ctx, intent, error, charge)


def finish_authentication(ctx: Ctx, intent: Obj) -> Attempt:
    """The customer passed 3-D Secure: the charge goes through."""
    method = ctx.store.get("payment_method", intent["payment_method"])
    charge = _charge(ctx, intent, method)
    ctx.store.put(charge)
    ctx.emit("charge.succeeded", charge)
    intent["latest_charge"] = charge["id"]
    _succeed(ctx, intent)
    return Attempt(intent, charge)


def cancel_intent(ctx: Ctx, intent: Obj, reason: str | None) -> None:
    """Give an unpaid intent up."""
    if intent["status"] in ("succeeded", "canceled"):
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, requires_capture, "
            "requires_reauthorization, requires_confirmation, requires_action, processing.",
            code="payment_intent_unexpected_state",
        )
    intent.update(canceled_at=ctx.now, cancellation_reason=reason, next_action=None, status="canceled")
    ctx.store.put(intent)
    ctx.emit("payment_intent.canceled", intent)


def declined(attempt: Attempt, *, keep_changes: bool = False) -> StripeError:
    """The 402 that tells of a failed attempt, with the charge's id and the payment intent in it.

    `keep_changes`: the attempt itself stays on record, as when an invoice's payment is declined.
    """
    error = attempt.error or {
        "code": AUTHENTICATION,
        "decline_code": AUTHENTICATION,
        "message": "This payment requires additional user action before it can be completed successfully.",
    }
    extra: dict[str, Any] = {"payment_intent": public(attempt.intent)}
    if attempt.charge is not None:
        extra["charge"] = attempt.charge["id"]
    return card_declined(
        error["message"],
        code=error["code"],
        decline_code=error["decline_code"],
        extra=extra,
        keep_changes=keep_changes,
    )


def _succeed(ctx: Ctx, intent: Obj) -> None:
    intent.update(
        amount_received=intent["amount"], last_payment_error=None, next_action=None, status="succeeded"
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.succeeded", intent)


def _fail(ctx: Ctx, intent: Obj, error: Obj, charge: Obj | None) -> Attempt:
    intent.update(last_payment_error=error, payment_method=None, status="requires_payment_method")
    ctx.store.put(intent)
    ctx.emit("payment_intent.payment_failed", intent)
    return Attempt(intent, charge, error=error)


def _needs_action(ctx: Ctx, intent: Obj, method: Obj) -> Attempt:
    intent["status"] = "requires_action"
    intent["next_action"] = {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": ""},
    }
    intent["last_payment_error"] = None
    ctx.store.put(intent)
    ctx.emit("payment_intent.requires_action", intent)
    return Attempt(intent, None, needs_action=True)


def _error(code: str, decline_code: str | None, message: str, charge: Obj, method: Obj) -> Obj:
    return {
        "charge": charge["id"],
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": public(method),
        "type": "card_error",
    }


def _outcome(type: str, network: str, reason: str | None, message: str) -> Obj:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": message,
        "type": type,
    }


def _charge(ctx: Ctx, intent: Obj, method: Obj) -> Obj:
    """A charge as it is when it succeeds; not stored yet."""
    id = ctx.store.new_id("ch")
    card = method.get("card") or {}
    shown = {
        key: card.get(key)
        for key in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    }
    return {
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": ctx.store.new_id("txn"),
        "billing_details": public(method["billing_details"]),
        "calculated_statement_descriptor": "PLIXO SANDBOX",
        "captured": True,
        "created": ctx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome("authorized", "approved_by_network", None, "Payment complete."),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "card": {
                **shown,
                "amount_authorized": intent["amount"],
                "authorization_code": None,
                "checks": {
                    "address_line1_check": None,
                    "address_postal_code_check": None,
                    "cvc_check": "pass",
                },
                "installments": None,
                "mandate": None,
                "network": card.get("brand"),
                "network_token": {"used": False},
                "regulated_status": "unregulated",
                "three_d_secure": None,
                "wallet": None,
            },
            "type": "card",
        },
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{ctx.account.base_url}/receipts/{id}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }

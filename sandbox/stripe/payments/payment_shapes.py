"""Payment intents and charges as objects."""

from typing import Any

from ..core.kernel import Ctx, Obj, public
from ..customers.other_methods import CASH


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
        "_clock": ctx.clock,
        **more,
    }
    ctx.store.put(intent)
    ctx.emit("payment_intent.created", intent)
    return intent


def new_charge(ctx: Ctx, intent: Obj, method: Obj) -> Obj:
    """A charge as it is when it succeeds; not stored yet."""
    id = ctx.store.new_id("ch" if method["type"] == "card" else "py")
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
        "outcome": outcome("authorized", "approved_by_network", None, "Payment complete."),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(intent, method),
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


def _details(intent: Obj, method: Obj) -> Obj:
    """What a charge says of the payment method that it was made to."""
    known = method[method["type"]]
    if method["type"] == "us_bank_account":
        left_out = ("financial_connections_account", "networks", "status_details")
        shown = {name: value for name, value in known.items() if name not in left_out}
        return {"type": "us_bank_account", "us_bank_account": {**shown, "mandate": method.get("_mandate")}}
    if method["type"] == "sepa_debit":
        shown = {name: value for name, value in known.items() if name != "generated_from"}
        return {"type": "sepa_debit", "sepa_debit": {**shown, "mandate": method.get("_mandate")}}
    if method["type"] == CASH:
        return {"type": CASH, CASH: {}}
    names = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        "card": {
            **{name: known.get(name) for name in names},
            "amount_authorized": intent["amount"],
            "authorization_code": None,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "installments": None,
            "mandate": None,
            "network": known.get("brand"),
            "network_token": {"used": False},
            "regulated_status": "unregulated",
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }


def outcome(type: str, network: str, reason: str | None, message: str) -> Obj:
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


def card_error(code: str, decline_code: str | None, message: str, charge: Obj, method: Obj) -> Obj:
    return {
        "charge": charge["id"],
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": public(method),
        "type": "card_error",
    }


def debit_error(code: str, message: str, charge: Obj, method: Obj) -> Obj:
    """The error of a bank debit that came back."""
    error = card_error(code, None, message, charge, method)
    return {**error, "type": "invalid_request_error"}


def authentication_at(ctx: Ctx, client_secret: str, return_url: str | None) -> Obj:
    """The `next_action` of an intent whose customer has to authenticate, with the page where that is done.

    With a `return_url` it is a redirect; without, what Stripe.js would be given.
    https://docs.stripe.com/payments/3d-secure/authentication-flow
    """
    page = f"{ctx.account.base_url}/authenticate/{client_secret}"
    if return_url is not None:
        return {
            "redirect_to_url": {"return_url": return_url, "url": page},
            "type": "redirect_to_url",
        }
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"stripe_js": page, "type": "three_d_secure_redirect"},
    }


def authentication_failure(intent: str, method: Obj) -> Obj:
    """The error of an intent (`payment_intent` or `setup_intent`) whose customer did not authenticate."""
    code = f"{intent}_authentication_failure"
    return {
        "code": code,
        "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}",
        "message": "The provided PaymentMethod has failed authentication. Provide another PaymentMethod to "
        "try again.",
        "payment_method": public(method),
        "type": "invalid_request_error",
    }

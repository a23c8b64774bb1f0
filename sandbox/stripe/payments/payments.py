"""Payments: what a payment intent and its charges look like, and the act of charging a test card.

How a card behaves is written on the payment method (the test tokens of payment_methods.py). A declined
charge is an object like a paid one; whether the request that made it is refused is the caller's decision:
`declined` gives the 402 for it.
"""

from dataclasses import dataclass, replace
from typing import Any

from ..core.kernel import Ctx, Obj, StripeError, card_declined, invalid, public
from ..core.periods import DAY
from ..customers.payment_methods import find, payment_method_behavior
from .disputes import open_dispute
from .payment_shapes import (
    authentication_at,
    authentication_failure,
    card_error,
    debit_error,
    new_charge,
    outcome,
)

AUTHENTICATION = "authentication_required"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try to charge went; `error` is the intent's `last_payment_error` when it did not."""

    intent: Obj
    charge: Obj | None
    needs_action: bool = False
    processing: bool = False
    """Whether it is a bank debit that takes its days."""
    debit: bool = False
    error: Obj | None = None

    @property
    def paid(self) -> bool:
        """Whether the money came in."""
        return self.error is None and not self.needs_action and not self.processing


def payment_method_for(ctx: Ctx, id: str, customer: str | None, *, param: str) -> Obj:
    """The payment method, if the customer may use it; raises 400 otherwise."""
    method = find(ctx, id, param=param)
    if method["customer"] is not None and method["customer"] != customer:
        raise invalid(
            f"The PaymentMethod {method['id']} does not belong to the customer {customer}.", param=param
        )
    return method


def confirm(
    ctx: Ctx, intent: Obj, method_id: str, *, off_session: bool = True, may_wait: bool = True
) -> Attempt:
    """Try to charge the intent's amount to a payment method; never raises for a declined card.

    `may_wait`: whether a customer whom the bank asks can be waited for; else that is a decline.
    """
    method = payment_method_for(ctx, method_id, intent["customer"], param="payment_method")
    intent["payment_method"] = method["id"]
    asks = payment_method_behavior(method).asks(off_session=off_session, set_up=bool(method.get("_set_up")))
    if asks and may_wait:
        return _needs_action(ctx, intent)
    if asks:
        message = "Your card was declined. This transaction requires authentication."
        return _declined(ctx, intent, method, AUTHENTICATION, AUTHENTICATION, message)
    return _charge(ctx, intent, method)


def authenticated(ctx: Ctx, intent: Obj) -> Attempt:
    """The customer passed 3-D Secure: the card is charged, and set up for later if the intent asks for it."""
    method = ctx.store.get("payment_method", intent["payment_method"])
    outcome = _charge(ctx, intent, method)
    if outcome.paid and intent["setup_future_usage"] == "off_session":
        method["_set_up"] = True
        ctx.store.put(method)
    return outcome


def not_authenticated(ctx: Ctx, intent: Obj) -> Attempt:
    """The customer failed 3-D Secure or refused: another payment method is needed, nothing was charged.

    https://docs.stripe.com/error-codes#payment-intent-authentication-failure
    """
    method = ctx.store.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    return _fail(ctx, intent, authentication_failure("payment_intent", method), None)


def cancel_intent(ctx: Ctx, intent: Obj, reason: str | None) -> None:
    """Give an unpaid intent up."""
    if intent["status"] in ("succeeded", "canceled"):
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            "PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, requires_capture, "
            "requires_reauthorization, requires_confirmation, requires_action, processing.",
            code="payment_intent_unexpected_state",
        )
    if intent["status"] == "requires_capture":
        charge = ctx.store.get("charge", intent["latest_charge"])
        _free(ctx, charge, charge["amount"])
        ctx.emit("charge.refunded", charge)
        intent["amount_capturable"] = 0
    intent.update(
        canceled_at=ctx.now, cancellation_reason=reason, next_action=None, status="canceled", _due=None
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.canceled", intent)


def declined(
    attempt: Attempt, *, keep_changes: bool = False, waits_code: str = AUTHENTICATION
) -> StripeError:
    """The 402 that tells of a failed attempt, with the charge's id and the payment intent in it.

    `keep_changes`: the attempt itself stays on record, as when an invoice's payment is declined.
    `waits_code`: the code where the customer has to authenticate.
    """
    error = attempt.error or {
        "code": waits_code,
        "decline_code": None,
        "message": "This payment requires additional user action before it can be completed successfully.",
    }
    extra: dict[str, Any] = {"payment_intent": public(attempt.intent)}
    if attempt.charge is not None:
        extra["charge"] = attempt.charge["id"]
    return card_declined(
        error["message"],
        code=error["code"],
        decline_code=error.get("decline_code"),
        extra=extra,
        keep_changes=keep_changes,
    )


def _charge(ctx: Ctx, intent: Obj, method: Obj) -> Attempt:
    behavior = payment_method_behavior(method)
    if behavior.debit:
        return _debit(ctx, intent, method)
    if behavior.decline_code is not None:
        return _declined(ctx, intent, method, behavior.code, behavior.decline_code, behavior.message)
    charge = new_charge(ctx, intent, method)
    intent["latest_charge"] = charge["id"]
    if intent["capture_method"] == "manual":
        return _hold(ctx, intent, charge)
    ctx.store.put(charge)
    ctx.emit("charge.succeeded", charge)
    _succeed(ctx, intent, intent["amount"])
    if behavior.dispute:
        open_dispute(ctx, charge, behavior.dispute, behavior.case)
    return Attempt(intent, charge)


def receive(ctx: Ctx, intent: Obj, method: Obj) -> None:
    """The whole amount of an intent has come in by transfer."""
    charge = new_charge(ctx, intent, method)
    intent["latest_charge"] = charge["id"]
    ctx.store.put(charge)
    ctx.emit("charge.succeeded", charge)
    _succeed(ctx, intent, intent["amount"])


def _hold(ctx: Ctx, intent: Obj, charge: Obj) -> Attempt:
    """The amount is set aside on the card until it is captured."""
    charge.update(amount_captured=0, balance_transaction=None, captured=False)
    ctx.store.put(charge)
    ctx.emit("charge.succeeded", charge)
    intent.update(
        amount_capturable=intent["amount"],
        last_payment_error=None,
        next_action=None,
        status="requires_capture",
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.amount_capturable_updated", intent)
    return Attempt(intent, charge)


def capture(ctx: Ctx, intent: Obj, amount: int) -> None:
    """Take an amount that was set aside; the rest of it is free again."""
    charge = ctx.store.get("charge", intent["latest_charge"])
    charge.update(amount_captured=amount, balance_transaction=ctx.store.new_id("txn"), captured=True)
    _free(ctx, charge, charge["amount"] - amount)
    ctx.emit("charge.captured", charge)
    intent["amount_capturable"] = 0
    _succeed(ctx, intent, amount)


def _free(ctx: Ctx, charge: Obj, amount: int) -> None:
    """Let an amount go that was set aside: on a charge that is shown as refunded."""
    charge["amount_refunded"] = amount
    charge["refunded"] = amount == charge["amount"]
    ctx.store.put(charge)


def _debit(ctx: Ctx, intent: Obj, method: Obj) -> Attempt:
    charge = new_charge(ctx, intent, method)
    charge.update(balance_transaction=None, paid=False, receipt_url=None, status="pending")
    ctx.store.put(charge)
    ctx.emit("charge.pending", charge)
    intent.update(
        last_payment_error=None,
        latest_charge=charge["id"],
        next_action=None,
        payment_method_types=[method["type"]],
        status="processing",
        _due=ctx.now + ctx.account.debit_days * DAY if payment_method_behavior(method).settles else None,
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.processing", intent)
    return Attempt(intent, charge, processing=True, debit=True)


def settle_debit(ctx: Ctx, intent: Obj) -> Attempt:
    """The bank's answer to a debit: the money is there, or comes back."""
    charge = ctx.store.get("charge", intent["latest_charge"])
    method = ctx.store.get("payment_method", intent["payment_method"])
    behavior = payment_method_behavior(method)
    intent["_due"] = None
    if behavior.decline_code is not None:
        error = debit_error(behavior.decline_code, behavior.message, charge, method)
        charge.update(
            amount_captured=0,
            captured=False,
            failure_code=error["code"],
            failure_message=error["message"],
            outcome=None,
            status="failed",
        )
        ctx.store.put(charge)
        ctx.emit("charge.failed", charge)
        return replace(_fail(ctx, intent, error, charge), debit=True)
    charge.update(balance_transaction=ctx.store.new_id("txn"), paid=True, status="succeeded")
    ctx.store.put(charge)
    ctx.emit("charge.succeeded", charge)
    _succeed(ctx, intent, intent["amount"])
    if behavior.dispute:
        open_dispute(ctx, charge, behavior.dispute, "chargeback")
    return Attempt(intent, charge, debit=True)


def _declined(ctx: Ctx, intent: Obj, method: Obj, code: str, decline_code: str, message: str) -> Attempt:
    charge = new_charge(ctx, intent, method)
    intent["latest_charge"] = charge["id"]
    error = card_error(code, decline_code, message, charge, method)
    charge.update(
        amount_captured=0,
        balance_transaction=None,
        captured=False,
        failure_code=code,
        failure_message=message,
        outcome=outcome("issuer_declined", "declined_by_network", decline_code, message),
        paid=False,
        receipt_url=None,
        status="failed",
    )
    ctx.store.put(charge)
    ctx.emit("charge.failed", charge)
    return _fail(ctx, intent, error, charge)


def _succeed(ctx: Ctx, intent: Obj, amount: int) -> None:
    intent.update(amount_received=amount, last_payment_error=None, next_action=None, status="succeeded")
    ctx.store.put(intent)
    ctx.emit("payment_intent.succeeded", intent)


def _fail(ctx: Ctx, intent: Obj, error: Obj, charge: Obj | None) -> Attempt:
    intent.update(
        last_payment_error=error, next_action=None, payment_method=None, status="requires_payment_method"
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.payment_failed", intent)
    return Attempt(intent, charge, error=error)


def _needs_action(ctx: Ctx, intent: Obj) -> Attempt:
    intent.update(
        last_payment_error=None,
        next_action=authentication_at(ctx, intent["client_secret"], intent.get("_return_url")),
        status="requires_action",
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.requires_action", intent)
    return Attempt(intent, None, needs_action=True)

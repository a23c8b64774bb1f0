"""Refunds: money back from a charge, and what becomes of it.

How a refund goes is told by the card that was charged (the test tokens of payment_methods.py):

    succeeds         succeeded
    fails            succeeded -> failed
    pends            pending -> succeeded
    pends_and_fails  pending -> failed
    fails_at_once    failed
    requires_action  requires_action -> canceled (on request) | failed (expired)
    action_taken     requires_action -> succeeded, or canceled before that

`succeeded` is not final: a refund may still fail later, and then the charge can be refunded again.
https://docs.stripe.com/refunds, https://docs.stripe.com/api/refunds
"""

from typing import Any

from stripe.params import (
    ChargeListRefundsParams,
    RefundCancelParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
    RefundUpdateParams,
)
from stripe.params.test_helpers import RefundExpireParams

from ..core.amounts import text
from ..core.filters import listed
from ..core.kernel import Ctx, Obj, attends, expandable, invalid, list_object, merge_metadata, public, route
from ..core.periods import DAY
from ..core.updates import changed, differences, not_built
from ..customers.other_methods import CASH
from ..customers.payment_methods import payment_method_behavior
from .disputes import TAKEN, close_refunded, refuse_disputed

KIND = "refund"
SETTLES_AFTER = 60
"""Seconds after which a pending refund succeeds, a failing one fails and a customer who does it acts."""
ACTION_WITHIN = 45 * DAY
"""Seconds that a customer has to say where the money should go."""
BEGINS = {
    "pends": "pending",
    "pends_and_fails": "pending",
    "fails_at_once": "failed",
    "requires_action": "requires_action",
    "action_taken": "requires_action",
}
"""The first status of those courses that don't begin with `succeeded`."""
GONE = ("failed", "canceled")
"""Statuses of refunds that took nothing from their charge in the end."""


def refund_charge(
    ctx: Ctx, charge: Obj, amount: int | None, *, reason: str | None = None, metadata: Any = None, **more: Any
) -> Obj:
    """Refund an amount (None: all that is left) of a charge, with its events.

    Raises 400: `charge_already_refunded`, `charge_disputed`, an amount over what is left (param amount).
    """
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] == "pending":
        raise invalid(
            f"Charge {charge['id']} is still pending: it can be refunded once it has succeeded.",
            code="charge_not_refundable",
            param="charge",
        )
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} did not succeed: there is nothing to refund.", param="charge")
    if left <= 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["payment_method_details"]["type"] == CASH:
        raise invalid("This stand-in refunds no bank transfers.", param="charge")
    refuse_disputed(ctx, charge)
    amount = left if amount is None else amount
    if amount <= 0:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        asked, rest = text(amount, charge["currency"]), text(left, charge["currency"])
        raise invalid(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})", param="amount"
        )
    refund = _blank(ctx, charge, amount)
    refund.update(reason=reason, metadata=merge_metadata(None, metadata), **more)
    _begin(ctx, refund, charge)
    return refund


@route("POST", "/v1/refunds", params=RefundCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Refund a payment intent or a charge, in whole or in part."""
    not_built(ctx, "customer", "origin", "refund_application_fee", "reverse_transfer")
    params = ctx.params
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    charge = _charge_of(ctx)
    if (params.get("currency") or charge["currency"]).lower() != charge["currency"]:
        raise invalid(
            f"The currency of a refund is that of its charge: {charge['currency']}.", param="currency"
        )
    return refund_charge(
        ctx,
        charge,
        params.get("amount"),
        reason=params.get("reason"),
        metadata=params.get("metadata"),
        instructions_email=params.get("instructions_email"),
    )


@route("GET", "/v1/refunds/{id}", params=RefundRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One refund."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", "/v1/refunds/{id}", params=RefundUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """A refund's metadata may change, nothing else."""
    refund = ctx.store.get(KIND, ctx.path["id"])
    before = public(refund)
    refund["metadata"] = merge_metadata(refund["metadata"], ctx.params.get("metadata"))
    return changed(ctx, refund, before, "refund.updated")


@route("POST", "/v1/refunds/{id}/cancel", params=RefundCancelParams, kind=KIND)
def cancel(ctx: Ctx) -> Obj:
    """Take back a refund that waits for the customer; no other can be."""
    refund = ctx.store.get(KIND, ctx.path["id"])
    if refund["status"] != "requires_action":
        raise invalid(
            f"You can only cancel a refund with the status requires_action. This one is {refund['status']}."
        )
    _end(ctx, refund, "canceled", None)
    return refund


@route("POST", "/v1/test_helpers/refunds/{id}/expire", params=RefundExpireParams, kind=KIND)
def expire(ctx: Ctx) -> Obj:
    """The customer never said where the money should go: the refund fails."""
    refund = ctx.store.get(KIND, ctx.path["id"])
    if refund["status"] != "requires_action":
        raise invalid(f"Only a refund that requires action can expire. This one is {refund['status']}.")
    _end(ctx, refund, "failed", "unknown")
    return refund


@route("GET", "/v1/refunds", params=RefundListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Refunds by charge or payment intent, newest first."""
    return listed(ctx, KIND, "/v1/refunds", "charge", "payment_intent")


@route("GET", "/v1/charges/{id}/refunds", params=ChargeListRefundsParams, kind=KIND)
def list_of_charge(ctx: Ctx) -> Obj:
    """The refunds of one charge, newest first."""
    charge = ctx.store.get("charge", ctx.path["id"])
    return ctx.page(ctx.store.related(KIND, "charge", charge["id"]), f"/v1/charges/{charge['id']}/refunds")


@attends(KIND)
def attend(ctx: Ctx, refund: Obj) -> None:
    """Time has passed over a refund: it settles, or fails."""
    course = refund["_course"]
    if course == "requires_action":
        _end(ctx, refund, "failed", "unknown")
    elif course in ("fails", "pends_and_fails"):
        _end(ctx, refund, "failed", "lost_or_stolen_card")
    else:
        _end(ctx, refund, "succeeded", None)


def _begin(ctx: Ctx, refund: Obj, charge: Obj) -> None:
    """Book the refund as its card lets it start, and tell of it."""
    course = refund["_course"]
    refund["status"] = BEGINS.get(course, "succeeded")
    if refund["status"] == "pending":
        refund["pending_reason"] = "processing"
    if refund["status"] == "requires_action":
        expires = ctx.now + ACTION_WITHIN
        sent = {
            "email_sent_at": ctx.now,
            "email_sent_to": refund["instructions_email"] or "customer@example.com",
        }
        refund["next_action"] = {
            "display_details": {"email_sent": sent, "expires_at": expires},
            "type": "display_details",
        }
        refund["_due"] = expires
    if course in ("pends", "pends_and_fails", "fails", "action_taken"):
        refund["_due"] = ctx.now + SETTLES_AFTER
    if refund["reason"] == "fraudulent":
        charge["fraud_details"] = {"user_report": "fraudulent"}
    ctx.store.put(refund)
    ctx.emit("refund.created", refund)
    if course == "fails_at_once":
        refund.update(failure_reason="declined", failure_balance_transaction=ctx.store.new_id("txn"))
        ctx.store.put(charge)
        ctx.emit("refund.failed", refund)
        return
    _book(ctx, charge, refund["amount"])
    ctx.emit("charge.refunded", charge)
    if charge["refunded"]:
        close_refunded(ctx, charge)


def _end(ctx: Ctx, refund: Obj, status: str, failure: str | None) -> None:
    """A refund's last word; one that came to nothing gives its amount back to the charge."""
    before = public(refund)
    refund.update(status=status, _due=None, next_action=None, pending_reason=None)
    if status in GONE:
        refund["failure_balance_transaction"] = ctx.store.new_id("txn")
        charge = ctx.store.get("charge", refund["charge"])
        _book(ctx, charge, -refund["amount"])
    if failure is not None:
        refund["failure_reason"] = failure
    ctx.store.put(refund)
    changes = differences(before, refund)
    ctx.emit("refund.updated", refund, changes)
    ctx.emit("charge.refund.updated", refund, changes)
    if status == "failed":
        ctx.emit("refund.failed", refund)


def _book(ctx: Ctx, charge: Obj, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    ctx.store.put(charge)


def _charge_of(ctx: Ctx) -> Obj:
    if "charge" in ctx.params:
        return ctx.store.get("charge", ctx.params["charge"], param="charge", status=404)
    intent = ctx.store.get("payment_intent", ctx.params["payment_intent"], param="payment_intent", status=404)
    if intent["latest_charge"] is None or intent["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return ctx.store.get("charge", intent["latest_charge"])


def _blank(ctx: Ctx, charge: Obj, amount: int) -> Obj:
    method = ctx.store.get("payment_method", charge["payment_method"])
    return {
        "id": ctx.store.new_id("re" if method["type"] == "card" else "pyr"),
        "object": KIND,
        "amount": amount,
        "balance_transaction": ctx.store.new_id("txn"),
        "charge": charge["id"],
        "created": ctx.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": _destination(method["type"]),
        "instructions_email": None,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
        "_clock": ctx.clock,
        "_course": payment_method_behavior(method).refund,
    }


def _destination(type: str) -> Obj:
    """Where the money goes: to the card, or as a transfer to the bank account that was debited."""
    if type == "us_bank_account":
        return {"type": "us_bank_transfer", "us_bank_transfer": {}}
    if type == "sepa_debit":
        return {"eu_bank_transfer": {}, "type": "eu_bank_transfer"}
    card = {
        "reference_status": "pending",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    return {"card": card, "type": "card"}


def _refunds_of(ctx: Ctx, charge: Obj) -> Obj:
    found = ctx.store.related(KIND, "charge", charge["id"])
    return list_object(found[:10], f"/v1/charges/{charge['id']}/refunds", has_more=len(found) > 10)


def _fail_pending(ctx: Ctx, charge: Obj) -> None:
    """A dispute takes what was on its way back: https://docs.stripe.com/refunds#failed-refunds."""
    for refund in ctx.store.related(KIND, "charge", charge["id"]):
        if refund["status"] == "pending":
            _end(ctx, refund, "failed", "charge_for_pending_refund_disputed")


TAKEN.append(_fail_pending)
expandable("charge", "refunds", _refunds_of)

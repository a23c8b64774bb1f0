"""Disputes as objects: https://docs.stripe.com/api/disputes/object."""

from stripe.params import DisputeUpdateParamsEvidence

from ..core.kernel import Ctx, Obj
from ..core.periods import DAY

KIND = "dispute"
RESPOND_WITHIN = 9 * DAY
"""Seconds that one has to respond."""
FEE = 1500
"""What a chargeback costs, in the charge's minor units: recorded behavior."""
NETWORK_REASONS = {"fraudulent": "10.4", "product_not_received": "13.1"}
"""How Visa numbers a reason: https://docs.stripe.com/disputes/categories#network-code-map."""


def new_dispute(ctx: Ctx, charge: Obj, reason: str, *, inquiry: bool) -> Obj:
    """A dispute of all of a charge, as it comes in; not stored yet."""
    card = charge["payment_method_details"].get("card")
    code = NETWORK_REASONS.get(reason)
    return {
        "id": ctx.store.new_id("du"),
        "object": KIND,
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": ctx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {
            **{name: None for name in DisputeUpdateParamsEvidence.__annotations__ if name != "appeal"},
            "enhanced_evidence": {},
        },
        "evidence_details": {
            "due_by": ctx.now + RESPOND_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": code,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": card
        and {
            "card": {
                "brand": card["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": card["brand"],
                "network_reason_code": code,
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
        "_clock": ctx.clock,
        "_due": ctx.now + RESPOND_WITHIN,
        "_verdict": None,
    }


def movement(ctx: Ctx, dispute: Obj, amount: int, fee: int) -> Obj:
    """The balance transaction by which a chargeback's money is withdrawn (negative) or comes back."""
    withdrawn = amount < 0
    details = {
        "amount": fee,
        "application": None,
        "currency": dispute["currency"],
        "description": "Dispute fee",
        "type": "stripe_fee",
    }
    return {
        "id": ctx.store.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": ctx.now,
        "balance_type": "payments",
        "created": ctx.now,
        "currency": dispute["currency"],
        "description": f"Chargeback {'withdrawal' if withdrawn else 'reversal'} for {dispute['charge']}",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": "dispute" if withdrawn else "dispute_reversal",
        "source": dispute["id"],
        "status": "available",
        "type": "adjustment",
    }

"""Disputes as objects: https://docs.stripe.com/api/disputes/object."""

from stripe.params import DisputeUpdateParamsEvidence

from ..core.kernel import Ctx, Obj
from ..core.periods import DAY
from ..customers.test_cards import Case

KIND = "dispute"
RESPOND_WITHIN = 9 * DAY
"""Seconds that one has to respond."""
FEE = 1500
"""What a chargeback costs, in the charge's minor units: recorded behavior."""
NETWORK_REASONS = {"fraudulent": "10.4", "product_not_received": "13.1"}
"""How Visa numbers a reason: https://docs.stripe.com/disputes/categories#network-code-map."""


BEGINS: dict[Case, str] = {
    "chargeback": "needs_response",
    "inquiry": "warning_needs_response",
    "resolution": "prevented",
}
"""What a dispute is when it comes in."""


def new_dispute(ctx: Ctx, charge: Obj, reason: str, case: Case) -> Obj:
    """A dispute of what was not refunded of a charge, as it comes in; not stored yet."""
    prevented = case == "resolution"
    card = charge["payment_method_details"].get("card")
    code = NETWORK_REASONS.get(reason)
    return {
        "id": ctx.store.new_id("du"),
        "object": KIND,
        "amount": charge["amount"] - charge["amount_refunded"],
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
            "due_by": None if prevented else ctx.now + RESPOND_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": case == "inquiry",
        "livemode": False,
        "metadata": {},
        "network_reason_code": code,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": card
        and {
            "card": {
                "brand": card["brand"],
                "case_type": case,
                "network": card["brand"],
                "network_reason_code": code,
            },
            "type": "card",
        },
        "reason": reason,
        "status": BEGINS[case],
        "_clock": ctx.clock,
        "_due": None if prevented else ctx.now + RESPOND_WITHIN,
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

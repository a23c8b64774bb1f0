"""What a payment or a refund does to the account's balance at Stripe: shown where it is expanded.

The fee is that of cards in the United States, 2.9% and 30 (recorded behavior); Stripe keeps it of a refund.
https://docs.stripe.com/api/balance_transactions/object
"""

from decimal import Decimal

from ..core.amounts import nearest
from ..core.kernel import Ctx, Obj, expandable

RATE, FIXED = Decimal("0.029"), 30


def _of_charge(ctx: Ctx, charge: Obj) -> Obj | None:
    if charge["balance_transaction"] is None:
        return None
    amount = charge["amount_captured"]
    return _shape(charge, amount, nearest(amount * RATE) + FIXED, "charge")


def _of_refund(ctx: Ctx, refund: Obj) -> Obj:
    return _shape(refund, -refund["amount"], 0, "refund")


def _shape(source: Obj, amount: int, fee: int, type: str) -> Obj:
    details = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": source["balance_transaction"],
        "object": "balance_transaction",
        "amount": amount,
        "available_on": source["created"],
        "balance_type": "payments",
        "created": source["created"],
        "currency": source["currency"],
        "description": source["description"] if type == "charge" else "REFUND FOR CHARGE",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": type,
        "source": source["id"],
        "status": "pending",
        "type": type,
    }


expandable("charge", "balance_transaction", _of_charge)
expandable("refund", "balance_transaction", _of_refund)

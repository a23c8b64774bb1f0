"""The examples of money back in the OpenAPI document; a test holds each against its model."""

from ..http.examples import Example

_REFUND, _CREDIT = "op_01JD1B2K9F4S7N6V5C3X8Z0RQM", "op_01JD1C5T2H8W4Y7K6P3N9B0SDL"
_ADMIN, _CONTROLLER = (f"per_01JD0V5N3C8Q7W2E4R6T9Y1XK{n}" for n in "AB")
_PAYMENT, _CHARGE = "pi_3SVxkP2eZvKYlo2C1aBcDeFg", "ch_3SVxkP2eZvKYlo2C1hIjKlMn"
_CUSTOMER, _INVOICE = "cus_R3t4Y5u6I7o8P9", "in_1R3t4Y5u6I7o8P9a"
_STRIPE_REFUND, _BALANCE_TRANSACTION = "re_3SVxkP2eZvKYlo2C1mWb4uJd", "cbtxn_1SVy0R2eZvKYlo2CqWeRtYuI"
_ASKED, _LATER = "2026-04-16T09:00:00Z", "2026-04-16T09:00:02Z"
_TEXT = "The April invoice was paid twice, see mail of 15 April."
_CREDIT_TEXT = "The portal was down for two days; agreed on the phone."


def _usd(amount: int) -> Example:
    return {"amount_minor": amount, "currency": "usd"}


REFUND: Example = {
    "payment_intent": _PAYMENT,
    "invoice": None,
    "amount_minor": 75_000,
    "currency": "usd",
    "reason": "duplicate",
    "note": _TEXT,
    "confirm_fraudulent": False,
}
CREDIT: Example = {
    "customer": _CUSTOMER,
    "amount_minor": 40_000,
    "currency": "usd",
    "instrument": "balance",
    "invoice": None,
    "reason": "goodwill",
    "note": _CREDIT_TEXT,
}
REFUND_RESOLUTION: Example = {"action": "retry", "comment": "The customer has given us another account."}
CREDIT_RESOLUTION: Example = {"action": "accept", "comment": "The invoice was paid in between; that is fine."}
NOTE_BODY: Example = {"note": "The customer confirmed by phone that the money arrived."}
NOTE: Example = {
    "id": "note_01JD1B2K9F4S7N6V5C3X8Z0RQN",
    "operation": _REFUND,
    "seq": 1,
    "text": f"{_TEXT} (Stripe payment {_PAYMENT})",
    "author": _ADMIN,
    "at": _ASKED,
}
CREDIT_NOTE: Example = NOTE | {
    "id": "note_01JD1C5T2H8W4Y7K6P3N9B0SDM",
    "operation": _CREDIT,
    "text": _CREDIT_TEXT,
}


def _accepted(kind: str, id_: str, request: Example) -> Example:
    return {
        "id": id_,
        "kind": kind,
        "state": "accepted",
        "stage": "accepted",
        "request": request,
        "subject": None,
        "requested_by": _ADMIN,
        "created_at": _ASKED,
        "updated_at": _ASKED,
        "result": None,
        "error": None,
        "allowed_actions": ["cancel"],
        "approval": None,
        "workflow_id": f"operation-{id_}",
        "pending": False,
    }


def _in_review(accepted: Example, subject: Example) -> Example:
    return accepted | {
        "state": "awaiting_approval",
        "stage": "review",
        "subject": subject,
        "updated_at": _LATER,
        "approval": f"apr_{accepted['id'].removeprefix('op_')}-1",
    }


_CANCELLED: Example = {"state": "cancelled", "stage": "done", "allowed_actions": []}

ACCEPTED_REFUND = _accepted("refund", _REFUND, REFUND)
REFUND_IN_REVIEW = _in_review(
    ACCEPTED_REFUND,
    {
        "payment_intent": _PAYMENT,
        "invoice": None,
        "customer": _CUSTOMER,
        "amount": _usd(75_000),
        "parts": [{"payment_intent": _PAYMENT, "charge": _CHARGE, "amount": 75_000}],
        "reason": "duplicate",
        "note": _TEXT,
        "paid": _usd(150_000),
        "refunded_before": _usd(0),
    },
)
CANCELLED_REFUND: Example = REFUND_IN_REVIEW | _CANCELLED
PENDING_REFUND: Example = REFUND_IN_REVIEW | {"pending": True}
FAILED_REFUND: Example = REFUND_IN_REVIEW | {
    "state": "failed",
    "stage": "refund_failed",
    "result": {
        "refund": _STRIPE_REFUND,
        "status": "failed",
        "payment_intent": _PAYMENT,
        "amount": _usd(75_000),
        "refunded": _usd(0),
        "note": f"{_TEXT} (Stripe payment {_PAYMENT})",
        "parts": [
            {
                "refund": _STRIPE_REFUND,
                "status": "failed",
                "payment_intent": _PAYMENT,
                "amount": _usd(75_000),
                "failure_reason": "expired_or_canceled_card",
            }
        ],
    },
    "error": {
        "code": "refund_failed",
        "message": f"The refund of USD 750.00 of {_PAYMENT} failed, "
        "because the card has expired or was cancelled.",
    },
    "allowed_actions": ["retry", "close"],
}
FAILED_REFUND_PENDING: Example = FAILED_REFUND | {"pending": True}

ACCEPTED_CREDIT = _accepted("credit", _CREDIT, CREDIT)
CREDIT_IN_REVIEW = _in_review(
    ACCEPTED_CREDIT,
    {
        "customer": _CUSTOMER,
        "instrument": "balance",
        "invoice": None,
        "invoice_number": None,
        "amount": _usd(40_000),
        "reduces_due": _usd(0),
        "to_balance": _usd(40_000),
        "reason": "goodwill",
        "note": _CREDIT_TEXT,
    },
)
CANCELLED_CREDIT: Example = CREDIT_IN_REVIEW | _CANCELLED
PENDING_CREDIT: Example = CREDIT_IN_REVIEW | {"pending": True}
MISMATCHED_CREDIT: Example = CREDIT_IN_REVIEW | {
    "state": "mismatched",
    "stage": "mismatched",
    "result": {
        "object": _BALANCE_TRANSACTION,
        "instrument": "balance",
        "customer": _CUSTOMER,
        "invoice": None,
        "amount": _usd(4_000),
        "reduces_due": _usd(0),
        "to_balance": _usd(4_000),
        "note": _CREDIT_TEXT,
        "differences": ["amount is 4000 instead of 40000", "to_balance is 4000 instead of 40000"],
        "verified": False,
        "balance_after": _usd(-4_000),
        "invoice_remaining": None,
    },
    "error": {
        "code": "credit_differs",
        "message": "In Stripe, amount is 4000 instead of 40000; to_balance is 4000 instead of 40000.",
    },
    "allowed_actions": ["accept"],
}
MISMATCHED_CREDIT_PENDING: Example = MISMATCHED_CREDIT | {"pending": True}

PAYMENT: Example = {
    "id": _PAYMENT,
    "customer": _CUSTOMER,
    "invoice": _INVOICE,
    "amount": _usd(150_000),
    "amount_refunded": _usd(75_000),
    "refundable": _usd(75_000),
    "disputed": False,
    "status": "succeeded",
    "created_at": "2026-04-02T10:21:00Z",
    "synced_at": "2026-04-16T09:00:04Z",
}
PAYMENT_WITH_REFUNDS: Example = PAYMENT | {
    "refunds": [
        {
            "id": _STRIPE_REFUND,
            "operation": _REFUND,
            "amount": _usd(75_000),
            "status": "succeeded",
            "reason": "duplicate",
            "failure_reason": None,
            "created_at": "2026-04-16T09:00:03Z",
            "synced_at": "2026-04-16T09:00:04Z",
        }
    ]
}

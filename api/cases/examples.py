"""The examples of cases."""

from ..http.examples import ACCEPTED_OPERATION, CUSTOMER, PERSON, Example

_ID = "op_01JD2D8X4M6P9R2T5V7W0Y3Z5B"
_REFUND, _PAYMENT = "re_3SVxkP2eZvKYlo2C1mWb4uJd", "pi_3SVxkP2eZvKYlo2C1aBcDeFg"
_NOTICED, _DEADLINE = "2026-04-16T14:00:00Z", "2026-04-17T14:00:00Z"
_WORDS = "Paid twice; refunded in the dashboard while the console was being deployed."
_AMOUNT: Example = {"amount_minor": 30_000, "currency": "usd"}
_FOUND: Example = {
    "object_kind": "refund",
    "object": _REFUND,
    "made_at": "2026-04-16T13:59:41Z",
    "customer": CUSTOMER["id"],
    "amount": _AMOUNT,
    "payment_intent": _PAYMENT,
    "invoice": None,
    "reason": "duplicate",
    "from": None,
    "to": None,
    "status": "succeeded",
}

CLOSE: Example = {"note": _WORDS, "done_by": PERSON["id"]}
CONFIRM: Example = {"made": True, "comment": None}
CASE: Example = {
    "id": _ID,
    "object_kind": "refund",
    "object": _REFUND,
    "customer": CUSTOMER["id"],
    "amount": _AMOUNT,
    "payment_intent": _PAYMENT,
    "state": "running",
    "stage": "note_owed",
    "owner": None,
    "done_by": None,
    "named": None,
    "beyond_authority": None,
    "noticed_at": _NOTICED,
    "deadline": _DEADLINE,
    "escalated": False,
    "escalated_at": None,
    "closed_at": None,
    "allowed_actions": ["take", "close"],
}
TAKEN: Example = ACCEPTED_OPERATION | {
    "id": _ID,
    "kind": "case",
    "state": "running",
    "stage": "note_owed",
    "request": _FOUND,
    "subject": {name: value for name, value in _FOUND.items() if value is not None},
    "requested_by": "system",
    "created_at": _NOTICED,
    "updated_at": "2026-04-16T14:00:01Z",
    "allowed_actions": ["take", "close"],
    "workflow_id": f"operation-{_ID}",
}
TAKE_PENDING: Example = TAKEN | {"pending": True}
CLOSED: Example = TAKEN | {
    "state": "completed",
    "stage": "done",
    "updated_at": "2026-04-16T15:20:04Z",
    "result": {
        "object": _REFUND,
        "note": f"{_WORDS} (Stripe payment {_PAYMENT})",
        "noted_in_stripe": True,
        "done_by": PERSON["id"],
        "beyond_authority": False,
        "why_beyond": None,
        "counted": True,
        "in_time": True,
        "problem": None,
        "told_the_maker_alone": False,
    },
    "allowed_actions": [],
}
CLOSE_PENDING: Example = TAKE_PENDING
NOTE_BODY: Example = {"note": "The customer confirmed that the money arrived."}
NOTE: Example = {
    "id": "note_01JD2DA1C3E5G7J9M1P3R5T7V9",
    "operation": _ID,
    "seq": 1,
    "text": f"{_WORDS} (Stripe payment {_PAYMENT})",
    "author": PERSON["id"],
    "at": "2026-04-16T15:20:03Z",
}

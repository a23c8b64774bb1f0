"""The examples of reminder runs and of what was decided about an invoice."""

from billing.reminders.rules import WORDS

from ..http.examples import ACCEPTED_OPERATION, CUSTOMER, INVOICE, Example

_ID = "op_01JD0V9K2M5P8R1T4W7Z0C3F6H"

RUN: Example = {"dry_run": False}
COMMENT: Example = {"comment": "The price list is being corrected."}
ACCEPTED: Example = ACCEPTED_OPERATION | {
    "id": _ID,
    "kind": "reminder_run",
    "request": RUN,
    "allowed_actions": ["pause", "cancel"],
    "workflow_id": f"operation-{_ID}",
}
SENDING: Example = ACCEPTED | {
    "state": "running",
    "stage": "sending",
    "updated_at": "2026-04-16T00:00:02Z",
    "subject": {"dry_run": False, "seen": 3},
}
PAUSED: Example = SENDING | {"state": "held", "stage": "paused", "allowed_actions": ["resume", "cancel"]}
CANCELLED: Example = SENDING | {
    "state": "cancelled",
    "stage": "cancelled",
    "allowed_actions": [],
    "result": {
        "seen": 3,
        "dry_run": False,
        "counts": [
            {"state": "sent", "reason": "sent", "mails": 1, "amounts": {"usd": 100000}},
            {"state": "skipped", "reason": "called_off", "mails": 1, "amounts": {"usd": 5000}},
        ],
    },
}
PENDING: Example = SENDING | {"pending": True}
READ: Example = SENDING | {
    "progress": {
        "seen": 3,
        "mails": 3,
        "counts": [
            {
                "state": "held",
                "reason": "quiet_hours",
                "words": WORDS["quiet_hours"],
                "mails": 2,
                "amounts": [
                    {"amount_minor": 42000, "currency": "eur"},
                    {"amount_minor": 5000, "currency": "usd"},
                ],
            },
            {
                "state": "sent",
                "reason": "sent",
                "words": WORDS["sent"],
                "mails": 1,
                "amounts": [{"amount_minor": 100000, "currency": "usd"}],
            },
        ],
    }
}
DECISION: Example = {
    "id": "cml_01JD0V9K9Q2T5W8Y1B4D7G0J3M",
    "run": _ID,
    "invoice": INVOICE["id"],
    "customer": CUSTOMER["id"],
    "step": "due-7d",
    "state": "sent",
    "reason": "sent",
    "words": WORDS["sent"],
    "decided_at": "2026-04-23T07:00:00Z",
    "due_at": "2026-04-23T07:00:00Z",
    "settled_at": "2026-04-23T07:00:01Z",
    "amount": INVOICE["amount_remaining"],
}
PAUSE: Example = {"until": "2026-05-04", "reason": "They asked for a copy of the contract first."}
PAUSED_INVOICE: Example = PAUSE | {
    "invoice": INVOICE["id"],
    "paused": True,
    "paused_by": ACCEPTED_OPERATION["requested_by"],
    "paused_at": "2026-04-24T09:30:00Z",
}
NOT_PAUSED: Example = {
    "invoice": INVOICE["id"],
    "paused": False,
    "until": None,
    "reason": None,
    "paused_by": None,
    "paused_at": None,
}
OF_INVOICE: Example = {
    "data": [DECISION],
    "next_cursor": None,
    "next": {"step": "due-1d", "due_at": "2026-04-29T07:00:00Z", "sends_at": "2026-04-29T07:00:00Z"},
    "why_none": None,
    "pause": NOT_PAUSED,
}

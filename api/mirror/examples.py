"""The examples of runs that compare with Stripe, and of what they found."""

from ..http.examples import ACCEPTED_OPERATION, INVOICE, Example

_ID = "rec_01JD0W3M5P8R1T4W7Z0C3F6H9K"

WAITING: Example = {
    "id": _ID,
    "requested_by": ACCEPTED_OPERATION["requested_by"],
    "state": "running",
    "stage": "waiting",
    "started_at": "2026-04-24T09:30:00Z",
    "ended_at": None,
    "events_missed": 0,
    "counts": [],
    "error": None,
}
COMPLETED: Example = WAITING | {
    "state": "completed",
    "stage": "missing_invoices",
    "ended_at": "2026-04-24T09:30:04Z",
    "counts": [
        {"object_kind": "subscription", "compared": 1, "differing": 0},
        {"object_kind": "customer", "compared": 48, "differing": 0},
        {"object_kind": "invoice", "compared": 212, "differing": 1},
    ],
}
DIFFERENCE: Example = {
    "id": "dif_01JD0W3MB2E5H8K1N4Q7T0W3Z6",
    "reconciliation": _ID,
    "object_kind": "invoice",
    "object": INVOICE["id"],
    "fields": [
        {"name": "status", "ours": "open", "stripe": "paid", "currency": None},
        {"name": "amount_paid", "ours": 0, "stripe": 100000, "currency": "usd"},
        {"name": "amount_remaining", "ours": 100000, "stripe": 0, "currency": "usd"},
    ],
    "since": "2026-04-24T08:15:02Z",
    "found_at": "2026-04-24T09:30:02Z",
    "mend": "overwritten",
}

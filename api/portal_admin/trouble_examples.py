"""The examples of troubles with the portal, and of what keeps a customer out."""

from ..http.examples import ACCEPTED_OPERATION, CUSTOMER, INVOICE, Example

_ID = "op_01JD0V9K2M5P8R1T4W7Z0C3F6H"
_DEADLINE = "2026-04-16T21:00:00Z"

REPORT: Example = {"invoice": INVOICE["id"], "description": "The link says that it is no longer valid."}
CLOSE: Example = {"note": "Sent the PDF by mail; they pay by bank transfer."}
ACCEPTED: Example = ACCEPTED_OPERATION | {
    "id": _ID,
    "kind": "portal_access",
    "request": {
        "invoice": INVOICE["id"],
        "customer": CUSTOMER["id"],
        "cause": "reported",
        "description": REPORT["description"],
    },
    "allowed_actions": ["close"],
    "workflow_id": f"operation-{_ID}",
}
OPEN: Example = ACCEPTED | {
    "state": "running",
    "stage": "waiting",
    "updated_at": "2026-04-16T00:00:01Z",
    "subject": {
        "invoice": INVOICE["id"],
        "customer": CUSTOMER["id"],
        "cause": "reported",
        "found": ["expired"],
        "deadline": _DEADLINE,
    },
}
PENDING: Example = OPEN | {"pending": True}
TROUBLE: Example = {
    "id": _ID,
    "invoice": INVOICE["id"],
    "customer": CUSTOMER["id"],
    "cause": "reported",
    "state": "running",
    "noticed_at": "2026-04-16T00:00:00Z",
    "deadline": _DEADLINE,
    "escalated": False,
    "escalated_at": None,
    "closed_at": None,
    "how": None,
    "allowed_actions": ["close"],
}
DIAGNOSIS: Example = {
    "invoice": INVOICE["id"],
    "at": "2026-04-16T14:10:00Z",
    "findings": [
        {
            "code": "expired",
            "since": "2026-04-15T09:00:00Z",
            "words": "Their link has expired.",
            "evidence": [
                {
                    "kind": "link",
                    "id": "plk_01JD0V6Q4N7S0V3X6A9C2E5G8J",
                    "at": "2026-04-15T09:00:00Z",
                    "what": "expired",
                },
                {
                    "kind": "visit",
                    "id": "pac_01JD0V8B1D4F7H0K3M6P9R2T5V",
                    "at": "2026-04-16T14:02:11Z",
                    "what": "expired from 192.0.2.7",
                },
            ],
            "action": {
                "where": "plixo",
                "method": "POST",
                "path": f"/v1/invoices/{INVOICE['id']}/portal-links/resend",
                "does": "Ends the older links and mails a new one.",
            },
        }
    ],
}

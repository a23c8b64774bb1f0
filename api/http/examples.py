"""The examples of the OpenAPI document; a test holds each against its model."""

from typing import Any

Example = dict[str, Any]

_OP = "op_01JD0V7G8M3Q2Z6W5T4R9YXKBN"
_APR = "apr_01JD0V7G8M3Q2Z6W5T4R9YXKBN-1"
_ADMIN, _CONTROLLER, _FINANCE = (f"per_01JD0V5N3C8Q7W2E4R6T9Y1XK{n}" for n in "ABC")
_HASH = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
_START, _CHANGE, _END = 1775001600, 1776297600, 1777593600


def listed(example: Example) -> Example:
    """A page with one row and another page behind it."""
    return {"data": [example], "next_cursor": "b3BfMDFKRDBWN0c4TTNRMlo2VzVUNFI5WVhLQk4"}


PLAN_CHANGE: Example = {
    "plan": "growth",
    "seats": 12,
    "interval": "month",
    "effective": "now",
    "invoicing": "immediately",
    "reason": "Two teams join in May.",
}
CANCEL: Example = {"comment": "The second team joins in autumn only."}
RESOLUTION: Example = {"action": "accept", "comment": "The coupon had ended; the lines are right."}
DECISION: Example = {"decision": "approve", "comment": "Lines checked.", "subject_hash": _HASH}

_PREVIEW: Example = {
    "lines": [
        {
            "kind": "credit",
            "description": "Unused time on 10 × Starter after 16 Apr 2026",
            "amount_minor": -5000,
            "period": {"start": _CHANGE, "end": _END},
            "price": "price_starter_month",
            "quantity": 10,
        },
        {
            "kind": "debit",
            "description": "Remaining time on 12 × Growth after 16 Apr 2026",
            "amount_minor": 12000,
            "period": {"start": _CHANGE, "end": _END},
            "price": "price_growth_month",
            "quantity": 12,
        },
    ],
    "due_now": {"amount_minor": 7000, "currency": "usd"},
    "next_invoice": {"amount_minor": 24000, "currency": "usd", "date": _END},
    "total": 7000,
    "currency": "usd",
    "hash": "0c9d4b1c7f3e5a628d90b1f2e3a4c5d6978899aabbccddeeff00112233445566",
}
_LIMITS: list[Example] = [
    {"name": "seats", "used": 9, "allowed": 12, "ok": True},
    {"name": "customers", "used": 48, "allowed": 500, "ok": True},
    {"name": "ar_balance", "used": 1250000, "allowed": None, "ok": True},
]
_SUBJECT: Example = {
    "from": {"plan": "starter", "price": "price_starter_month", "seats": 10, "interval": "month"},
    "to": {"plan": "growth", "price": "price_growth_month", "seats": 12, "interval": "month"},
    "effective": "now",
    "invoicing": "immediately",
    "proration_date": _CHANGE,
    "period_start": _START,
    "period_end": _END,
    "subscription": "sub_1Q2w3E4r5T6y7U8i",
    "subscription_item": "si_Q2w3E4r5T6y7U8",
    "preview": _PREVIEW,
    "limits": _LIMITS,
}

ACCEPTED_OPERATION: Example = {
    "id": _OP,
    "kind": "plan_change",
    "state": "accepted",
    "stage": "accepted",
    "request": PLAN_CHANGE,
    "subject": None,
    "requested_by": _ADMIN,
    "created_at": "2026-04-16T00:00:00Z",
    "updated_at": "2026-04-16T00:00:00Z",
    "result": None,
    "error": None,
    "allowed_actions": ["cancel"],
    "approval": None,
    "workflow_id": f"operation-{_OP}",
    "pending": False,
}
OPERATION: Example = ACCEPTED_OPERATION | {
    "state": "awaiting_approval",
    "stage": "review",
    "subject": _SUBJECT,
    "updated_at": "2026-04-16T00:00:01Z",
    "approval": _APR,
}
PENDING_OPERATION: Example = OPERATION | {"pending": True}
CANCELLED_OPERATION: Example = OPERATION | {"state": "cancelled", "stage": "done", "allowed_actions": []}
ACCEPTED_MISMATCH: Example = OPERATION | {"state": "completed", "stage": "done", "allowed_actions": []}

EVENT: Example = {
    "seq": 1,
    "at": "2026-04-16T00:00:00Z",
    "actor": _ADMIN,
    "event": "plan change requested",
    "detail": PLAN_CHANGE,
    "names": {_ADMIN: {"name": "Ada Admin", "roles": ["billing_admin"]}},
    "records": {f"operation/{_OP}": "9c1e5f0ab7d34826e5f1a0b9c8d7e6f5041322314a5b6c7d8e9fa0b1c2d3e4f5"},
    "prev_hash": "0" * 64,
    "hash": "b6d2f0c1a4e3958776655443322110ffeeddccbbaa99887766554433221100ff",
}

APPROVAL: Example = {
    "id": _APR,
    "operation": _OP,
    "kind": "plan_change",
    "round": 1,
    "subject": _SUBJECT,
    "subject_hash": _HASH,
    "amount": None,
    "customer": None,
    "reason": "Two teams join in May.",
    "rule": None,
    "since": None,
    "state": "open",
    "rung": 0,
    "ladder": [
        {
            "roles": ["controller"],
            "opens_at": "2026-04-16T13:00:00Z",
            "remind_at": ["2026-04-16T17:00:00Z"],
            "deadline": "2026-04-16T21:00:00Z",
            "state": "active",
            "needs": "any",
        },
        {
            "roles": ["legal"],
            "opens_at": "2026-04-16T21:00:00Z",
            "remind_at": [],
            "deadline": "2026-04-17T21:00:00Z",
            "state": "waiting",
            "needs": "any",
        },
    ],
    "deadline": "2026-04-16T21:00:00Z",
    "signatures": [],
    "requested_by": _ADMIN,
    "authors": [{"person": _ADMIN, "at": "2026-04-16T12:58:30Z", "how": "asked"}],
    "revised": None,
    "decided_by": None,
    "opened_at": "2026-04-16T13:00:00Z",
    "closed_at": None,
    "can_decide": True,
    "why_not": None,
    "recent": None,
    "pending": False,
}
DECIDED_APPROVAL: Example = APPROVAL | {
    "state": "approved",
    "signatures": [
        {"person": _CONTROLLER, "role": "controller", "at": "2026-04-16T14:10:00Z", "for_person": None}
    ],
    "decided_by": _CONTROLLER,
    "closed_at": "2026-04-16T14:10:00Z",
    "can_decide": False,
    "why_not": "This approval is already approved; nothing more can be decided on it.",
}
PENDING_APPROVAL: Example = APPROVAL | {"pending": True}

DELEGATE: Example = {
    "to": _FINANCE,
    "until": "2026-04-20T21:00:00Z",
    "from": None,
    "reason": "I travel until Monday.",
}
DELEGATION_BODY: Example = {
    "to": _FINANCE,
    "role": "controller",
    "starts_at": "2026-08-03T07:00:00Z",
    "ends_at": "2026-08-21T21:00:00Z",
    "reason": "On leave in August.",
}
DELEGATION: Example = {
    "id": "dlg_01JD0W2C5M8N1P4Q7R0S3T6VXY",
    "delegator": _CONTROLLER,
    "delegate": _FINANCE,
    "role": "controller",
    "approval": None,
    "starts_at": "2026-08-03T07:00:00Z",
    "ends_at": "2026-08-21T21:00:00Z",
    "reason": "On leave in August.",
    "state": "offered",
    "created_at": "2026-04-16T14:00:00Z",
    "accepted_at": None,
    "declined_at": None,
    "revoked_at": None,
    "revoked_by": None,
}
APPROVAL_DELEGATION: Example = DELEGATION | {
    "role": None,
    "approval": _APR,
    "starts_at": "2026-04-16T14:00:00Z",
    "ends_at": "2026-04-20T21:00:00Z",
    "reason": "I travel until Monday.",
}
ACCEPTED_DELEGATION: Example = DELEGATION | {
    "state": "upcoming",
    "accepted_at": "2026-04-16T15:20:00Z",
}
DECLINED_DELEGATION: Example = DELEGATION | {
    "state": "declined",
    "declined_at": "2026-04-16T15:20:00Z",
}
REVOKED_DELEGATION: Example = ACCEPTED_DELEGATION | {
    "state": "revoked",
    "revoked_at": "2026-05-04T08:15:00Z",
    "revoked_by": _CONTROLLER,
}
PERSON: Example = {"id": _CONTROLLER, "name": "Cleo Marsh", "roles": ["controller"], "active": True}

ORGANIZATION: Example = {
    "id": "org_01JD0V4M2B7P6Q5R4S3T2V1WXY",
    "name": "Acme Receivables",
    "plan": "starter",
    "seats": 10,
    "interval": "month",
    "renews_at": "2026-05-01T00:00:00Z",
    "limits": [
        {"name": "seats", "used": 9, "allowed": 10, "ok": True},
        {"name": "customers", "used": 48, "allowed": 50, "ok": True},
        {"name": "ar_balance", "used": 1250000, "allowed": 5000000, "ok": True},
    ],
    "unsupported": None,
    "pending_change": _OP,
    "stripe": {"customer": "cus_Q2w3E4r5T6y7U8", "subscription": "sub_1Q2w3E4r5T6y7U8i"},
    "synced_at": "2026-04-15T23:58:12Z",
}
PLAN: Example = {
    "plan": "growth",
    "name": "Growth",
    "seats_included": 50,
    "limits": {"seats": 50, "customers": 500, "ar_balance": None},
    "prices": [{"id": "price_growth_month", "interval": "month", "unit_amount": 2000, "currency": "usd"}],
    "unavailable": None,
}

CUSTOMER: Example = {
    "id": "cus_R3t4Y5u6I7o8P9",
    "name": "Blue Bottle GmbH",
    "email": "ap@bluebottle.example",
    "balance": {"amount_minor": -2500, "currency": "usd"},
    "created_at": "2025-11-03T09:12:00Z",
    "synced_at": "2026-04-15T23:58:12Z",
}
INVOICE: Example = {
    "id": "in_1R3t4Y5u6I7o8P9a",
    "customer": "cus_R3t4Y5u6I7o8P9",
    "number": "BLUE-0042",
    "status": "open",
    "total": {"amount_minor": 120000, "currency": "usd"},
    "amount_due": {"amount_minor": 120000, "currency": "usd"},
    "amount_paid": {"amount_minor": 20000, "currency": "usd"},
    "amount_remaining": {"amount_minor": 100000, "currency": "usd"},
    "due_date": "2026-04-30T00:00:00Z",
    "created_at": "2026-03-31T08:00:00Z",
    "synced_at": "2026-04-15T23:58:12Z",
}

NOTICE: Example = {
    "id": "ntc_01JD0V7G8M3Q2Z6W5T4R9YXKBN-plan_change_requested",
    "operation": _OP,
    "kind": "plan_change_requested",
    "subject": _SUBJECT,
    "state": "open",
    "deadline": "2026-04-16T21:00:00Z",
    "created_at": "2026-04-16T00:00:01Z",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "superseded_at": None,
    "superseded_because": None,
    "superseded_by": None,
    "pending": False,
}
ACKNOWLEDGED_NOTICE: Example = NOTICE | {
    "state": "acknowledged",
    "acknowledged_at": "2026-04-16T15:30:00Z",
    "acknowledged_by": _FINANCE,
}
PENDING_NOTICE: Example = NOTICE | {"pending": True}

STRIPE_EVENT: Example = {
    "id": "evt_3SVxkP2eZvKYlo2C1hQ8rTnM",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": _CHANGE,
    "data": {"object": {"id": "re_3SVxkP2eZvKYlo2C1mWb4uJd", "object": "refund", "status": "succeeded"}},
    "livemode": False,
    "pending_webhooks": 1,
    "request": {"id": None, "idempotency_key": None},
    "type": "refund.updated",
}
RECEIVED_WEBHOOK: Example = {"received": True}

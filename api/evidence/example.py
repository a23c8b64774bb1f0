"""An example of evidence, whole as the real ones are: of a credit that a controller approved."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing.evidence.document import Evidence, as_json, record_hash
from billing.evidence.events import ASKED_OF_STRIPE, CHANGED_IN_STRIPE, NOTE_ADDED, REVIEW_REQUESTED
from billing.evidence.records import (
    ApprovalRecord,
    CommitmentRecord,
    DecisionRecord,
    IntentRecord,
    Json,
    MailRecord,
    NoteRecord,
    OperationRecord,
    Record,
)
from billing.evidence.timeline import GENESIS, Event, event_hash
from billing.money.credit import CreditSubject, credit_hash
from billing.policy.policy import policy_hash
from billing.stripe.effects import params_hash

from ..money.examples import CREDIT, CREDIT_IN_REVIEW, CREDIT_NOTE

_AT = datetime(2026, 4, 16, 9, 0, tzinfo=UTC)
_OPERATION: str = CREDIT_IN_REVIEW["id"]
_ORGANIZATION = "org_01JD0V4M2B7P6Q5R4S3T2V1WXY"
_APPROVAL: str = CREDIT_IN_REVIEW["approval"]
_ADMIN: str = CREDIT_IN_REVIEW["requested_by"]
_CONTROLLER = "per_01JD0V5N3C8Q7W2E4R6T9Y1XKB"
_MADE, _REQUEST = "cbtxn_1SVy0R2eZvKYlo2CqWeRtYuI", "req_8mKq2YvT5nRzXc"
_KEY = f"{_ORGANIZATION}:{_OPERATION}:credit:1"
_SUBJECT: Json = CREDIT_IN_REVIEW["subject"]
_HASH = credit_hash(CreditSubject.model_validate(_SUBJECT))


def _limit(per_item: int, window_total: int) -> Json:
    return {
        "per_item": {"amount_minor": per_item, "currency": "usd"},
        "window_days": 30,
        "window_total": {"amount_minor": window_total, "currency": "usd"},
        "customer_total": None,
    }


_LIMITS: Json = {
    "billing_admin": [_limit(25_000, 100_000)],
    "controller": [_limit(1_000_000, 5_000_000)],
}
_POLICY: Json = {"currency": "usd", "authority": {"credit": _LIMITS}}


def _after(seconds: int) -> datetime:
    return _AT + timedelta(seconds=seconds)


_PEOPLE: dict[str, Json] = {
    _ADMIN: {"name": "Ada Admin", "roles": ["billing_admin"]},
    _CONTROLLER: {"name": "Cora Controller", "roles": ["controller"]},
}

_AUTHORS = [{"person": _ADMIN, "at": _AT, "how": "asked"}]
_OPERATION_RECORD = OperationRecord.model_validate(
    {
        "id": _OPERATION,
        "organization": _ORGANIZATION,
        "kind": "credit",
        "state": "completed",
        "stage": "done",
        "request": CREDIT,
        "subject": _SUBJECT,
        "requested_by": _ADMIN,
        "authors": _AUTHORS,
        "created_at": _AT,
        "updated_at": _after(903),
        "closed_at": _after(903),
        "result": {"object": _MADE, "amount": _SUBJECT["amount"], "verified": True},
        "error": None,
        "allowed_actions": [],
        "approval": _APPROVAL,
        "workflow_id": f"operation-{_OPERATION}",
    }
)
_APPROVAL_RECORD = ApprovalRecord.model_validate(
    {
        "id": _APPROVAL,
        "round": 1,
        "state": "approved",
        "subject": _SUBJECT,
        "subject_hash": _HASH,
        "requested_by": _ADMIN,
        "authors": _AUTHORS,
        "revised": None,
        "reason": "goodwill",
        "rule": "USD 400.00 is more than billing_admin's USD 250.00 for one item.",
        "amount": _SUBJECT["amount"],
        "customer": CREDIT["customer"],
        "authority": _LIMITS,
        "counted": ["refund", "credit"],
        "rung": 0,
        "ladder": [
            {
                "roles": ["controller"],
                "opens_at": "2026-04-16T13:00:00Z",
                "remind_at": ["2026-04-16T17:00:00Z"],
                "deadline": "2026-04-16T21:00:00Z",
                "state": "active",
                "needs": "any",
            }
        ],
        "deadline": "2026-04-16T21:00:00Z",
        "opened_at": _after(2),
        "closed_at": _after(900),
        "decided_by": _CONTROLLER,
        "signatures": [{"person": _CONTROLLER, "role": "controller", "at": _after(900), "for_person": None}],
    }
)
_DECISION = DecisionRecord.model_validate(
    {
        "id": "dec_01JD1D7A3K5M8N2P4Q6R9S0TUV",
        "approval": _APPROVAL,
        "person": _CONTROLLER,
        "for_person": None,
        "decision": "approve",
        "comment": None,
        "subject_hash": _HASH,
        "state": "accepted",
        "refusal": None,
        "created_at": _after(899),
        "settled_at": _after(900),
    }
)
_COMMITMENT = CommitmentRecord.model_validate(
    {
        "number": 0,
        "payment_intent": None,
        "customer": CREDIT["customer"],
        "amount": _SUBJECT["amount"],
        "person": _ADMIN,
        "authority_of": _CONTROLLER,
        "decided_at": _after(900),
        "released_at": None,
        "created_at": _after(1),
    }
)
_PARAMS: Json = {"amount": -40_000, "currency": "usd", "metadata": {"plixo_reason": "goodwill"}}
_INTENT = IntentRecord.model_validate(
    {
        "idempotency_key": _KEY,
        "step": "credit",
        "version": 1,
        "effect": "balance.create",
        "target": CREDIT["customer"],
        "params": _PARAMS,
        "params_hash": params_hash(CREDIT["customer"], _PARAMS),
        "state": "done",
        "stripe_id": _MADE,
        "stripe_request": _REQUEST,
        "result": {
            "amount": -40_000,
            "currency": "usd",
            "ending_balance": -40_000,
            "created": 1_776_330_902,
            "metadata": _PARAMS["metadata"] | {"plixo_operation": _OPERATION, "plixo_effect": _KEY},
        },
        "error": None,
        "read_back": False,
        "created_at": _after(901),
        "closed_at": _after(902),
    }
)
_NOTE = NoteRecord.model_validate(
    {"id": CREDIT_NOTE["id"], "seq": 1, "text": CREDIT["note"], "author": _ADMIN, "at": _AT}
)
_MAIL = MailRecord.model_validate(
    {
        "message_id": "<6f1ed002ab5595859014ebf0951522d9@billing.example.com>",
        "template": "money_ended",
        "recipient": _ADMIN,
        "sent_at": _after(904),
    }
)


def _timeline(*told: tuple[int, str, str, Json, tuple[Record, ...]]) -> list[Event]:
    """Each event with the records that were written with it, as they are in the end."""
    events: list[Event] = []
    for seq, (after, actor, event, detail, records) in enumerate(told, start=1):
        content: dict[str, Any] = {
            "seq": seq,
            "at": _after(after),
            "actor": actor,
            "event": event,
            "detail": detail,
            "names": {_ORGANIZATION: {"name": "Acme Receivables"}} | _PEOPLE if seq == 1 else _PEOPLE,
            "records": {record.record_name: record_hash(record) for record in records},
            "prev_hash": events[-1].hash if events else GENESIS,
        }
        events.append(Event(**content, hash=event_hash(_OPERATION, **content)))
    return events


_EFFECT: Json = {"step": "credit", "kind": "balance.create", "idempotency_key": _KEY}
_EVENTS = _timeline(
    (0, _ADMIN, "credit requested", CREDIT | {"policy_hash": policy_hash(_POLICY)}, (_NOTE,)),
    (0, _ADMIN, NOTE_ADDED, {"note": _NOTE.id, "seq": 1, "text": CREDIT["note"], "by": _ADMIN}, ()),
    (1, "system", "checked against Stripe", {"amount": _SUBJECT["amount"], "subject_hash": _HASH}, ()),
    (
        1,
        "system",
        "beyond the requester's authority",
        {
            "round": 1,
            "person": _ADMIN,
            "roles": ["billing_admin"],
            "customer": CREDIT["customer"],
            "amount": _SUBJECT["amount"],
            "counted": ["refund", "credit"],
            "limits": _LIMITS["billing_admin"],
            "used": {
                "30": {
                    "by_person": {"amount_minor": 0, "currency": "usd"},
                    "to_customer": {"amount_minor": 0, "currency": "usd"},
                }
            },
            "why": "USD 400.00 is more than billing_admin's USD 250.00 for one item.",
        },
        (),
    ),
    (2, "system", REVIEW_REQUESTED, {"approval": _APPROVAL, "round": 1, "subject_hash": _HASH}, ()),
    (
        900,
        _CONTROLLER,
        "approved",
        {
            "approval": _APPROVAL,
            "role": "controller",
            "comment": None,
            "subject_hash": _HASH,
            "authority_of": _CONTROLLER,
        },
        (_APPROVAL_RECORD, _DECISION, _COMMITMENT),
    ),
    (901, "system", ASKED_OF_STRIPE, _EFFECT, ()),
    (
        902,
        "system",
        CHANGED_IN_STRIPE,
        _EFFECT | {"object": _MADE, "stripe_request": _REQUEST, "read_back": False},
        (_INTENT,),
    ),
    (903, "system", "given as agreed, with its note in Stripe", {}, (_OPERATION_RECORD,)),
    (904, "system", "mail sent", {"template": "money_ended", "to": _ADMIN}, (_MAIL,)),
)

EVIDENCE: Json = as_json(
    Evidence(
        operation=_OPERATION_RECORD,
        policy=_POLICY,
        approvals=[_APPROVAL_RECORD],
        decisions=[_DECISION],
        delegations=[],
        commitments=[_COMMITMENT],
        intents=[_INTENT],
        notes=[_NOTE],
        notices=[],
        mails=[_MAIL],
        timeline=_EVENTS,
        head=_EVENTS[-1].hash,
    )
)

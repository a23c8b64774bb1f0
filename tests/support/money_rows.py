"""Rows of money back as tests need them, like those of `tests.support.builders`."""

from datetime import timedelta
from itertools import count
from typing import Any

from billing.core.operations import Kind
from billing.money.credit import CreditWanted
from billing.money.refund import RefundWanted
from billing.money.waiver import WaiverWanted
from db.tables import (
    BalanceTransactionRow,
    Commitment,
    CreditNoteRow,
    Delegation,
    DisputeRow,
    NoteRow,
    Operation,
    PaymentRow,
    Person,
    RefundRow,
    StripeEvent,
    new_id,
)

from .builders import NOW, Tenant, an_operation

_numbers = count(1)


def a_refund_operation(tenant: Tenant, **fields: Any) -> Operation:
    wanted = RefundWanted(payment_intent="pi_1", reason="duplicate", note="They were charged twice.")
    request = wanted.model_dump(mode="json")
    return an_operation(tenant, **{"kind": Kind.REFUND.value, "request": request} | fields)


def a_credit_operation(tenant: Tenant, **fields: Any) -> Operation:
    wanted = CreditWanted(
        customer="cus_1",
        amount_minor=5_000,
        currency="usd",
        instrument="balance",
        reason="goodwill",
        note="For the outage.",
    )
    request = wanted.model_dump(mode="json")
    return an_operation(tenant, **{"kind": Kind.CREDIT.value, "request": request} | fields)


def a_waiver_operation(tenant: Tenant, **fields: Any) -> Operation:
    """A void, unless its kind and request say otherwise."""
    wanted = WaiverWanted(action="void", invoice="in_1", reason="billed_twice", note="Sent twice in March.")
    request = wanted.model_dump(mode="json")
    return an_operation(tenant, **{"kind": Kind.VOID.value, "request": request} | fields)


def a_commitment(operation: Operation, amount_minor: int = 5_000, **fields: Any) -> Commitment:
    """Money set aside by the operation's requester, not decided."""
    defaults: dict[str, Any] = {
        "operation_id": operation.id,
        "part": 0,
        "organization_id": operation.organization_id,
        "kind": operation.kind,
        "amount_minor": amount_minor,
        "currency": "usd",
        "person_id": operation.requested_by,
        "created_at": NOW,
    }
    return Commitment(**defaults | fields)


def a_note(operation: Operation, **fields: Any) -> NoteRow:
    defaults: dict[str, Any] = {
        "id": new_id("note"),
        "operation_id": operation.id,
        "seq": 1,
        "organization_id": operation.organization_id,
        "text": "The customer was billed twice.",
        "author": operation.requested_by,
        "at": NOW,
    }
    return NoteRow(**defaults | fields)


def a_delegation(from_person: Person, to_person: Person, **fields: Any) -> Delegation:
    """For all of March, beginning now; the delegate has agreed."""
    defaults: dict[str, Any] = {
        "id": new_id("dlg"),
        "organization_id": from_person.organization_id,
        "from_person": from_person.id,
        "to_person": to_person.id,
        "starts_at": NOW,
        "ends_at": NOW.replace(day=31),
        "reason": "on leave",
        "created_by": from_person.id,
        "created_at": NOW,
    }
    given = defaults | fields
    return Delegation(**{"accepted_at": min(NOW, given["starts_at"])} | given)


def a_payment(organization_id: str, **fields: Any) -> PaymentRow:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "id": f"pi_{number}",
        "organization_id": organization_id,
        "customer_id": "cus_1",
        "charge": f"ch_{number}",
        "currency": "usd",
        "amount": 10_000,
        "status": "succeeded",
        "created_at": NOW,
        "synced_at": NOW,
    }
    return PaymentRow(**defaults | fields)


def a_dispute(organization_id: str, payment_intent: str, **fields: Any) -> DisputeRow:
    defaults: dict[str, Any] = {
        "id": f"du_{next(_numbers)}",
        "organization_id": organization_id,
        "customer_id": "cus_1",
        "payment_intent": payment_intent,
        "amount": 10_000,
        "currency": "usd",
        "reason": "product_not_received",
        "status": "needs_response",
        "refundable": False,
        "due_by": NOW + timedelta(days=9),
        "answered": False,
        "created_at": NOW,
        "synced_at": NOW,
    }
    return DisputeRow(**defaults | fields)


def a_refund(organization_id: str, payment_intent: str, **fields: Any) -> RefundRow:
    defaults: dict[str, Any] = {
        "id": f"re_{next(_numbers)}",
        "organization_id": organization_id,
        "customer_id": "cus_1",
        "payment_intent": payment_intent,
        "amount": 1_000,
        "currency": "usd",
        "status": "pending",
        "created_at": NOW,
        "synced_at": NOW,
    }
    return RefundRow(**defaults | fields)


def a_credit_note(organization_id: str, **fields: Any) -> CreditNoteRow:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "id": f"cn_{number}",
        "organization_id": organization_id,
        "customer_id": "cus_1",
        "invoice_id": "in_1",
        "number": f"PLX-0001-CN-{number:02}",
        "amount": 1_000,
        "currency": "usd",
        "status": "issued",
        "created_at": NOW,
        "synced_at": NOW,
    }
    return CreditNoteRow(**defaults | fields)


def a_balance_transaction(organization_id: str, **fields: Any) -> BalanceTransactionRow:
    defaults: dict[str, Any] = {
        "id": f"cbtxn_{next(_numbers)}",
        "organization_id": organization_id,
        "customer_id": "cus_1",
        "amount": -1_000,
        "currency": "usd",
        "type": "adjustment",
        "ending_balance": -1_000,
        "created_at": NOW,
        "synced_at": NOW,
    }
    return BalanceTransactionRow(**defaults | fields)


def an_event(**fields: Any) -> StripeEvent:
    defaults: dict[str, Any] = {
        "id": f"evt_{next(_numbers)}",
        "type": "refund.updated",
        "object_id": "re_1",
        "livemode": False,
        "created_at": NOW,
        "received_at": NOW,
    }
    return StripeEvent(**defaults | fields)

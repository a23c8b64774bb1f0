"""Requests for money back, as the tests of refunds, credits and their notes send them."""

from typing import Any

from httpx import Response
from sqlmodel import col, select

from billing.core.operations import State
from billing.policy.policy import Policy
from db.core.session import Database
from db.tables import NoteRow, Operation, Outbox, TimelineEvent

from ..support.builders import Member, Tenant, store
from ..support.money_rows import a_credit_operation, a_note, a_refund_operation, a_waiver_operation
from .conftest import Api

NOTE = "Charged twice for the same month."
REFUND: dict[str, Any] = {"payment_intent": "pi_unknown", "reason": "duplicate", "note": NOTE}
CREDIT: dict[str, Any] = {
    "customer": "cus_unknown",
    "amount_minor": 2500,
    "currency": "usd",
    "instrument": "balance",
    "reason": "goodwill",
    "note": NOTE,
}
VOID: dict[str, Any] = {"invoice": "in_unknown", "reason": "billed_twice", "note": NOTE}
WRITE_OFF: dict[str, Any] = {"invoice": "in_unknown", "reason": "insolvent", "note": NOTE}
BODIES = {"refunds": REFUND, "credits": CREDIT, "voids": VOID, "write-offs": WRITE_OFF}
KINDS = {
    "refunds": (a_refund_operation, {}),
    "credits": (a_credit_operation, {}),
    "voids": (a_waiver_operation, {"kind": "void", "request": {"action": "void"} | VOID}),
    "write-offs": (a_waiver_operation, {"kind": "write_off", "request": {"action": "write_off"} | WRITE_OFF}),
}
TRACES = (Operation, TimelineEvent, Outbox, NoteRow)
NO_TRACE = [0, 0, 0, 0]


async def ask(api: Api, who: Member, kind: str, key: str = "key-1", **changes: Any) -> Response:
    """Ask for money; a change of `...` leaves the field out."""
    body = {name: value for name, value in (BODIES[kind] | changes).items() if value is not ...}
    return await api.post(f"/v1/{kind}", who, body, key=key)


async def given(database: Database, acme: Tenant, policy: Policy, kind: str, **fields: Any) -> Operation:
    """A request for money that is far enough for the actions it allows, with its note."""
    make, of_kind = KINDS[kind]
    defaults = {
        "state": State.AWAITING_APPROVAL.value,
        "stage": "review",
        "request": BODIES[kind],
        "policy": policy.model_dump(mode="json"),
        "allowed_actions": ["cancel"],
    }
    operation = make(acme, **defaults | of_kind | fields)
    await store(database, operation, a_note(operation, text=NOTE))
    return operation


async def sent(database: Database) -> list[Outbox]:
    async with database.reading() as session:
        return list(await session.exec(select(Outbox).order_by(col(Outbox.created_at))))

"""Everything that the records know of one operation, as of one moment."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.operations import Kind

from . import commitments, intents, mirror, notes, timeline
from .mirror import MoneyObjects
from .tables import (
    Approval,
    Commitment,
    Decision,
    Intent,
    Mail,
    NoteRow,
    Notice,
    Operation,
    Organization,
    PaymentRow,
    Person,
    TimelineEvent,
)

Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True)
class Records:
    """Rows of one operation, each list in the order in which it came about."""

    organization: Organization
    operation: Operation
    approvals: list[Approval]
    decisions: list[Decision]
    commitments: list[Commitment]
    intents: list[Intent]
    notes: list[NoteRow]
    notices: list[Notice]
    mails: list[Mail]
    payments: list[PaymentRow]
    objects: MoneyObjects
    timeline: list[TimelineEvent]


async def read(session: AsyncSession, operation: Operation) -> Records:
    """All of it; `session` is a snapshot, or what was added in between would seem to be missing."""
    id_ = operation.id
    approvals = await _all(session, Approval, Approval.operation_id == id_, Approval.round)
    ids = [approval.id for approval in approvals]
    if operation.kind == Kind.CASE:  # it made nothing itself: what it is about
        objects = await mirror.money_object(session, operation.request["object"])
    else:
        objects = await mirror.money_objects(session, id_)
    held = await commitments.of_operation(session, id_)
    paid = {row.payment_intent for row in objects.refunds}
    paid |= {row.payment_intent for row in held if row.payment_intent is not None}
    return Records(
        organization=await mirror.organization(session, operation.organization_id),
        operation=operation,
        approvals=approvals,
        decisions=await _all(session, Decision, col(Decision.approval_id).in_(ids), Decision.created_at),
        commitments=held,
        intents=await intents.of_operation(session, id_),
        notes=await notes.of_operation(session, id_),
        notices=await _all(session, Notice, Notice.operation_id == id_, Notice.created_at),
        mails=await _all(session, Mail, Mail.operation_id == id_, Mail.sent_at, Mail.message_id),
        payments=await _all(session, PaymentRow, _payments(operation, paid), PaymentRow.created_at),
        objects=objects,
        timeline=await timeline.read(session, id_),
    )


async def people(session: AsyncSession, organization_id: str, ids: Collection[str]) -> list[Person]:
    """Those of the organization's people, the active and the others."""
    ours = Person.organization_id == organization_id
    return await _all(session, Person, col(Person.id).in_(ids) & ours, Person.id)


def _payments(operation: Operation, ids: Collection[str]) -> Any:
    """Our own only: a request may have named another organization's payment."""
    return col(PaymentRow.id).in_(ids) & (col(PaymentRow.organization_id) == operation.organization_id)


async def _all(session: AsyncSession, table: type[Row], condition: Any, *order: Any) -> list[Row]:
    return list(await session.exec(select(table).where(condition).order_by(*order)))

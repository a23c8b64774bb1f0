"""The records that an operation's evidence shows, made of our rows, and which of them a transaction wrote.

Whoever writes such a row says so with `wrote`; the next event of its operation carries the row's hash, and
what no event has carried when the transaction ends gets one of its own (`timeline.write`).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind
from billing.evidence.records import (
    ApprovalRecord,
    CommentRecord,
    CommitmentRecord,
    DecisionRecord,
    DelegationRecord,
    IntentRecord,
    MailRecord,
    NoteRecord,
    NoticeRecord,
    OperationRecord,
    Record,
)

from ..tables import (
    Approval,
    CommentRow,
    Commitment,
    Decision,
    Delegation,
    Intent,
    Mail,
    NoteRow,
    Notice,
    Operation,
)

R = TypeVar("R", bound=Record)

_WRITTEN = "written_records"


def _like(record: type[R], row: SQLModel, **more: Any) -> R:
    """A record of the columns that are named like its fields, and of what is named otherwise."""
    columns = {name: _utc(getattr(row, name)) for name in record.model_fields if name not in more}
    return record(**columns, **more)


def _utc(value: Any) -> Any:
    """A row that was just written has the zone of whoever wrote it."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def operation_record(row: Operation) -> OperationRecord:
    # How far a reminder run has come is no subject that anybody decides on; its result has the figures.
    subject = None if row.kind == Kind.REMINDER_RUN else row.subject
    return _like(
        OperationRecord, row, organization=row.organization_id, approval=row.approval_id, subject=subject
    )


def approval_record(row: Approval) -> ApprovalRecord:
    amount = None
    if row.amount_minor is not None and row.currency is not None:
        amount = Money(amount_minor=row.amount_minor, currency=row.currency)
    return _like(ApprovalRecord, row, amount=amount, customer=row.customer_id)


def decision_record(row: Decision) -> DecisionRecord:
    return _like(DecisionRecord, row, approval=row.approval_id, person=row.person_id)


def commitment_record(row: Commitment) -> CommitmentRecord:
    return _like(
        CommitmentRecord,
        row,
        number=row.part,
        amount=Money(amount_minor=row.amount_minor, currency=row.currency),
        customer=row.customer_id,
        person=row.person_id,
    )


def intent_record(row: Intent) -> IntentRecord:
    return _like(IntentRecord, row, stripe_request=row.stripe_request_id)


_RECORDS: Mapping[type[SQLModel], Callable[[Any], Record]] = {
    Operation: operation_record,
    Approval: approval_record,
    Decision: decision_record,
    Commitment: commitment_record,
    Intent: intent_record,
    NoteRow: lambda row: _like(NoteRecord, row),
    CommentRow: lambda row: _like(CommentRecord, row),
    Delegation: lambda row: _like(DelegationRecord, row, approval=row.approval_id),
    Notice: lambda row: _like(NoticeRecord, row),
    Mail: lambda row: _like(MailRecord, row),
}


def record_of(row: SQLModel) -> Record:
    """What evidence shows of a row."""
    return _RECORDS[type(row)](row)


def wrote(session: AsyncSession, operation_id: str, *rows: SQLModel) -> None:
    """Note what this transaction has written for an operation; what evidence does not show is passed over."""
    shown = [row for row in rows if type(row) in _RECORDS]
    if shown:
        session.info.setdefault(_WRITTEN, {}).setdefault(operation_id, []).extend(shown)


def written(session: AsyncSession, operation_id: str) -> dict[str, Record]:
    """What was written for an operation and is on no event yet, as it now is, by its name."""
    rows: Iterable[SQLModel] = session.info.get(_WRITTEN, {}).get(operation_id, ())
    return {record.record_name: record for record in map(record_of, rows)}


def recorded(session: AsyncSession, operation_id: str) -> None:
    """All of it is on an event now."""
    session.info.get(_WRITTEN, {}).pop(operation_id, None)


def operations_left(session: AsyncSession) -> list[str]:
    """The operations of which something was written that is on no event."""
    return list(session.info.get(_WRITTEN, ()))

"""An operation's evidence: one document for those who check it later, without us."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlmodel import SQLModel

from billing.evidence_document import (
    ApprovalRecord,
    CommitmentRecord,
    DecisionRecord,
    Evidence,
    IntentRecord,
    Json,
    MailRecord,
    NoteRecord,
    NoticeRecord,
    OperationRecord,
    OrganizationRecord,
    PersonRecord,
    Sealed,
    StripeRecords,
    named_people,
    sealed,
)
from billing.hashing import exact
from billing.money import Money
from billing.operations import Message
from billing.policy import policy_hash
from billing.timeline import GENESIS, Event
from db import evidence as records
from db import operations
from db.evidence import Records
from db.tables import Approval, Commitment, Decision, Person

from .auth import AnyCaller
from .context import InContext, now
from .evidence_example import EVIDENCE
from .ids import Id
from .openapi import answers
from .problems import not_found

Record = TypeVar("Record", bound=Message)

router = APIRouter(prefix="/v1/operations", tags=["Operations"])


@router.get(
    "/{id}/evidence",
    summary="Read an operation's evidence",
    responses=answers({200: EVIDENCE}, "not_found"),
    response_model=Sealed,
)
async def read_evidence(id: Id, who: AnyCaller, context: InContext) -> Response:
    """All that is recorded of it, as of this moment: who asked, under which policy, who approved what by
    which authority, what was asked of Stripe and answered, the notes, and the timeline with its hash chain.

    `python -m billing.evidence FILE` checks it offline and names the first broken link.
    """
    async with context.database.snapshot() as session:
        operation = await operations.get(session, who.organization, id)
        if operation is None:
            raise not_found()
        evidence = _evidence(await records.read(session, operation), now())
        people = await records.people(session, who.organization, named_people(evidence))
    # As it was hashed: a model in between might write something otherwise.
    return JSONResponse(sealed(evidence.model_copy(update={"people": [_person(row) for row in people]})))


def _evidence(found: Records, at: datetime) -> Evidence:
    """All but the people."""
    operation = found.operation
    policy = exact(operation.policy)
    return Evidence(
        read_at=at,
        organization=OrganizationRecord(id=found.organization.id, name=found.organization.name),
        operation=_like(OperationRecord, operation),
        policy=policy,
        policy_hash=policy_hash(policy),
        approvals=[_approval(row, found.decisions) for row in found.approvals],
        commitments=[_commitment(row) for row in found.commitments],
        intents=[_like(IntentRecord, row, stripe_request=row.stripe_request_id) for row in found.intents],
        notes=[_like(NoteRecord, row) for row in found.notes],
        notices=[_like(NoticeRecord, row) for row in found.notices],
        mails=[_like(MailRecord, row) for row in found.mails],
        people=[],
        stripe=StripeRecords(
            payments=_documents(found.payments),
            refunds=_documents(found.objects.refunds),
            credit_notes=_documents(found.objects.credit_notes),
            balance_transactions=_documents(found.objects.balance_transactions),
        ),
        timeline=[_like(Event, row) for row in found.timeline],
        head=found.timeline[-1].hash if found.timeline else GENESIS,
    )


def _approval(row: Approval, decisions: Sequence[Decision]) -> ApprovalRecord:
    amount = None
    if row.amount_minor is not None and row.currency is not None:
        amount = Money(amount_minor=row.amount_minor, currency=row.currency)
    return _like(
        ApprovalRecord,
        row,
        amount=amount,
        customer=row.customer_id,
        decisions=[
            _like(DecisionRecord, decision, person=decision.person_id)
            for decision in decisions
            if decision.approval_id == row.id
        ],
    )


def _commitment(row: Commitment) -> CommitmentRecord:
    return _like(
        CommitmentRecord,
        row,
        amount=Money(amount_minor=row.amount_minor, currency=row.currency),
        customer=row.customer_id,
        person=row.person_id,
    )


def _person(row: Person) -> PersonRecord:
    return _like(PersonRecord, row)


def _documents(rows: Sequence[SQLModel]) -> list[Json]:
    return [row.model_dump(mode="json", exclude={"organization_id"}) for row in rows]


def _like(record: type[Record], row: SQLModel, **more: Any) -> Record:
    """A record of the columns that are named like its fields, and of what is named otherwise."""
    columns = {name: getattr(row, name) for name in record.model_fields if name not in more}
    return record(**columns, **more)

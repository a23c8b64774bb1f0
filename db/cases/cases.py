"""Cases: opened by whoever writes the mirror, in the transaction that writes it; owned, escalated, closed."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import ACTIONS, CASE, CaseFound, CaseInput, CaseObject, case_subject
from billing.core.business_time import add_business
from billing.core.events import EventCode
from billing.core.hashing import digest
from billing.core.operations import SYSTEM, Kind, State
from billing.policy.policy import Policy, policy_hash

from ..core import timeline
from ..core.pages import FirstOf, PagedRows, order
from ..core.timeline import NewEvent
from ..operations import operations, outbox
from ..tables import Case, Operation, new_id

CaseSort = Literal["noticed_at", "-noticed_at", "deadline", "-deadline", "amount", "-amount"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "noticed_at": (col(Case.noticed_at), col(Case.operation_id)),
    "deadline": (col(Case.deadline), col(Case.operation_id)),
    "amount": (FirstOf(col(Case.amount_minor), 0), col(Case.operation_id)),
}


class CaseRules(NamedTuple):
    """The policy under which changes made in Stripe itself open cases. Every write to the mirror needs it."""

    policy: Policy
    document: dict[str, Any]
    hash: str

    @classmethod
    def of(cls, policy: Policy) -> "CaseRules":
        document = policy.model_dump(mode="json", by_alias=True)
        return cls(policy, document, policy_hash(document))


async def open_case(
    session: AsyncSession,
    rules: CaseRules,
    organization_id: str,
    found: CaseFound,
    at: datetime,
    *,
    object_id: str | None = None,
) -> Operation | None:
    """The operation: its row, first events and the start of its workflow. None when it is there already.

    `object_id` tells apart the changes of one object.
    """
    object_id = object_id or found.object
    policy = rules.policy.cases
    deadline = add_business(
        at, timedelta(minutes=policy.note_within), rules.policy.calendars[policy.calendar]
    )
    operation, new = await operations.create(session, _draft(rules, organization_id, found, object_id, at))
    if not new:
        return None
    session.add(
        Case(
            operation_id=operation.id,
            organization_id=organization_id,
            object_kind=found.object_kind.value,
            object_id=object_id,
            customer_id=found.customer,
            amount_minor=found.amount.amount_minor if found.amount else None,
            currency=found.amount.currency if found.amount else None,
            noticed_at=at,
            deadline=deadline,
        )
    )
    await timeline.begin(
        session,
        operation,
        NewEvent(
            "noticed", EventCode.CASE_NOTICED, SYSTEM, at, {**operation.request, "policy_hash": rules.hash}
        ),
        NewEvent(
            "note_owed",
            EventCode.NOTE_OWED,
            SYSTEM,
            at,
            {"deadline": deadline.isoformat(), "subject_hash": digest(operation.subject)},
        ),
    )
    message = CaseInput(
        organization=organization_id,
        operation=operation.id,
        found=found,
        policy=rules.policy,
        noticed_at=at,
        deadline=deadline,
    )
    payload = message.model_dump(mode="json", by_alias=True, exclude={"policy"})
    await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=operation.workflow_id,
        name=CASE,
        payload={**payload, "policy": rules.document},
        at=at,
        found_by=await operations.found_by(session, operation),
    )
    return operation


def _draft(
    rules: CaseRules, organization_id: str, found: CaseFound, object_id: str, at: datetime
) -> Operation:
    operation_id = new_id("op")
    request = found.model_dump(mode="json", by_alias=True)
    return Operation(
        id=operation_id,
        organization_id=organization_id,
        kind=Kind.CASE.value,
        state=State.ACCEPTED.value,
        stage="accepted",
        request=request,
        request_hash=digest({"kind": Kind.CASE.value, "object": object_id}),
        product_key=f"case:{object_id}",
        subject=case_subject(found).document(),
        policy=rules.document,
        requested_by=SYSTEM,
        allowed_actions=list(ACTIONS),
        workflow_id=f"operation-{operation_id}",
        created_at=at,
        updated_at=at,
    )


async def get(session: AsyncSession, operation_id: str) -> Case:
    """A case by its operation. Raises LookupError when there is none."""
    found = await session.get(Case, operation_id, populate_existing=True)
    if found is None:
        raise LookupError(f"no case {operation_id}")
    return found


async def of_object(
    session: AsyncSession, organization_id: str, kind: CaseObject, object_id: str
) -> Case | None:
    """The case of an object in Stripe, if it has one."""
    found = await session.exec(
        select(Case).where(
            Case.organization_id == organization_id,
            Case.object_kind == kind.value,
            Case.object_id == object_id,
        )
    )
    return found.one_or_none()


async def of_objects(session: AsyncSession, organization_id: str, objects: Collection[str]) -> set[str]:
    """Those of these objects in Stripe that have a case."""
    if not objects:
        return set()
    found = await session.exec(
        select(Case.object_id).where(
            Case.organization_id == organization_id, col(Case.object_id).in_(objects)
        )
    )
    return set(found)


def paged(
    organization_id: str,
    *,
    open: bool | None = None,
    kind: CaseObject | None = None,
    customer_id: str | None = None,
    owner: str | None = None,
    sort: CaseSort = "-noticed_at",
) -> PagedRows[Case]:
    """An organization's cases; `open` is whether they are not closed, `owner` a person."""
    wanted = select(Case).where(Case.organization_id == organization_id)
    if open is not None:
        closed_at = col(Case.closed_at)
        wanted = wanted.where(closed_at.is_(None) if open else closed_at.is_not(None))
    if kind is not None:
        wanted = wanted.where(Case.object_kind == kind.value)
    if customer_id is not None:
        wanted = wanted.where(Case.customer_id == customer_id)
    if owner is not None:
        wanted = wanted.where(Case.owner == owner)
    return PagedRows(wanted, *order(_KEYS, sort))


async def of_operations(session: AsyncSession, ids: list[str]) -> dict[str, Operation]:
    """Operations by their ids."""
    found = await session.exec(select(Operation).where(col(Operation.id).in_(ids)))
    return {operation.id: operation for operation in found}


async def own(session: AsyncSession, operation_id: str, person_id: str) -> None:
    """Somebody takes it on; a closed one stays as it is."""
    await _change(session, operation_id, owner=person_id)


async def escalate(session: AsyncSession, operation_id: str, *, at: datetime) -> None:
    """The controller hears of it; the first time stays."""
    case = await get(session, operation_id)
    if case.escalated_at is None:
        await _change(session, operation_id, escalated_at=at)


async def close(session: AsyncSession, operation_id: str, *, done_by: str, at: datetime) -> None:
    """Its note is there; the first to close it stays."""
    await _change(session, operation_id, done_by=done_by, closed_at=at)


async def _change(session: AsyncSession, operation_id: str, **values: Any) -> None:
    await session.exec(
        update(Case)
        .where(col(Case.operation_id) == operation_id, col(Case.closed_at).is_(None))
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )

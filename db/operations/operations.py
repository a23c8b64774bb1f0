"""Operations: what was asked for, by whom, and how far it is."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import Update, and_, func, or_, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author
from billing.core.errors import Conflict
from billing.core.operations import Kind, State
from billing.operations.about import SubjectMatter, about
from billing.operations.found_by import FoundBy
from billing.operations.kinds import GIVE_MONEY
from billing.plan_changes.report import not_replaced_now_problem

from ..core import timeline
from ..core.pending import reads, store_later
from ..core.record_hashes import wrote
from ..core.statements import insert_if_new
from ..tables import Operation, Organization, TimelineEvent
from ..tables.operations import CHANGES_SUBSCRIPTION
from . import objects
from .heads import BESIDE, closing, hold, seen


class KeepValue(Enum):
    """Stands for "leave the column as it is", where None is a value."""

    UNCHANGED = "unchanged"


CHANGE_SUBSCRIPTION = (Kind.PLAN_CHANGE.value, Kind.CANCELLATION.value)
"""Kinds that change the organization's own subscription, one at a time."""

UNCHANGED: Final = KeepValue.UNCHANGED

_LOCKED = "locked_operations"

WAITS = "scheduled"
"""The stage of a plan change that waits for the end of the period."""


async def get(session: AsyncSession, organization_id: str, operation_id: str) -> Operation | None:
    """The operation, if it is this organization's."""
    operation = await get_any(session, operation_id)
    return operation if operation and operation.organization_id == organization_id else None


async def get_any(session: AsyncSession, operation_id: str) -> Operation | None:
    """The operation of whatever organization: for activities, which are no tenant."""
    return await session.get(Operation, operation_id, execution_options=reads(Operation))


async def get_one(session: AsyncSession, operation_id: str) -> Operation:
    """Likewise, where there is one. Raises LookupError."""
    operation = await get_any(session, operation_id)
    if operation is None:
        raise LookupError(f"no operation {operation_id}")
    return operation


async def own(session: AsyncSession, organization_id: str, ids: Collection[str]) -> set[str]:
    """Which of these operations are the organization's."""
    if not ids:
        return set()
    mine = select(Operation.id).where(
        Operation.organization_id == organization_id, col(Operation.id).in_(ids)
    )
    return set(await session.exec(mine))


async def get_fresh(session: AsyncSession, operation_id: str) -> Operation:
    """The operation as its row is now, whatever the session has seen of it. Raises LookupError."""
    operation = await session.get(Operation, operation_id, populate_existing=True)
    if operation is None:
        raise LookupError(f"no operation {operation_id}")
    return operation


async def restored(session: AsyncSession, operation_id: str, at: datetime) -> None:
    """The records came back from a backup: what it does to Stripe from now on may have been done before."""
    await session.exec(
        update(Operation)
        .where(col(Operation.id) == operation_id)
        .values(restored_at=at)
        .execution_options(synchronize_session=False)
    )


async def lock(session: AsyncSession, operation_id: str) -> Operation:
    """The operation as its row is now; no other transaction changes it before this one ends.

    Lock in one order, or two transactions wait for each other: an approval first, then its operation.
    Raises LookupError when there is none.
    """
    locked: dict[str, Operation] = session.info.setdefault(_LOCKED, {})
    if operation_id not in locked and timeline.holds(session):
        locked[operation_id] = await hold(session, operation_id)
    if operation_id not in locked:
        # Not FOR UPDATE: that would also wait for whoever inserts a row that refers to the operation.
        # SQLite leaves it out: there the transaction holds the only write lock from its beginning.
        wanted: Any = (
            select(Operation, *BESIDE)
            .where(col(Operation.id) == operation_id)
            .with_for_update(of=Operation, key_share=True)
            .execution_options(populate_existing=True)
        )
        operation = seen(session, (await session.exec(wanted)).one_or_none())
        if operation is None:
            raise LookupError(f"no operation {operation_id}")
        locked[operation_id] = operation
    return locked[operation_id]


async def add_author(session: AsyncSession, operation_id: str, author: Author) -> None:
    """Note who has shaped it, in the transaction that notes what they said."""
    operation = await lock(session, operation_id)
    operation.authors = [*operation.authors, author.model_dump(mode="json")]
    await session.flush()
    wrote(session, operation_id, operation)


async def create(
    session: AsyncSession, operation: Operation, changing: Sequence[Operation] | None = None
) -> tuple[Operation, bool]:
    """Store a new operation, and whether it is new: the same key again answers the first one. `changing` is
    what `changing_subscription` has just found, if it was asked.

    Raises Conflict `idempotency_key_reused` for a person's key with another request, and `plan_change_open`
    or `cancellation_open` for a second change of the organization's subscription beside one that is not over;
    all hold against requests at the same moment.
    The product's own keys are apart from people's, and conflict with nothing.
    """
    named = await _named(session, operation)
    if operation.replaces and not await _still_waits(session, operation.replaces):
        operation.replaces = ""
    while True:
        free = await _in_its_way(session, operation, changing) is None
        created = await insert_if_new(session, operation) if free else None
        changing = None
        if created:
            await objects.note(session, operation.id, operation.organization_id, named)
            return operation, True
        earlier = await find_repeated(session, operation)
        if earlier:
            return earlier, False
        if (other := await _in_its_way(session, operation)) is not None:
            raise subscription_taken(other, Kind(operation.kind))
        if await get_any(session, operation.id):
            raise ValueError(f"operation id {operation.id} is taken")
        # What was in the way was closed between the two statements: there is room now.


async def _still_waits(session: AsyncSession, change: str) -> bool:
    """Whether a plan change waits; it doesn't end before this transaction does."""
    return waits(await lock(session, change))


async def _in_its_way(
    session: AsyncSession, operation: Operation, changing: Sequence[Operation] | None = None
) -> Operation | None:
    """What holds the subscription against it: anything but the plan change whose place it is to take. Of two
    the later one, which would take the place of the other: that has to go first."""
    if operation.kind not in CHANGE_SUBSCRIPTION:
        return None
    found = changing
    if found is None:
        found = await changing_subscription(session, operation.organization_id)
    return next((one for one in reversed(found) if one.id != operation.replaces), None)


def subscription_taken(change: Operation, asked: Kind) -> Conflict:
    """Why nothing else of this kind can change the organization's subscription beside this one."""
    what = f"{Kind(change.kind).a_noun} ({change.id})"
    if change.state == State.MISMATCHED:
        message = f"the outcome of {what} is not settled: accept it, revert it, or have it read again first"
    elif waits(change) and asked is Kind.PLAN_CHANGE:
        message = not_replaced_now_problem(change.id).message.rstrip(".")
    else:
        message = f"{what} is still in progress: wait until it ends, or cancel it first"
    return Conflict(f"{change.kind}_open", message)


async def _named(session: AsyncSession, operation: Operation) -> Collection[str]:
    """Note on a new operation whom and how much it is about; the objects by which it is to be found."""
    asked, subject = about(operation.request), about(operation.subject)
    named = {*asked.objects, *subject.objects}
    customer = subject.customer or asked.customer
    if customer is None and operation.kind in GIVE_MONEY:
        customer = await objects.customer_of(session, operation.organization_id, named)
    amount = subject.amount or asked.amount
    operation.customer_id = customer
    operation.amount_minor = amount.amount_minor if amount else None
    operation.currency = amount.currency if amount else None
    return named | {customer} if customer else named


async def found_by(session: AsyncSession, operation: Operation) -> FoundBy:
    """By what Temporal finds a new operation's workflow: of what concerns the organization's own plan, the
    organization is the customer."""
    customer = operation.customer_id
    if customer is None and operation.kind in CHANGE_SUBSCRIPTION:
        organization = await session.get(Organization, operation.organization_id)
        customer = organization.stripe_customer if organization is not None else None
    return FoundBy.at_start(operation.organization_id, Kind(operation.kind), customer)


async def find_repeated(session: AsyncSession, operation: Operation) -> Operation | None:
    """The stored operation that has the new one's key. Raises Conflict `idempotency_key_reused`."""
    earlier = await _by_key(session, operation)
    if earlier and operation.product_key is None and earlier.request_hash != operation.request_hash:
        raise Conflict(
            "idempotency_key_reused",
            f"this Idempotency-Key was already used for another request ({earlier.id}): send a new key",
            field="Idempotency-Key",
        )
    return earlier


async def _by_key(session: AsyncSession, operation: Operation) -> Operation | None:
    """The operation that has its key: of those that people have sent, or of the product's own."""
    if operation.product_key is not None:
        same = Operation.product_key == operation.product_key
    elif operation.idempotency_key is not None:
        same = Operation.idempotency_key == operation.idempotency_key
    else:
        return None
    of = Operation.organization_id == operation.organization_id
    return (await session.exec(select(Operation).where(of, same))).one_or_none()


def waits(change: Operation) -> bool:
    """Whether it is a plan change that waits for the end of the period."""
    return change.kind == Kind.PLAN_CHANGE and change.stage == WAITS and change.closed_at is None


async def open_plan_changes(session: AsyncSession, organization_id: str) -> Sequence[Operation]:
    """The organization's plan changes that are not closed, the oldest first: one at most, and one that is to
    take its place."""
    found = await about_subscription(session, organization_id)
    return [one for one in found if one.kind == Kind.PLAN_CHANGE]


async def changing_subscription(session: AsyncSession, organization_id: str) -> Sequence[Operation]:
    """What holds the organization's subscription against other changes, as it is now: one at most, and after
    it the plan change that is to take its place."""
    found = await session.exec(
        select(Operation)
        .where(Operation.organization_id == organization_id, text(CHANGES_SUBSCRIPTION))
        .order_by(col(Operation.created_at), col(Operation.id))
        .execution_options(populate_existing=True)
    )
    return found.all()


async def about_subscription(session: AsyncSession, organization_id: str) -> Sequence[Operation]:
    """The plan changes and the cancellations of the organization that are not closed, the oldest first."""
    found = await session.exec(
        select(Operation)
        .where(
            Operation.organization_id == organization_id,
            col(Operation.kind).in_(CHANGE_SUBSCRIPTION),
            col(Operation.closed_at).is_(None),
        )
        .order_by(col(Operation.id))
    )
    return found.all()


async def update_state(session: AsyncSession, operation_id: str, **change: Any) -> Operation:
    """As `move_on`; returns the operation as it then is. Raises LookupError when there is none."""
    return await move_on(session, operation_id, **change) or await get_one(session, operation_id)


async def move_on(
    session: AsyncSession,
    operation_id: str,
    *,
    state: State,
    stage: str,
    at: datetime,
    subject: Mapping[str, Any] | KeepValue | None = UNCHANGED,
    result: Mapping[str, Any] | KeepValue | None = UNCHANGED,
    error: Mapping[str, Any] | KeepValue | None = UNCHANGED,
    allowed_actions: Sequence[str] | KeepValue = UNCHANGED,
    approval_id: str | KeepValue | None = UNCHANGED,
    stays_open: bool = False,
    if_open: bool = False,
    unless_told: str | None = None,
) -> Operation | None:
    """Move an operation on; a final state closes it, at the time of the first such.

    A final state that `stays_open` waits for a person instead, and opens a closed operation again: a refund
    can fail after it was completed. Nothing else does, and nothing older than the operation's last change:
    a late write of an activity attempt that was given up is ignored, and so is what the event with the key
    `unless_told` has told already, and with `if_open` any other end: then None is returned, and otherwise the
    operation, whose lock the session has from then on.
    """
    given = {
        "subject": subject,
        "result": result,
        "error": error,
        "allowed_actions": allowed_actions,
        "approval_id": approval_id,
    }
    values: dict[str, Any] = {
        "state": state.value,
        "stage": stage,
        "updated_at": at,
        **{name: value for name, value in given.items() if value is not UNCHANGED},
    }
    told = [about(one) for one in (subject, result) if isinstance(one, Mapping)]
    if isinstance(subject, Mapping):
        values |= _about_columns(told[0])
    locked: Operation | None = session.info.get(_LOCKED, {}).get(operation_id)
    if timeline.holds(session):
        values |= closing(state, at, stays_open)
        moved = await _set(session, await lock(session, operation_id), values)
    elif locked is not None and unless_told is None and not state.final:
        moved = await _set(session, locked, values)
    else:
        move = _unless_overtaken(operation_id, state, at, stays_open, if_open, unless_told, values)
        found = await session.exec(
            move.values(**values)
            .returning(Operation, *BESIDE)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        moved = seen(session, found.first())
    if moved is not None:
        session.info.setdefault(_LOCKED, {})[operation_id] = moved
        wrote(session, operation_id, moved)
        named = [one for found in told for one in found.objects]
        await objects.note(session, moved.id, moved.organization_id, named)
    return moved


async def _set(session: AsyncSession, locked: Operation, values: Mapping[str, Any]) -> Operation | None:
    """One that is open, and locked, with these columns."""
    if locked.closed_at is not None:
        return None
    for name, value in values.items():
        setattr(locked, name, value)
    await store_later(session, locked)
    return locked


def _unless_overtaken(
    operation_id: str,
    state: State,
    at: datetime,
    stays_open: bool,
    if_open: bool,
    unless_told: str | None,
    values: dict[str, Any],
) -> Update:
    """Which row is moved on, and whether that closes it, which goes into `values`."""
    move = update(Operation).where(col(Operation.id) == operation_id)
    if state.final and stays_open:
        values["closed_at"] = None
        failed_after_all = and_(
            col(Operation.state) == State.COMPLETED.value, col(Operation.updated_at) <= at
        )
        move = move.where(or_(col(Operation.closed_at).is_(None), failed_after_all))
    elif state.final:
        values["closed_at"] = func.coalesce(Operation.closed_at, at)
    if if_open or not state.final:
        move = move.where(col(Operation.closed_at).is_(None))
    if unless_told is not None:
        statement = select(TimelineEvent.seq).where(
            TimelineEvent.operation_id == operation_id, TimelineEvent.key == unless_told
        )
        move = move.where(~statement.exists())
    return move


def _about_columns(subject: SubjectMatter) -> dict[str, Any]:
    """What a subject says of whom and how much; what it does not say stays."""
    columns: dict[str, Any] = {"customer_id": subject.customer} if subject.customer else {}
    if subject.amount is not None:
        columns |= subject.amount.model_dump()
    return columns


async def clear_error(session: AsyncSession, operation_id: str) -> None:
    """What was wrong with it is not any more."""
    cleared = await session.scalar(
        update(Operation)
        .where(col(Operation.id) == operation_id, col(Operation.error).is_not(None))
        .values(error=None)
        .returning(Operation)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if cleared is not None:
        wrote(session, operation_id, cleared)

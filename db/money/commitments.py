"""Commitments: the money set aside for operations, and what of it counts in whose authority.

What is read here to decide on new money holds only under `lock`: of two requests at the same moment the
second then sees what the first one set aside.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Insert, Update, case, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.authority import AuthorityUse
from billing.operations.kinds import GIVE_MONEY

from ..core.record_hashes import wrote
from ..core.statements import insert_into, is_sqlite
from ..tables import Case, Commitment, Intent, Operation, OperationObject, Organization

_HELD = col(Commitment.released_at).is_(None)
_KEY = ("operation_id", "part")


async def lock(session: AsyncSession, organization_id: str) -> None:
    """Let no other transaction weigh money against authority in this organization before this one ends.

    Lock in one order, or two transactions wait for each other: approval, organization, operation.
    """
    if is_sqlite(session):
        return  # the transaction holds the database's only write lock from its beginning
    # Not FOR UPDATE: that would also wait for whoever inserts a row that refers to the organization.
    await session.exec(
        select(Organization.id).where(Organization.id == organization_id).with_for_update(key_share=True)
    )


async def hold(session: AsyncSession, rows: Sequence[Commitment]) -> None:
    """Set aside the parts of one operation, instead of whatever it held before; not decided yet.

    Parts that it has no more are released, at the time at which these are made.
    """
    first = rows[0]
    fresh = [
        row.model_dump() | {"authority_of": None, "decided_at": None, "released_at": None} for row in rows
    ]
    insert = insert_into(session, Commitment).values(fresh)
    await _write(
        session,
        first.operation_id,
        insert.on_conflict_do_update(
            index_elements=_KEY,
            set_={column.key: column for column in insert.excluded if column.key not in _KEY},
        ),
    )
    parts = [row.part for row in rows]
    await _release(session, first.operation_id, first.created_at, col(Commitment.part).not_in(parts))


async def decide(session: AsyncSession, operation_id: str, *, authority_of: str, at: datetime) -> None:
    """Count what is set aside for the operation in a person's authority; what is counted already stays."""
    await _write(
        session,
        operation_id,
        update(Commitment)
        .where(col(Commitment.operation_id) == operation_id, _HELD, col(Commitment.decided_at).is_(None))
        .values(authority_of=authority_of, decided_at=at),
    )


async def count_for(session: AsyncSession, operation_id: str, *, authority_of: str) -> None:
    """Count what was given for the operation in the authority of whoever gave it, covered by it or not."""
    await _write(
        session,
        operation_id,
        update(Commitment)
        .where(col(Commitment.operation_id) == operation_id, col(Commitment.authority_of).is_(None))
        .values(authority_of=authority_of),
    )


async def release(
    session: AsyncSession, operation_id: str, *, at: datetime, keep: Collection[str] = ()
) -> list[Commitment]:
    """Free what is set aside for the operation, but for the parts of the payments in `keep`; says which."""
    payment = col(Commitment.payment_intent)
    return await _release(session, operation_id, at, or_(payment.is_(None), payment.not_in(keep)))


async def _release(
    session: AsyncSession, operation_id: str, at: datetime, condition: ColumnElement[bool]
) -> list[Commitment]:
    return await _write(
        session,
        operation_id,
        update(Commitment)
        .where(col(Commitment.operation_id) == operation_id, _HELD, condition)
        .values(released_at=at),
    )


async def _write(session: AsyncSession, operation_id: str, statement: Insert | Update) -> list[Commitment]:
    """Carries it out; the rows as they then are."""
    written = await session.scalars(
        statement.returning(Commitment),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    rows = list(written)
    wrote(session, operation_id, *rows)
    return rows


async def of_operation(session: AsyncSession, operation_id: str) -> list[Commitment]:
    """The parts of an operation, released ones too, in order."""
    found = await session.exec(
        select(Commitment)
        .where(Commitment.operation_id == operation_id)
        .order_by(col(Commitment.part))
        .execution_options(populate_existing=True)
    )
    return list(found)


async def on_payments(
    session: AsyncSession, payment_intents: Collection[str], *, excluding: str
) -> list[Commitment]:
    """What other operations than `excluding` hold of these payments, decided or not.

    Cases hold nothing of them: what they are about has left the payment already.
    """
    found = await session.exec(
        select(Commitment)
        .where(
            col(Commitment.payment_intent).in_(payment_intents),
            _HELD,
            Commitment.operation_id != excluding,
            col(Commitment.operation_id).not_in(select(Case.operation_id)),
        )
        .order_by(col(Commitment.operation_id), col(Commitment.part))
    )
    return list(found)


async def on_invoice(session: AsyncSession, invoice_id: str, *, excluding: str) -> list[Commitment]:
    """What other operations than `excluding` hold of what was paid for an invoice, decided or not.

    Cases hold nothing of it: what they are about Stripe shows already.
    """
    found = await session.exec(
        select(Commitment)
        .where(
            Commitment.invoice_id == invoice_id,
            _HELD,
            Commitment.operation_id != excluding,
            col(Commitment.operation_id).not_in(select(Case.operation_id)),
        )
        .order_by(col(Commitment.operation_id), col(Commitment.part))
    )
    return list(found)


async def claims_on(
    session: AsyncSession, organization_id: str, invoice_id: str, *, excluding: str
) -> list[Operation]:
    """An organization's operations about an invoice that have set money aside and have not ended, but for
    `excluding`: those whose subject is of that invoice, not those whose text only names it."""
    found = await _holding(session, organization_id, invoice_id, GIVE_MONEY, excluding)
    return [one for one in found if one.closed_at is None]


async def credits_on(
    session: AsyncSession, organization_id: str, invoice_id: str, *, excluding: str
) -> list[Operation]:
    """An organization's credits of an invoice that hold money, but for `excluding`; those that were given
    too, as whoever asks may have looked at Stripe before."""
    return await _holding(session, organization_id, invoice_id, {Kind.CREDIT}, excluding)


async def _holding(
    session: AsyncSession, organization_id: str, invoice_id: str, kinds: Collection[Kind], excluding: str
) -> list[Operation]:
    held = select(Commitment.operation_id).where(Commitment.organization_id == organization_id, _HELD)
    found = await session.exec(
        select(Operation)
        .join(OperationObject, col(OperationObject.operation_id) == col(Operation.id))
        .where(
            OperationObject.object_id == invoice_id,
            Operation.organization_id == organization_id,
            col(Operation.kind).in_([kind.value for kind in kinds]),
            Operation.id != excluding,
            col(Operation.id).in_(held),
        )
        .order_by(col(Operation.id))
    )
    return [one for one in found if (one.subject or {}).get("invoice") == invoice_id]


async def not_begun(session: AsyncSession, organization_id: str, customer_id: str) -> list[Operation]:
    """Requests for money to a customer that money is set aside for, and nothing was begun of in Stripe."""
    begun = select(Intent.operation_id).where(Intent.operation_id == col(Operation.id))
    held = select(Commitment.operation_id).where(
        Commitment.organization_id == organization_id, Commitment.customer_id == customer_id, _HELD
    )
    found = await session.exec(
        select(Operation)
        .where(
            col(Operation.id).in_(held),
            col(Operation.kind).in_([kind.value for kind in GIVE_MONEY]),
            col(Operation.closed_at).is_(None),
            ~begun.exists(),
        )
        .order_by(col(Operation.id))
    )
    return list(found)


@dataclass(frozen=True)
class UsesAsked:
    """What money is held against: the `windows` of so many days of these `people`, and of the customer, in
    which these `kinds` of money in its currency count, but for the operation `excluding`."""

    people: Collection[str]
    customer: str | None
    kinds: Collection[Kind]
    currency: str
    windows: Collection[int]
    excluding: str

    def counts(self, row: Any) -> bool:
        return row.kind in self.kinds and row.currency == self.currency and row.own != self.excluding


async def uses(
    session: AsyncSession,
    organization_id: str,
    *,
    person_id: str,
    customer_id: str | None,
    kinds: Collection[Kind],
    currency: str,
    windows: Collection[int],
    at: datetime,
    excluding: str,
    until: datetime | None = None,
) -> dict[int, AuthorityUse]:
    """As `uses_of_each`, of one person's windows."""
    asked = UsesAsked([person_id], customer_id, kinds, currency, windows, excluding)
    (found,) = await uses_of_each(session, organization_id, [asked], at=at, until=until)
    return found[person_id]


async def uses_of_each(
    session: AsyncSession,
    organization_id: str,
    asked: Sequence[UsesAsked],
    *,
    at: datetime,
    until: datetime | None = None,
) -> list[dict[str, dict[int, AuthorityUse]]]:
    """For each that is asked, what counts in the windows that end at `at`, by person: by their authority, and
    to the customer by whoever's or, in a case, nobody's (zero when there is none). Released money and that of
    `excluding` does not; with `until`, nor does what was decided later.

    Two statements, however many are asked; each is one scan of the longest window.
    """
    days = sorted({window for one in asked for window in one.windows})
    if not days:
        return [{person: {} for person in one.people} for one in asked]
    counted = (
        col(Commitment.organization_id) == organization_id,
        col(Commitment.kind).in_({kind.value for one in asked for kind in one.kinds}),
        col(Commitment.currency).in_({one.currency for one in asked}),
        _HELD,
        *([col(Commitment.decided_at) <= until] if until is not None else []),
    )
    since = [at - timedelta(days=window) for window in days]
    decided_at, amount = col(Commitment.decided_at), col(Commitment.amount_minor)
    operation = col(Commitment.operation_id)
    own = case((operation.in_({one.excluding for one in asked}), operation), else_=None).label("own")
    connection = await session.connection()

    async def sums(key: Any, wanted: set[str]) -> Callable[[UsesAsked, str | None, int], Money]:
        """What counts of one of these keys in a window."""
        if not wanted:
            return lambda one, of, window: Money.zero(one.currency)
        groups = (key.label("of"), col(Commitment.kind), col(Commitment.currency), own)
        # Each sum by its place: a row's first four are what it is grouped by.
        totals = (func.sum(case((decided_at > start, amount), else_=0)) for start in since)
        found = await connection.execute(
            select(*groups, *totals)
            .where(key.in_(wanted), decided_at > min(since), *counted)
            .group_by(*groups)
        )
        rows = found.all()

        def total(one: UsesAsked, of: str | None, window: int) -> Money:
            place = len(groups) + days.index(window)
            # PostgreSQL sums whole numbers to a decimal.
            amounts = (int(row[place]) for row in rows if row.of == of and one.counts(row))
            return sum(
                (Money(amount_minor=each, currency=one.currency) for each in amounts),
                Money.zero(one.currency),
            )

        return total

    by_person = await sums(col(Commitment.authority_of), {person for one in asked for person in one.people})
    to_customer = await sums(
        col(Commitment.customer_id), {one.customer for one in asked if one.customer is not None}
    )
    return [
        {
            person: {
                window: AuthorityUse(
                    by_person=by_person(one, person, window),
                    to_customer=to_customer(one, one.customer, window),
                )
                for window in sorted(set(one.windows))
            }
            for person in one.people
        }
        for one in asked
    ]

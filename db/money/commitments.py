"""Commitments: the money set aside for operations, and what of it counts in whose authority.

What is read here to decide on new money holds only under `lock`: of two requests at the same moment the
second then sees what the first one set aside.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Insert, Update, case, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.authority import AuthorityUse
from billing.operations.kinds import GIVE_MONEY

from ..core.record_hashes import wrote
from ..core.statements import insert_into, is_sqlite
from ..tables import Case, Commitment, Intent, Operation, Organization

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


async def not_begun(session: AsyncSession, organization_id: str, customer_id: str) -> list[Operation]:
    """Refunds and credits to a customer that money is set aside for, and nothing was begun of in Stripe."""
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
    """What counts in the windows of so many days that end at `at`: by the person's authority, and to the
    customer by whoever's or, in a case, nobody's (zero when there is none). Released money and that of
    `excluding` does not; with `until`, nor does what was decided later.
    """
    days = sorted(windows)
    if not days:
        return {}
    counted = (
        col(Commitment.organization_id) == organization_id,
        col(Commitment.kind).in_([kind.value for kind in kinds]),
        col(Commitment.currency) == currency,
        col(Commitment.operation_id) != excluding,
        _HELD,
        *([col(Commitment.decided_at) <= until] if until is not None else []),
    )
    connection = await session.connection()

    async def sums(condition: ColumnElement[bool]) -> list[Money]:
        """For each window; one scan of the longest."""
        decided_at, amount = col(Commitment.decided_at), col(Commitment.amount_minor)
        since = [at - timedelta(days=window) for window in days]
        found = await connection.execute(
            select(
                *(func.coalesce(func.sum(case((decided_at > start, amount), else_=0)), 0) for start in since)
            ).where(condition, decided_at > min(since), *counted)
        )
        # PostgreSQL sums whole numbers to a decimal.
        return [Money(amount_minor=int(total), currency=currency) for total in found.one()]

    by_person = await sums(col(Commitment.authority_of) == person_id)
    if customer_id is None:
        to_customer = [Money.zero(currency)] * len(days)
    else:
        to_customer = await sums(col(Commitment.customer_id) == customer_id)
    return {
        window: AuthorityUse(by_person=person, to_customer=customer)
        for window, person, customer in zip(days, by_person, to_customer, strict=True)
    }

"""Mails to customers: decided once for each step, claimed by one sender at a time, settled by who claimed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Table, and_, bindparam, case, func, inspect, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows, order
from ..tables import CustomerMail, Invoice, Operation

REMINDER = "reminder"
HELD, DUE, SENT, SKIPPED, BOUNCED = "held", "due", "sent", "skipped", "bounced"
MailSort = Literal["decided_at", "-decided_at", "amount", "-amount"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "decided_at": (col(CustomerMail.decided_at), col(CustomerMail.id)),
    # Amounts of several currencies have no order among each other.
    "amount": (col(CustomerMail.currency), col(CustomerMail.amount_minor), col(CustomerMail.id)),
}

_TABLE = cast(Table, inspect(CustomerMail).local_table)
_INSERTS = {
    "sqlite": sqlite.insert(_TABLE).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_TABLE).on_conflict_do_nothing(),
}
_CHANGE = (
    update(_TABLE)
    .where(
        _TABLE.c.id == bindparam("which"),
        _TABLE.c.state == bindparam("was"),
        or_(
            _TABLE.c.claimed_until.is_(None),
            _TABLE.c.claimed_until <= bindparam("now", type_=_TABLE.c.due_at.type),
        ),
    )
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "state",
                "reason",
                "due_at",
                "decided_at",
                "settled_at",
                "operation_id",
                "amount_minor",
            )
        }
    )
)

_SENT = (
    update(_TABLE)
    .where(
        _TABLE.c.id == bindparam("which"),
        _TABLE.c.state == "due",
        _TABLE.c.attempts == bindparam("attempt"),
    )
    .values(
        state="sent",
        reason="sent",
        claimed_until=None,
        smtp_code=None,
        **{name: bindparam(f"new_{name}") for name in ("address", "link_id", "settled_at")},
    )
)
"""Made once: it is carried out for every mail."""


def of_customer(
    organization_id: str, customer_id: str, *, sort: MailSort = "-decided_at"
) -> PagedRows[CustomerMail]:
    """What a customer was written, or was not, without dry runs."""
    rows = select(CustomerMail).where(
        CustomerMail.organization_id == organization_id,
        CustomerMail.customer_id == customer_id,
        CustomerMail.dry_run == "",
    )
    return PagedRows(rows, *paged_by(sort))


def paged_by(sort: MailSort) -> tuple[tuple[Any, ...], bool]:
    """The key that a sort names, and whether it is descending."""
    return order(_KEYS, sort)


# --- Decisions ----------------------------------------------------------------------------------------


async def add_decisions(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store decisions, each with every column; a step that somebody else decided first stays as it is.

    Give them in order of invoice and step, or two runs wait for each other.
    """
    if rows:
        connection = await session.connection()
        await connection.execute(_INSERTS[connection.dialect.name], list(rows))


async def change_decisions(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Decide anew on mails that are not sent: `which` (id) and `was` (state), `now`, and the `new_…` columns.

    What somebody is sending, or has changed meanwhile, stays as it is.
    """
    if rows:
        connection = await session.connection()
        await connection.execute(_CHANGE, list(rows))


async def skip_of_closed_invoices(
    session: AsyncSession, organization_id: str, *, operation_id: str, at: datetime
) -> None:
    """Reminders of invoices that are no longer open, held or left by a run that ended, are skipped: why."""
    status = col(Invoice.status)
    ours = col(Invoice.id) == CustomerMail.invoice_id
    why = case(*((status == one, one) for one in ("paid", "void", "uncollectible")), else_="not_open")
    await session.exec(
        update(CustomerMail)
        .where(*_left_of_closed_invoices(organization_id, at))
        .values(
            state=SKIPPED,
            reason=select(why).where(ours).scalar_subquery(),
            operation_id=operation_id,
            decided_at=at,
            settled_at=at,
        )
        .execution_options(synchronize_session=False)
    )


async def left_of_closed_invoices(session: AsyncSession, organization_id: str, *, at: datetime) -> bool:
    """Whether such reminders wait for a run: held until now, or left by one that ended."""
    found = await session.exec(
        select(CustomerMail.id)
        .where(*_left_of_closed_invoices(organization_id, at), col(CustomerMail.due_at) <= at)
        .limit(1)
    )
    return found.first() is not None


def _left_of_closed_invoices(organization_id: str, at: datetime) -> tuple[Any, ...]:
    closed = select(Invoice.id).where(Invoice.id == CustomerMail.invoice_id, Invoice.status != "open")
    ended = select(Operation.id).where(
        Operation.id == CustomerMail.operation_id, col(Operation.closed_at).is_not(None)
    )
    return (
        CustomerMail.organization_id == organization_id,
        CustomerMail.dry_run == "",
        CustomerMail.template == REMINDER,
        or_(
            col(CustomerMail.state) == HELD,
            and_(col(CustomerMail.state) == DUE, ended.exists(), _unclaimed(at)),
        ),
        closed.exists(),
    )


async def call_off(session: AsyncSession, operation_id: str, *, at: datetime) -> None:
    """What the run has not sent, and nobody is just sending, is not sent any more."""
    await session.exec(
        update(CustomerMail)
        .where(*_open_of(operation_id), _unclaimed(at))
        .values(state=SKIPPED, reason="called_off", decided_at=at, settled_at=at)
        .execution_options(synchronize_session=False)
    )


# --- Sending ------------------------------------------------------------------------------------------


async def claim(
    session: AsyncSession,
    *,
    at: datetime,
    until: datetime,
    most: int,
    operation: str | None = None,
    mail: str | None = None,
) -> list[CustomerMail]:
    """Mails that are due, of the operation or the one that is named: nobody else gets them before `until`.

    Commit before sending. Each claim counts as an attempt; which of several come first does not matter.
    """
    which = col(CustomerMail.id) == mail if mail is not None else col(CustomerMail.operation_id) == operation
    next_ = (
        select(CustomerMail.id)
        .where(
            which,
            CustomerMail.state == DUE,
            CustomerMail.dry_run == "",
            col(CustomerMail.due_at) <= at,
            _unclaimed(at),
        )
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("next_mails")
    )
    claimed = await session.exec(
        update(CustomerMail)
        .where(col(CustomerMail.id).in_(select(next_.c.id)))
        .values(claimed_until=until, attempts=col(CustomerMail.attempts) + 1)
        .returning(CustomerMail)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return list(claimed.scalars())


async def release(session: AsyncSession, mails: Sequence[CustomerMail]) -> None:
    """Give back what was claimed and not tried: anybody may have it at once."""
    for mail in mails:
        await _settle(session, mail, claimed_until=None, attempts=mail.attempts - 1)


async def settle_sent(session: AsyncSession, mail: CustomerMail, *, at: datetime, address: str) -> bool:
    """The server took it. Like all of these, False if the claim was no longer this sender's."""
    values = {"new_address": address, "new_link_id": mail.link_id, "new_settled_at": at}
    connection = await session.connection()
    settled = await connection.execute(_SENT, {"which": mail.id, "attempt": mail.attempts, **values})
    return bool(settled.rowcount)


async def settle_bounced(
    session: AsyncSession, mail: CustomerMail, *, at: datetime, address: str, smtp_code: int | None
) -> bool:
    """The server refuses the address for good."""
    values = {"state": BOUNCED, "reason": "bounced", "address": address, "smtp_code": smtp_code}
    return await _settle(session, mail, settled_at=at, claimed_until=None, link_id=mail.link_id, **values)


async def reopen_bounced(session: AsyncSession, since: datetime, *, due_at: datetime) -> list[CustomerMail]:
    """Mails of all customers that were refused from `since` on are due again."""
    reopened = await session.exec(
        update(CustomerMail)
        .where(col(CustomerMail.state) == BOUNCED, col(CustomerMail.settled_at) >= since)
        .values(state=DUE, reason="later", due_at=due_at, settled_at=None, claimed_until=None)
        .returning(CustomerMail)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return list(reopened.scalars())


async def settle_skipped(session: AsyncSession, mail: CustomerMail, *, at: datetime, reason: str) -> bool:
    """Something came between: the invoice was paid, the customer opted out …"""
    return await _settle(session, mail, state=SKIPPED, reason=reason, settled_at=at, claimed_until=None)


async def postpone(
    session: AsyncSession, mail: CustomerMail, *, due_at: datetime, smtp_code: int | None = None
) -> bool:
    """It could not be sent now; it stays due, from `due_at` on."""
    return await _settle(
        session, mail, due_at=due_at, reason="later", smtp_code=smtp_code, claimed_until=None
    )


async def hold(session: AsyncSession, mail: CustomerMail, *, due_at: datetime, reason: str) -> bool:
    """Its hour is over where the customer is: held again, for the next run from `due_at` on."""
    return await _settle(session, mail, state=HELD, due_at=due_at, reason=reason, claimed_until=None)


async def waiting(session: AsyncSession, *, operation: str | None = None, mail: str | None = None) -> int:
    """How many mails are due and not sent, at whatever time."""
    which = CustomerMail.id == mail if mail is not None else CustomerMail.operation_id == operation
    found = await session.exec(
        select(func.count()).where(which, CustomerMail.state == DUE, CustomerMail.dry_run == "")
    )
    return found.one()


async def is_due(
    session: AsyncSession, *, at: datetime, operation: str | None = None, mail: str | None = None
) -> bool:
    """Whether a mail could be claimed now."""
    which = CustomerMail.id == mail if mail is not None else CustomerMail.operation_id == operation
    found = await session.exec(
        select(CustomerMail.id)
        .where(
            which,
            CustomerMail.state == DUE,
            CustomerMail.dry_run == "",
            col(CustomerMail.due_at) <= at,
            _unclaimed(at),
        )
        .limit(1)
    )
    return found.first() is not None


async def _settle(session: AsyncSession, mail: CustomerMail, **values: Any) -> bool:
    # By the number of its attempts a sender knows its own claim: another's is a later one.
    settled = await session.exec(
        update(CustomerMail)
        .where(
            col(CustomerMail.id) == mail.id,
            col(CustomerMail.state) == DUE,
            col(CustomerMail.attempts) == mail.attempts,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return bool(settled.rowcount)


def _unclaimed(at: datetime) -> Any:
    claimed_until = col(CustomerMail.claimed_until)
    return or_(claimed_until.is_(None), claimed_until <= at)


def _open_of(operation_id: str) -> tuple[Any, ...]:
    return (
        col(CustomerMail.operation_id) == operation_id,
        col(CustomerMail.state) == DUE,
        col(CustomerMail.dry_run) == "",
    )

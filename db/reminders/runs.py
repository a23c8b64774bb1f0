"""Reminder runs and what was decided about an invoice, a page at a time for those who look."""

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Kind
from billing.reminders.runs import Count

from ..core.pages import DEFAULT_LIMIT, Page, read_page
from ..mail.customer_mails import REMINDER
from ..tables import CustomerMail, Operation


async def page(
    session: AsyncSession,
    organization_id: str,
    *,
    dry_run: bool | None = None,
    open: bool | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Operation]:
    """An organization's reminder runs, the newest first; `open` is whether they have not ended.

    Raises InvalidRequest `invalid_cursor`.
    """
    wanted = select(Operation).where(
        Operation.organization_id == organization_id, Operation.kind == Kind.REMINDER_RUN.value
    )
    if dry_run is not None:
        wanted = wanted.where(col(Operation.request)["dry_run"].as_boolean().is_(dry_run))
    if open is not None:
        closed_at = col(Operation.closed_at)
        wanted = wanted.where(closed_at.is_(None) if open else closed_at.is_not(None))
    return await read_page(session, wanted, col(Operation.id), limit=limit, cursor=cursor)


async def of_invoice(
    session: AsyncSession,
    organization_id: str,
    invoice_id: str,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[CustomerMail]:
    """What was decided about reminders of an invoice, the newest first; dry runs decide nothing.

    Raises InvalidRequest `invalid_cursor`.
    """
    wanted = select(CustomerMail).where(
        CustomerMail.invoice_id == invoice_id,
        CustomerMail.organization_id == organization_id,
        CustomerMail.template == REMINDER,
        CustomerMail.dry_run == "",
    )
    key = (col(CustomerMail.decided_at), col(CustomerMail.id))
    return await read_page(session, wanted, *key, limit=limit, cursor=cursor)


async def counts(session: AsyncSession, operation_id: str) -> tuple[Count, ...]:
    """How the run's mails stand: by state and reason, with what is unpaid by currency (minor units)."""
    found = await session.exec(
        select(  # type: ignore[call-overload]
            CustomerMail.state,
            CustomerMail.reason,
            CustomerMail.currency,
            func.count(),
            func.sum(CustomerMail.amount_minor),
        )
        .where(CustomerMail.operation_id == operation_id)
        .group_by(CustomerMail.state, CustomerMail.reason, CustomerMail.currency)
    )
    grouped: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    for state, reason, currency, mails, amount in found:
        grouped.setdefault((state, reason), {})[currency] = (mails, int(amount))
    return tuple(
        Count(
            state=state,
            reason=reason,
            mails=sum(mails for mails, _ in by_currency.values()),
            amounts={currency: amount for currency, (_, amount) in sorted(by_currency.items())},
        )
        for (state, reason), by_currency in sorted(grouped.items())
    )


async def decisions(
    session: AsyncSession,
    operation_id: str,
    *,
    state: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[CustomerMail]:
    """A run's decisions, the newest first. Raises InvalidRequest `invalid_cursor`."""
    wanted = select(CustomerMail).where(CustomerMail.operation_id == operation_id)
    if state:
        wanted = wanted.where(CustomerMail.state == state)
    return await read_page(session, wanted, col(CustomerMail.id), limit=limit, cursor=cursor)

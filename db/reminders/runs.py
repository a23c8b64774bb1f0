"""Reminder runs and what was decided about an invoice, a page at a time for those who look."""

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Kind
from billing.reminders.runs import Count

from ..core.pages import ByCreation, PagedRows, order
from ..mail.customer_mails import REMINDER, MailSort, paged_by
from ..tables import CustomerMail, Operation

_RUN_KEYS = {"created_at": (col(Operation.id),)}  # ids are in the order in which they were made


def paged(
    organization_id: str,
    *,
    dry_run: bool | None = None,
    open: bool | None = None,
    requested_by: str | None = None,
    sort: ByCreation = "-created_at",
) -> PagedRows[Operation]:
    """An organization's reminder runs; `open` is whether they have not ended, `requested_by` a person, or
    `system` for those by schedule."""
    wanted = select(Operation).where(
        Operation.organization_id == organization_id, Operation.kind == Kind.REMINDER_RUN.value
    )
    if dry_run is not None:
        wanted = wanted.where(col(Operation.request)["dry_run"].as_boolean().is_(dry_run))
    if open is not None:
        closed_at = col(Operation.closed_at)
        wanted = wanted.where(closed_at.is_(None) if open else closed_at.is_not(None))
    if requested_by is not None:
        wanted = wanted.where(Operation.requested_by == requested_by)
    return PagedRows(wanted, *order(_RUN_KEYS, sort))


def of_invoice(
    organization_id: str, invoice_id: str, *, sort: MailSort = "-decided_at"
) -> PagedRows[CustomerMail]:
    """What was decided about reminders of an invoice; dry runs decide nothing."""
    wanted = select(CustomerMail).where(
        CustomerMail.invoice_id == invoice_id,
        CustomerMail.organization_id == organization_id,
        CustomerMail.template == REMINDER,
        CustomerMail.dry_run == "",
    )
    return PagedRows(wanted, *paged_by(sort))


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


def decisions(
    operation_id: str,
    *,
    state: str | None = None,
    reason: str | None = None,
    customer_id: str | None = None,
    sort: MailSort = "-decided_at",
) -> PagedRows[CustomerMail]:
    """A run's decisions."""
    wanted = select(CustomerMail).where(CustomerMail.operation_id == operation_id)
    if state:
        wanted = wanted.where(CustomerMail.state == state)
    if reason:
        wanted = wanted.where(CustomerMail.reason == reason)
    if customer_id:
        wanted = wanted.where(CustomerMail.customer_id == customer_id)
    return PagedRows(wanted, *paged_by(sort))

"""What decides about reminders, read a page of invoices at a time: columns only, two statements a page."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import and_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.customers import Whereabouts, correspondent
from billing.core.operations import SYSTEM, Kind
from billing.reminders.rules import InvoiceFacts, LinkFacts, PromiseFacts, UnsentReminder

from ..incidents import incidents
from ..mail.customer_mails import REMINDER
from ..tables import (
    Customer,
    CustomerMail,
    CustomerSettings,
    Invoice,
    Operation,
    Organization,
    PaymentPromise,
    PortalLink,
    ReminderPause,
)

_FACTS = (
    select(  # type: ignore[call-overload, misc]
        Invoice.id,
        Invoice.customer_id,
        Invoice.status,
        Invoice.currency,
        Invoice.amount_remaining,
        Invoice.due_date,
        Invoice.finalized_at,
        Invoice.created_at,
        Invoice.collection_method,
        Customer.name,
        Customer.email,
        Customer.deleted,
        Customer.language,
        Customer.country,
        CustomerSettings.language,
        CustomerSettings.zone,
        CustomerSettings.country,
        CustomerSettings.subdivision,
        CustomerSettings.approval_cycle_days,
        CustomerSettings.opted_out_at,
        CustomerSettings.bounced_address,
        PortalLink.id,
        PortalLink.created_at,
        PortalLink.expires_at,
        PaymentPromise.id,
        PaymentPromise.day,
        ReminderPause.invoice_id,
        ReminderPause.until,
        Organization.zone,
        Organization.country,
        Organization.subdivision,
    )
    .select_from(Invoice)
    .join(Organization, col(Organization.id) == Invoice.organization_id)
    .join(Customer, col(Customer.id) == Invoice.customer_id, isouter=True)
    .join(CustomerSettings, col(CustomerSettings.customer_id) == Invoice.customer_id, isouter=True)
    .join(
        PortalLink,
        and_(col(PortalLink.invoice_id) == Invoice.id, col(PortalLink.ended_at).is_(None)),
        isouter=True,
    )
    .join(
        PaymentPromise,
        and_(col(PaymentPromise.invoice_id) == Invoice.id, col(PaymentPromise.replaced_at).is_(None)),
        isouter=True,
    )
    .join(ReminderPause, col(ReminderPause.invoice_id) == Invoice.id, isouter=True)
)


async def page(
    session: AsyncSession, organization_id: str, *, after: str, limit: int, at: datetime, operation: str = ""
) -> list[InvoiceFacts]:
    """The facts of the organization's next open invoices, by id; `operation` is the run that asks."""
    query = _FACTS.where(
        Invoice.organization_id == organization_id, Invoice.status == "open", col(Invoice.id) > after
    )
    return await _read(session, query.order_by(col(Invoice.id)).limit(limit), at, operation)


async def unsent_of(
    session: AsyncSession, organization_id: str, operation: str, *, after: str, limit: int, at: datetime
) -> list[InvoiceFacts]:
    """The facts of the next invoices whose reminders the run has still to send, whatever their status."""
    due = select(CustomerMail.invoice_id).where(
        CustomerMail.operation_id == operation, CustomerMail.state == "due", CustomerMail.dry_run == ""
    )
    query = _FACTS.where(col(Invoice.id).in_(due), col(Invoice.id) > after)
    return await _read(session, query.order_by(col(Invoice.id)).limit(limit), at, operation)


async def of_invoice(
    session: AsyncSession, organization_id: str, invoice_id: str, *, at: datetime
) -> tuple[InvoiceFacts, bool] | None:
    """The facts of one invoice of the organization, and whether the portal is degraded."""
    down = incidents.since("portal").exists()
    query = _FACTS.where(Invoice.organization_id == organization_id, Invoice.id == invoice_id)
    row = (await session.exec(query.add_columns(down))).one_or_none()
    if row is None:
        return None
    *facts, portal_down = row
    decided, unsent = await _decided(session, invoice_id, invoice_id, at, "")
    return _facts(facts, decided[invoice_id], unsent[invoice_id]), bool(portal_down)


async def of_invoices(
    session: AsyncSession, organization_id: str, invoice_ids: Collection[str]
) -> dict[str, InvoiceFacts]:
    """The facts of these invoices of the organization, by id; without what was decided about them."""
    query = _FACTS.where(Invoice.organization_id == organization_id, col(Invoice.id).in_(invoice_ids))
    return {row[0]: _facts(row, [], []) for row in (await session.exec(query)).all()}


async def open_scheduled_run(session: AsyncSession, organization_id: str) -> Operation | None:
    """The run by schedule of this organization that has not ended."""
    found = await session.exec(
        select(Operation).where(
            Operation.organization_id == organization_id,
            Operation.kind == Kind.REMINDER_RUN.value,
            Operation.requested_by == SYSTEM,
            col(Operation.closed_at).is_(None),
        )
    )
    return found.first()


async def organizations(session: AsyncSession, *, after: str, limit: int) -> list[str]:
    """The next organizations' ids, in order."""
    found = await session.exec(
        select(Organization.id)
        .where(col(Organization.id) > after)
        .order_by(col(Organization.id))
        .limit(limit)
    )
    return list(found)


async def _read(session: AsyncSession, query: Any, at: datetime, operation: str) -> list[InvoiceFacts]:
    rows = (await session.exec(query)).all()
    if not rows:
        return []
    decided, unsent = await _decided(session, rows[0][0], rows[-1][0], at, operation)
    return [_facts(row, decided[row[0]], unsent[row[0]]) for row in rows]


async def _decided(
    session: AsyncSession, first: str, last: str, at: datetime, operation: str
) -> tuple[dict[str, list[str]], dict[str, list[UnsentReminder]]]:
    mail = CustomerMail
    found = await session.exec(
        select(  # type: ignore[call-overload]
            mail.invoice_id,
            mail.step,
            mail.state,
            mail.id,
            mail.due_at,
            mail.operation_id,
            mail.claimed_until,
            Operation.closed_at,
        )
        .join(Operation, and_(col(Operation.id) == mail.operation_id, col(mail.state) == "due"), isouter=True)
        .where(
            mail.dry_run == "",
            col(mail.invoice_id) >= first,
            col(mail.invoice_id) <= last,
            mail.template == REMINDER,
        )
    )
    decided: dict[str, list[str]] = defaultdict(list)
    unsent: dict[str, list[UnsentReminder]] = defaultdict(list)
    for invoice, step, state, id_, due_at, by, claimed_until, closed_at in found:
        decided[invoice].append(step)
        ours = by == operation
        if state == "held":
            unsent[invoice].append(UnsentReminder(id_, step, "held", due_at, ours))
        # What another run is about to send is that run's; what somebody is sending is theirs.
        elif state == "due" and (ours or closed_at) and (claimed_until is None or claimed_until <= at):
            unsent[invoice].append(UnsentReminder(id_, step, "due", due_at, ours))
    return decided, unsent


def _facts(row: Any, decided: list[str], unsent: list[UnsentReminder]) -> InvoiceFacts:
    (
        invoice,
        customer,
        status,
        currency,
        remaining,
        due_date,
        finalized_at,
        created_at,
        collection_method,
        name,
        email,
        deleted,
        language,
        country,
        own_language,
        own_zone,
        own_country,
        own_subdivision,
        cycle_days,
        opted_out_at,
        bounced_address,
        link,
        link_created_at,
        link_expires_at,
        promise,
        promised_day,
        paused,
        paused_until,
        *home,
    ) = row
    return InvoiceFacts(
        invoice=invoice,
        status=status,
        currency=currency,
        amount_minor=remaining,
        to=correspondent(
            customer=customer,
            name=name,
            email=None if deleted else email,
            settings=Whereabouts(own_language, own_zone, own_country, own_subdivision),
            stripe=Whereabouts(language, None, country),
            organization=Whereabouts(None, *home),
        ),
        due_date=due_date,
        issued_at=finalized_at or created_at,
        collection_method=collection_method,
        cycle_days=cycle_days,
        link=LinkFacts(link, link_created_at, link_expires_at) if link else None,
        promise=PromiseFacts(promise, promised_day) if promise else None,
        paused=paused is not None,
        paused_until=paused_until,
        opted_out=opted_out_at is not None,
        bounced_address=bounced_address,
        decided=frozenset(decided),
        unsent=tuple(unsent),
    )

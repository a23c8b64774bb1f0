"""The mirror of what Stripe holds. An older reading never overwrites a newer one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Problem
from billing.plan_changes.items.add_ons import AddOn
from billing.plan_changes.plans import Plan

from ..cases import discount_cases, invoice_cases, money_cases, subscription_cases
from ..cases.cases import CaseRules
from ..core.pending import update_later
from ..core.statements import insert_new, store_reading, store_readings
from ..tables import (
    AddOnRow,
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    DiscountRow,
    Invoice,
    InvoiceLines,
    MoneyRow,
    Organization,
    PaymentRow,
    PlanRow,
    RefundRow,
    StripeEvent,
)

DRAFT = "draft"
UNREADABLE = "unreadable"
"""In an organization's mirrored subscription: the problem for which Stripe's is not what a plan is. The rest
is what it was before: nothing but the currency where it never was one."""


NOT_ALL_LINES = frozenset(["given", "given_in"])
"""Columns of an invoice that a reading without all of its lines leaves."""

MirrorRow = Customer | Invoice | InvoiceLines | PaymentRow | MoneyRow
Row = TypeVar("Row", bound=MirrorRow)


class UnreadableSubscription(NamedTuple):
    """A subscription that is not what a plan is, and why."""

    problem: Problem
    currency: str


async def store(
    session: AsyncSession, rules: CaseRules, rows: Sequence[MirrorRow], read_at: datetime
) -> None:
    """Mirror objects of customers as they were read from Stripe. What no operation gave away opens a case.

    Always in the same order, so that two writers never wait for each other's rows.
    """
    for customer in _of_table(Customer, rows):
        await store_customer(session, customer)
    for invoice in _of_table(Invoice, rows):
        await store_invoice(session, invoice)
    if lines := _of_table(InvoiceLines, rows):
        await store_invoice_lines(session, lines)
    for payment in _of_table(PaymentRow, rows):
        await store_payment(session, payment)
    money: list[MoneyRow] = [
        *_of_table(RefundRow, rows),
        *_of_table(CreditNoteRow, rows),
        *_of_table(BalanceTransactionRow, rows),
    ]
    for row in money:
        await store_money(session, row)
    await money_cases.notice(session, rules, money, read_at)
    await invoice_cases.notice(session, rules, [one.id for one in _of_table(Invoice, rows)], read_at)


async def store_discounts(
    session: AsyncSession, rules: CaseRules, rows: Sequence[DiscountRow], read_at: datetime
) -> None:
    """Mirror discounts as they were first seen; what they are worth stays. Each that is new opens a case."""
    ordered = sorted(rows, key=lambda row: row.id)
    await insert_new(session, DiscountRow, [row.model_dump() for row in ordered])
    await discount_cases.notice(session, rules, ordered, read_at)


async def unknown_discounts(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Those of these discounts that the mirror does not have."""
    known = await session.exec(select(DiscountRow.id).where(col(DiscountRow.id).in_(ids)))
    return set(ids) - set(known)


def _of_table(table: type[Row], rows: Sequence[MirrorRow]) -> list[Row]:
    """The rows of one table, sorted by id."""
    found = [row for row in rows if isinstance(row, table)]
    return sorted(found, key=lambda row: row.invoice_id if isinstance(row, InvoiceLines) else row.id)


async def store_subscription(
    session: AsyncSession,
    rules: CaseRules,
    organization_id: str,
    subscription: Mapping[str, Any] | UnreadableSubscription,
    *,
    synced_at: datetime,
) -> None:
    """Mirror an organization's subscription as it was read from Stripe at `synced_at`.

    A change of its terms that nobody of us made opens a case, with the caller's transaction. Of one that is
    not what a plan is the reason is kept, beside what it last was.
    """
    before = await subscription_cases.lock(session, organization_id)
    if before is None or (before.synced_at is not None and before.synced_at > synced_at):
        return
    if isinstance(subscription, UnreadableSubscription):
        was = before.document or {"currency": subscription.currency}
        await _set_subscription(
            session, organization_id, was | {UNREADABLE: subscription.problem.model_dump()}, synced_at
        )
        return
    document = subscription_cases.remembering(before, dict(subscription), synced_at)
    if document is None:
        return
    await _set_subscription(session, organization_id, document, synced_at)
    await subscription_cases.notice(session, rules, before, document, synced_at)


async def _set_subscription(
    session: AsyncSession, organization_id: str, document: Mapping[str, Any], synced_at: datetime
) -> None:
    which = {"id": organization_id}
    await update_later(session, Organization, which, subscription=dict(document), synced_at=synced_at)


async def store_plan(session: AsyncSession, plan: Plan, *, synced_at: datetime) -> None:
    """Mirror a plan as it was read from Stripe at `synced_at`."""
    document = plan.model_dump(mode="json")
    await store_reading(
        session, PlanRow(plan=plan.plan, product=plan.product, document=document, synced_at=synced_at)
    )


async def store_add_on(session: AsyncSession, add_on: AddOn, *, synced_at: datetime) -> None:
    """Mirror an add-on as it was read from Stripe at `synced_at`."""
    document = add_on.model_dump(mode="json")
    row = AddOnRow(add_on=add_on.add_on, product=add_on.product, document=document, synced_at=synced_at)
    await store_reading(session, row)


async def store_customer(session: AsyncSession, customer: Customer) -> None:
    """Mirror a customer as it was read from Stripe at its `synced_at`."""
    await store_reading(session, customer)


async def store_invoice(session: AsyncSession, invoice: Invoice) -> None:
    """Mirror an invoice as it was read from Stripe at its `synced_at`; no draft that was deleted since."""
    if invoice.status != DRAFT or not await deleted_drafts(session, [invoice.id]):
        await store_reading(session, invoice, NOT_ALL_LINES)


async def read_whole(session: AsyncSession, statuses: Mapping[str, str]) -> set[str]:
    """Those of these final invoices, by their statuses, of which all lines were read in that status: in
    another one more may be given away."""
    if not statuses:
        return set()
    whole = select(Invoice.id, Invoice.given_in).where(
        col(Invoice.id).in_(statuses), col(Invoice.finalized_at).is_not(None)
    )
    return {id_ for id_, status in await session.exec(whole) if statuses[id_] == status}


async def store_invoice_lines(session: AsyncSession, lines: Sequence[InvoiceLines]) -> None:
    """Mirror invoices' lines, each as it was read from Stripe at its `synced_at`."""
    deleted = await deleted_drafts(session, [one.invoice_id for one in lines])
    await store_readings(session, [one for one in lines if one.invoice_id not in deleted])


async def remove_draft(session: AsyncSession, invoice_id: str, *, read_at: datetime) -> str | None:
    """Take an invoice out that Stripe did not have any more at `read_at`; returns whose it was.

    Only a draft can be deleted there, and nothing of ours refers to one: links, reminders, payments and
    troubles are of invoices that were finalized. What was read later stays.
    """
    gone = await session.exec(
        delete(Invoice)
        .where(
            col(Invoice.id) == invoice_id,
            col(Invoice.status) == DRAFT,
            col(Invoice.synced_at) <= read_at,
        )
        .returning(col(Invoice.organization_id))
        .execution_options(synchronize_session=False)
    )
    owner: str | None = gone.scalar_one_or_none()
    if owner is not None:
        await session.exec(
            delete(InvoiceLines)
            .where(col(InvoiceLines.invoice_id) == invoice_id, col(InvoiceLines.synced_at) <= read_at)
            .execution_options(synchronize_session=False)
        )
    return owner


async def deleted_drafts(session: AsyncSession, invoices: Sequence[str]) -> set[str]:
    """Those that Stripe has told us were deleted: whoever read one before must not bring it back."""
    statement = select(StripeEvent.object_id).where(
        StripeEvent.type == "invoice.deleted", col(StripeEvent.object_id).in_(invoices)
    )
    return {found for found in await session.exec(statement) if found is not None}


async def store_payment(session: AsyncSession, payment: PaymentRow) -> None:
    """Mirror a payment as it was read from Stripe at its `synced_at`.

    Neither a PaymentIntent nor its charge names the invoice or says whether a dispute keeps it from being
    refunded: one without leaves what is known of it.
    """
    await store_reading(session, payment, kept=frozenset(["invoice_id", "held_by_dispute"]))


async def link_payments(session: AsyncSession, invoices: Mapping[str, str]) -> None:
    """Note which invoice each of these payments paid, by their PaymentIntents; unknown ones are left out."""
    for payment_intent, invoice_id in sorted(invoices.items()):
        await session.exec(
            update(PaymentRow)
            .where(
                col(PaymentRow.id) == payment_intent, col(PaymentRow.invoice_id).is_distinct_from(invoice_id)
            )
            .values(invoice_id=invoice_id)
            .execution_options(synchronize_session=False)
        )


async def store_money(session: AsyncSession, row: MoneyRow) -> None:
    """Mirror a refund, credit note or change of a customer's balance as it was read at its `synced_at`.

    Which operation made it is of our own records and not of the reading: it is noted on a later reading too.
    """
    await store_reading(session, row, kept=frozenset(["operation_id"]))
    if row.operation_id is not None:
        table = type(row)
        await session.exec(
            update(table)
            .where(col(table.id) == row.id, col(table.operation_id).is_(None))
            .values(operation_id=row.operation_id)
            .execution_options(synchronize_session=False)
        )


async def organization(session: AsyncSession, organization_id: str) -> Organization:
    """The organization with its subscription as last read. Raises LookupError when there is none."""
    found = await session.get(Organization, organization_id)
    if found is None:
        raise LookupError(f"no organization {organization_id}")
    return found


async def plans(session: AsyncSession) -> list[Plan]:
    """Every plan as last read, by name of the slug."""
    rows = await session.exec(select(PlanRow).order_by(col(PlanRow.plan)))
    return [Plan.model_validate(row.document) for row in rows]


async def add_ons(session: AsyncSession) -> list[AddOn]:
    """Every add-on as last read, by its short name."""
    rows = await session.exec(select(AddOnRow).order_by(col(AddOnRow.add_on)))
    return [AddOn.model_validate(row.document) for row in rows]


async def customer(session: AsyncSession, organization_id: str, customer_id: str) -> Customer | None:
    """The customer, deleted or not, if it is this organization's."""
    found = await session.get(Customer, customer_id)
    return found if found and found.organization_id == organization_id else None


async def invoice(session: AsyncSession, organization_id: str, invoice_id: str) -> Invoice | None:
    """The invoice, if it is this organization's."""
    found = await session.get(Invoice, invoice_id)
    return found if found and found.organization_id == organization_id else None


async def payment(session: AsyncSession, organization_id: str, payment_intent: str) -> PaymentRow | None:
    """The payment, if it is this organization's."""
    found = await session.get(PaymentRow, payment_intent)
    return found if found and found.organization_id == organization_id else None


async def refunds_of(session: AsyncSession, payment_intents: Collection[str]) -> list[RefundRow]:
    """Every refund of these payments, the oldest first."""
    found = await session.exec(
        select(RefundRow)
        .where(col(RefundRow.payment_intent).in_(payment_intents))
        .order_by(col(RefundRow.created_at), col(RefundRow.id))
    )
    return list(found)


async def balance_customer(session: AsyncSession, transaction_id: str) -> str:
    """Whose balance a transaction changed. Raises LookupError when it was never read."""
    found = await session.get(BalanceTransactionRow, transaction_id)
    if found is None:
        raise LookupError(f"no balance transaction {transaction_id}")
    return found.customer_id

"""Stores what a page of Stripe's has of ours, and notes for a run what our mirror had otherwise.

Every page of every kind comes through here, be it a run's or the first filling of an empty mirror.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import Correction, ObjectKind
from billing.stripe.events import EventSubject
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import differences, mirror, reconciliations, unpaid_bills
from db.mirror.compare import RowDifference, compare_and_store
from db.tables import (
    BalanceTransactionRow,
    DifferenceRow,
    Invoice,
    InvoiceLines,
    OrganizationInvoice,
    PaymentRow,
    new_id,
)

from .objects.snapshot import Document

Row = TypeVar("Row", bound=SQLModel)

KEPT: Mapping[ObjectKind, frozenset[str]] = {
    ObjectKind.INVOICE: mirror.NOT_ALL_LINES,
    # Neither a PaymentIntent nor its charge names the invoice, or says what its disputes do.
    ObjectKind.PAYMENT: frozenset({"invoice_id", "held_by_dispute"}),
    # Which operation made it stays known when somebody clears its metadata in Stripe.
    ObjectKind.REFUND: frozenset({"operation_id"}),
    ObjectKind.CREDIT_NOTE: frozenset({"operation_id"}),
    # Of one that a credit note made, the note names the operation.
    ObjectKind.BALANCE_TRANSACTION: frozenset({"operation_id"}),
}
"""Columns in which None says that the reading did not show it."""


@dataclass(frozen=True)
class RunPage:
    """The page of a run, by a name that no other page of the run has."""

    reconciliation: str
    name: str

    def part(self, object_id: str) -> "RunPage":
        """What of the page is stored by itself."""
        return RunPage(self.reconciliation, f"{self.name}/{object_id}")


@dataclass(frozen=True)
class MirrorDifference:
    """What the mirror had otherwise; `told_by` are the Stripe ids by which an event would tell of it."""

    kind: ObjectKind
    id: str
    organization: str
    fields: list[dict[str, Any]]
    since: datetime | None
    correction: Correction
    told_by: tuple[str, ...] = ()


Store = Callable[[AsyncSession, Sequence[Document], RunPage | None], Awaitable[object]]
"""Makes rows of objects as Stripe has them, and stores them."""


def sweep_of(subject: EventSubject) -> str:
    """Under which name objects of this kind that can't be mirrored are kept, to be tried again."""
    return f"mirror of {subject}s"


SUBSCRIPTIONS_DISCOUNTS = "mirror of subscriptions' discounts"
"""Under which subscriptions are kept whose discounts can't be mirrored, while they themselves can."""


async def store_page(
    database: Database,
    subject: EventSubject,
    found: Sequence[Document],
    store: Store,
    of: RunPage | None,
) -> int:
    """Store the objects of a page, in one transaction; where one of them can't be, each by itself, so that it
    keeps none of the others from the mirror. Returns how many were stored."""
    if not found:
        return 0

    async def few(session: AsyncSession, documents: Sequence[Document]) -> int:
        one = len(documents) == 1
        await store(session, documents, of.part(documents[0]["id"]) if of and one else of)
        return len(documents)

    mirror_of = Alone(database, sweep_of(subject))
    return sum(await mirror_of.together(found, few, lambda document: Unit(document["id"])))


async def store_rows(
    session: AsyncSession, kind: ObjectKind, rows: Sequence[Row], of: RunPage | None
) -> list[RowDifference[Row]]:
    """Store rows of one table, and note what of them differed if they are of a run."""
    differing = await compare_and_store(session, rows, KEPT.get(kind, frozenset()))
    if of:
        await count(session, kind, (organization_of(row) for row in rows), of)
        await note(session, [_found(kind, one) for one in differing], of)
    return differing


async def store_invoices(
    session: AsyncSession, invoices: Sequence[Invoice], lines: Sequence[InvoiceLines], of: RunPage | None
) -> list[RowDifference[Invoice]]:
    """As `store_rows`; what their lines had otherwise is said of the invoice, unless none were ever read."""
    # A page may show a draft that was deleted since.
    deleted = await mirror.deleted_drafts(session, [one.id for one in invoices])
    there = [one for one in invoices if one.id not in deleted]
    differing = await store_rows(session, ObjectKind.INVOICE, there, of)
    of_lines = await compare_and_store(session, [one for one in lines if one.invoice_id not in deleted])
    if of:
        found = [
            MirrorDifference(
                ObjectKind.INVOICE,
                one.row.invoice_id,
                one.row.organization_id,
                one.fields,
                one.since,
                "overwritten",
                (one.row.invoice_id,),
            )
            for one in of_lines
            if not one.added
        ]
        await note(session, found, of)
    return differing


async def store_organization_invoices(
    session: AsyncSession, invoices: Sequence[OrganizationInvoice], of: RunPage | None
) -> None:
    """As `store_rows`; a page may show a draft that was deleted since."""
    deleted = await mirror.deleted_drafts(session, [one.id for one in invoices])
    there = [one for one in invoices if one.id not in deleted]
    await store_rows(session, ObjectKind.ORGANIZATION_INVOICE, there, of)
    await unpaid_bills.tell(session, [one.id for one in there])


async def store_links(
    session: AsyncSession, links: Mapping[str, tuple[str, str]], read_at: datetime, of: RunPage | None
) -> None:
    """Note on payments which invoice each paid: by payment intent, the invoice and the invoice payment."""
    wanted = select(PaymentRow).where(col(PaymentRow.id).in_(links)).order_by(col(PaymentRow.id))
    rows = (await session.exec(wanted.with_for_update(key_share=True))).all()
    wrong = [row for row in rows if row.invoice_id != links[row.id][0]]
    found = [
        MirrorDifference(
            ObjectKind.PAYMENT,
            row.id,
            row.organization_id,
            [{"name": "invoice_id", "ours": row.invoice_id, "stripe": links[row.id][0]}],
            row.synced_at if row.invoice_id else None,
            "overwritten",
            (row.id, row.charge or row.id, links[row.id][1]),
        )
        for row in wrong
        if row.synced_at <= read_at
    ]
    await mirror.link_payments(session, {row.id: links[row.id][0] for row in wrong})
    if of:
        await note(session, found, of)


async def count(session: AsyncSession, kind: ObjectKind, organizations: Iterable[str], of: RunPage) -> None:
    """Count what was compared, once however often the page is done."""
    await reconciliations.count(session, of.reconciliation, f"{kind}:{of.name}", kind, Counter(organizations))


async def note(session: AsyncSession, found: Sequence[MirrorDifference], of: RunPage) -> None:
    """Note what differed, but for that of which an event has told: it is on its way into the mirror."""
    told = await differences.under_way(session, {id_ for one in found for id_ in one.told_by})
    at = utc_now()
    rows = [
        DifferenceRow(
            id=new_id("dif"),
            reconciliation_id=of.reconciliation,
            organization_id=one.organization,
            object_kind=one.kind.value,
            object_id=one.id,
            fields=one.fields,
            since=one.since,
            found_at=at,
            correction=one.correction,
        )
        for one in found
        if told.isdisjoint(one.told_by)
    ]
    await differences.add(session, rows)


def organization_of(row: Any) -> str:
    """Every row of the mirror has one."""
    return str(row.organization_id)


def _found(kind: ObjectKind, differing: RowDifference[Any]) -> MirrorDifference:
    row = differing.row
    correction: Correction = "added" if differing.added else "overwritten"
    told_by = (row.id, *_also_told_by(row))
    return MirrorDifference(
        kind, row.id, row.organization_id, differing.fields, differing.since, correction, told_by
    )


def _also_told_by(row: SQLModel) -> tuple[str, ...]:
    """A refund is told of by the charge; of a balance's changes, only the customer has events."""
    if isinstance(row, PaymentRow) and row.charge:
        return (row.charge,)
    if isinstance(row, BalanceTransactionRow):
        return (row.customer_id,)
    return ()

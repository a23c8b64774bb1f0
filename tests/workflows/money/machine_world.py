"""Everything there is of one organization: Stripe's objects beside our rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlmodel import SQLModel, select

from billing.money.refund import GONE
from db.tables import (
    Approval,
    BalanceTransactionRow,
    Commitment,
    CreditNoteRow,
    Customer,
    Intent,
    Invoice,
    NoteRow,
    Notice,
    Operation,
    PaymentRow,
    RefundRow,
    TimelineEvent,
)

from ...support.house import House

Document = dict[str, Any]

WAIVED = ["invoice.voided", "invoice.marked_uncollectible"]


@dataclass(frozen=True)
class Stripe:
    """By their ids; of payment intents those that were paid, with their charges."""

    customers: dict[str, Document]
    payments: dict[str, Document]
    refunds: dict[str, Document]
    credit_notes: dict[str, Document]
    transactions: dict[str, Document]
    invoices: dict[str, Document]
    waivers: list[tuple[str, str]]
    """The operations by whose request an invoice was voided or written off, with the invoice."""

    def refunds_of(self, operation: str) -> list[Document]:
        """The oldest first."""
        return [one for one in reversed(self.refunds.values()) if _operation(one) == operation]

    def live_refunds_of(self, operation: str) -> list[Document]:
        return [one for one in self.refunds_of(operation) if one["status"] not in GONE]

    def credits_of(self, operation: str) -> list[Document]:
        given = [*self.credit_notes.values(), *self.transactions.values()]
        return [one for one in given if _operation(one) == operation]

    def waived_by(self, operation: str) -> list[Document]:
        """The invoice that it voided or wrote off, with the `amount` that was left of it: nothing
        was paid of it before."""
        given_up = [self.invoices[invoice] for by, invoice in self.waivers if by == operation]
        return [one | {"amount": one["total"] - one["pre_payment_credit_notes_amount"]} for one in given_up]

    def made_by(self, operation: str) -> list[Document]:
        """What an operation gave, as far as it still holds."""
        return [*self.live_refunds_of(operation), *self.credits_of(operation), *self.waived_by(operation)]

    def marked(self) -> Iterator[tuple[str, Document]]:
        """What bears the mark of an operation, with that operation."""
        for one in (*self.refunds.values(), *self.credit_notes.values(), *self.transactions.values()):
            operation = _operation(one)
            if operation is not None:
                yield operation, one


@dataclass(frozen=True)
class World:
    stripe: Stripe
    operations: dict[str, Operation]
    timelines: dict[str, list[TimelineEvent]]
    commitments: dict[str, list[Commitment]]
    intents: dict[str, list[Intent]]
    notes: dict[str, list[NoteRow]]
    approvals: dict[str, list[Approval]]
    notices: dict[str, list[Notice]]
    mirror: dict[type[SQLModel], dict[str, Any]]
    """Rows by table and id."""

    def of_kind(self, kind: str) -> list[Operation]:
        return [one for one in self.operations.values() if one.kind == kind]


async def read(home: House, organization: str) -> World:
    """Stripe's side whole: nobody else's is there."""
    stripe = await _stripe(home)
    async with home.database.snapshot() as session:

        async def rows(table: type[Any]) -> list[Any]:
            if hasattr(table, "organization_id"):
                ours = table.organization_id == organization
            else:
                ours = table.operation_id.in_(
                    select(Operation.id).where(Operation.organization_id == organization)
                )
            return list(await session.exec(select(table).where(ours)))

        async def by_operation(table: type[Any], *order: str) -> dict[str, list[Any]]:
            found: dict[str, list[Any]] = {one: [] for one in operations}
            for row in sorted(await rows(table), key=lambda row: [getattr(row, name) for name in order]):
                found[row.operation_id].append(row)
            return found

        operations = {one.id: one for one in await rows(Operation)}
        mirrored = (Customer, Invoice, PaymentRow, RefundRow, CreditNoteRow, BalanceTransactionRow)
        return World(
            stripe=stripe,
            operations=operations,
            timelines=await by_operation(TimelineEvent, "seq"),
            commitments=await by_operation(Commitment, "part"),
            intents=await by_operation(Intent, "created_at"),
            notes=await by_operation(NoteRow, "seq"),
            approvals=await by_operation(Approval, "round"),
            notices=await by_operation(Notice, "created_at"),
            mirror={table: {row.id: row for row in await rows(table)} for table in mirrored},
        )


async def _stripe(home: House) -> Stripe:
    v1 = home.shop.client.v1
    customers = await _all(v1.customers.list_async({"limit": 100}))
    payments = await _all(v1.payment_intents.list_async({"limit": 100, "expand": ["data.latest_charge"]}))
    transactions: dict[str, Document] = {}
    for customer in customers:
        transactions |= await _all(v1.customers.balance_transactions.list_async(customer, {"limit": 100}))
    return Stripe(
        customers=customers,
        payments={id_: one for id_, one in payments.items() if one["status"] == "succeeded"},
        refunds=await _all(v1.refunds.list_async({"limit": 100})),
        credit_notes=await _all(v1.credit_notes.list_async({"limit": 100})),
        transactions=transactions,
        invoices=await _all(v1.invoices.list_async({"limit": 100})),
        waivers=await _waivers(v1),
    )


async def _waivers(v1: Any) -> list[tuple[str, str]]:
    """By the keys of the requests that Stripe's events name."""
    told = await _all(v1.events.list_async({"types": WAIVED, "limit": 100}))
    return [
        (one["request"]["idempotency_key"].split(":")[1], one["data"]["object"]["id"])
        for one in told.values()
    ]


async def _all(listing: Any) -> dict[str, Document]:
    page = await listing
    return {one.id: one.to_dict() async for one in page.auto_paging_iter()}


def _operation(document: Document) -> str | None:
    return (document["metadata"] or {}).get("plixo_operation")

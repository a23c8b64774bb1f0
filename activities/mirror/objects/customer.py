"""Customers of organizations, their balances, and what all objects of a customer have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import stripe
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.languages import is_offered
from billing.money.object_end import is_about
from billing.stripe.events import OWNER
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import bills, mirror
from db.mirror.mirror import MirrorRow
from db.money import commitments
from db.stripe import ours
from db.tables import BalanceTransactionRow, Customer, Organization

from ...stripe.failures import ask_for
from .bill import subscribing
from .snapshot import Document, Owner, claim_of, taken_out, time_of

PAGE = 100
"""The most that Stripe gives at a time."""

TRANSACTION_PARTS = ["customer"]
"""What to expand in the request for it."""


@dataclass(frozen=True)
class CustomersObject:
    """An object of a customer, who is read and mirrored with it."""

    customer: Document | None
    """A deleted customer has hardly more than an id. A payment may have no customer."""

    async def owner(self, session: AsyncSession) -> Owner | None:
        if self.customer is None:
            return None
        organization = await organization_of(session, self.customer)
        return Owner(organization) if organization else None

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        return self

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        """The mirror's rows of the object, without the customer's."""
        return []

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        if owner.subscriber:  # nobody's customer
            return
        rows = await self.rows(session, owner.organization, read_at)
        if (row := await self._customer_row(session, owner.organization, read_at)) is not None:
            rows.append(row)
        await mirror.store(session, rules, rows, read_at)

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        return await self._requests_about(session, owner)

    async def _requests_about(
        self, session: AsyncSession, owner: Owner, *objects: str | None
    ) -> tuple[str, ...]:
        """Requests for money about these objects that have not begun; all, if the customer is deleted."""
        named = frozenset(filter(None, objects))
        if self.customer is None or not (named or self._is_gone):
            return ()
        found = await commitments.not_begun(session, owner.organization, self.customer["id"])
        return tuple(one.workflow_id for one in found if self._is_gone or is_about(one.subject or {}, named))

    async def _customer_row(
        self, session: AsyncSession, organization: str, read_at: datetime
    ) -> Customer | None:
        """For a deleted customer, Stripe returns nothing else: the rest stays as it was."""
        if self.customer is None:
            return None
        if self._is_gone:
            known = await session.get(Customer, self.customer["id"])
            return Customer(**known.model_dump() | {"deleted": True, "synced_at": read_at}) if known else None
        theirs = await named_owner(session, self.customer) == organization
        return customer_row(self.customer, read_at) if theirs else None

    @property
    def _is_gone(self) -> bool:
        return self.customer is not None and bool(self.customer.get("deleted"))


@dataclass(frozen=True)
class CustomerSnapshot(CustomersObject):
    customer: Document
    balance_changes: tuple[Document, ...] = ()
    """The newest first, as far as the mirror may not have them."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls((await client.v1.customers.retrieve_async(id_)).to_dict())

    async def owner(self, session: AsyncSession) -> Owner | None:
        return await super().owner(session) or await subscribing(session, self.customer["id"])

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        if self._is_gone:
            return self
        changes = await ask_for(unseen_changes(client, database, self.customer["id"]))
        return replace(self, balance_changes=tuple(changes or ()))

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        return [*await balance_transaction_rows(session, self.balance_changes, organization, read_at)]


@dataclass(frozen=True)
class BalanceTransactionSnapshot(CustomersObject):
    transaction: Document

    @classmethod
    async def read(cls, client: stripe.StripeClient, customer_id: str, transaction_id: str) -> Self:
        service = client.v1.customers.balance_transactions
        return cls.of(
            await service.retrieve_async(customer_id, transaction_id, {"expand": TRANSACTION_PARTS})
        )

    @classmethod
    def of(cls, answer: stripe.CustomerBalanceTransaction) -> Self:
        """From Stripe's answer, with its parts expanded."""
        transaction = answer.to_dict()
        return cls(taken_out(transaction, "customer"), transaction)

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        return [*await balance_transaction_rows(session, [self.transaction], organization, read_at)]


async def named_owner(session: AsyncSession, customer: Document) -> str | None:
    """The organization whose customer it is; a deleted customer is nobody's."""
    return (await named_owners(session, [customer])).get(customer["id"])


async def named_owners(session: AsyncSession, customers: Iterable[Document]) -> dict[str, str]:
    """The organizations of those customers that are one's, by their metadata.

    An organization itself is nobody's customer here, whatever its metadata says.
    """
    named = {one["id"]: owner for one in customers if (owner := (one.get("metadata") or {}).get(OWNER))}
    found = await session.exec(select(Organization.id).where(col(Organization.id).in_(set(named.values()))))
    known, subscribers = set(found), await bills.subscribers(session, named)
    return {id: owner for id, owner in named.items() if owner in known and id not in subscribers}


async def is_theirs(database: Database, customer: Document | None, organization: str) -> bool:
    """Whether it is a customer of the organization."""
    if customer is None:
        return False
    async with database.reading() as session:
        return await named_owner(session, customer) == organization


async def organization_of(session: AsyncSession, customer: Document) -> str | None:
    """The organization that a customer belongs to, by its metadata; by our mirror if it was deleted."""
    if customer.get("deleted"):
        known = await session.get(Customer, customer["id"])
        return known.organization_id if known else None
    return await named_owner(session, customer)


def customer_row(data: Document, synced_at: datetime) -> Customer:
    """The mirror's row of a Stripe customer that carries its organization in its metadata."""
    return Customer(
        id=data["id"],
        organization_id=data["metadata"][OWNER],
        name=data.get("name"),
        email=data.get("email"),
        currency=data.get("currency"),
        balance=data.get("balance") or 0,
        language=_language(data.get("preferred_locales") or ()),
        country=(data.get("address") or {}).get("country"),
        created_at=time_of(data["created"]),
        synced_at=synced_at,
    )


def _language(wanted: Sequence[str]) -> str | None:
    """The first of a customer's preferred languages that we write in, else the first."""
    return next((tag for tag in wanted if is_offered(tag)), next(iter(wanted), None))


async def unseen_changes(client: stripe.StripeClient, database: Database, customer: str) -> list[Document]:
    """The newest changes of a customer's balance, up to a page that the mirror has whole, and before which it
    has all that made the balance of then: store them at once. Raises StripeError."""
    changes: list[Document] = []
    params: Any = {"limit": PAGE}
    while True:
        page = await client.v1.customers.balance_transactions.list_async(customer, params)
        found = [one.to_dict() for one in page.data]
        changes += found
        ids = {change["id"] for change in found}
        if not page.has_more:
            return changes
        before = found[-1]["ending_balance"] - found[-1]["amount"]
        row, read = BalanceTransactionRow, {change["id"] for change in changes}
        older = select(func.coalesce(func.sum(col(row.amount)), 0)).where(
            row.customer_id == customer, col(row.id).not_in(read)
        )
        async with database.reading() as session:
            known = await session.exec(select(func.count()).where(col(row.id).in_(ids)))
            if known.one() == len(ids) and (await session.exec(older)).one() == before:
                return changes
        params["starting_after"] = found[-1]["id"]


async def balance_transaction_rows(
    session: AsyncSession, transactions: Sequence[Document], organization: str, read_at: datetime
) -> list[BalanceTransactionRow]:
    """The mirror's rows, each with the operation that made the change or the credit note that caused it."""
    made_by = await ours.makers(session, {one for change in transactions for one in _sources(change)})
    rows = []
    for change in transactions:
        operations = (made_by.get((organization, made)) for made in _sources(change))
        operation = next(filter(None, operations), None)
        rows.append(balance_transaction_row(change, organization, operation, read_at))
    return rows


def balance_transaction_row(
    transaction: Document, organization: str, operation: str | None, synced_at: datetime
) -> BalanceTransactionRow:
    """The mirror's row of a change of a customer's balance."""
    return BalanceTransactionRow(
        id=transaction["id"],
        organization_id=organization,
        customer_id=transaction["customer"],
        operation_id=operation,
        claims=claim_of(transaction),
        amount=transaction["amount"],
        currency=transaction["currency"],
        type=transaction["type"],
        ending_balance=transaction["ending_balance"],
        invoice_id=transaction.get("invoice"),
        created_at=time_of(transaction["created"]),
        synced_at=synced_at,
    )


def _sources(transaction: Document) -> list[str]:
    """Ids of what an effect may have created: the change itself, or the credit note that caused it."""
    return [one for one in (transaction["id"], transaction.get("credit_note")) if one]

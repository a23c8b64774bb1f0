"""What every object of an organization's customer has in common, the customer among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import stripe
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.languages import is_offered
from billing.money.object_end import is_about
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import mirror
from db.mirror.mirror import MirrorRow
from db.money import commitments
from db.tables import Customer, Organization

from .snapshot import Document, Owner, time_of

OWNER = "plixo_organization"
"""Metadata of a Stripe customer: the organization whose customer it is."""


@dataclass(frozen=True)
class CustomersObject:
    """An object whose customer is read, mirrored and looked up with it."""

    customer: Document | None
    """Whose it is; one that was deleted has hardly more than its id. A payment may be nobody's."""

    async def owner(self, session: AsyncSession) -> Owner | None:
        if self.customer is None:
            return None
        organization = await organization_of(session, self.customer)
        return Owner(organization) if organization else None

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        return self

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        """The object's own, without the customer's."""
        return []

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        rows = await self.rows(session, owner.organization, read_at)
        if (row := await self._customer_row(session, owner.organization, read_at)) is not None:
            rows.append(row)
        await mirror.store(session, rules, rows, read_at)

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        return await self._requests_about(session, owner)

    async def _requests_about(
        self, session: AsyncSession, owner: Owner, *objects: str | None
    ) -> tuple[str, ...]:
        """Requests for money about these, of which nothing was begun; of a customer who is gone, all."""
        named = frozenset(filter(None, objects))
        if self.customer is None or not (named or self._is_gone):
            return ()
        found = await commitments.not_begun(session, owner.organization, self.customer["id"])
        return tuple(one.workflow_id for one in found if self._is_gone or is_about(one.subject or {}, named))

    async def _customer_row(
        self, session: AsyncSession, organization: str, read_at: datetime
    ) -> Customer | None:
        """As Stripe has it; of one that was deleted Stripe tells no more than that."""
        if self.customer is None:
            return None
        if self._is_gone:
            known = await session.get(Customer, self.customer["id"])
            return Customer(**known.model_dump() | {"deleted": True, "synced_at": read_at}) if known else None
        return customer_row(self.customer, read_at) if named_owner(self.customer) == organization else None

    @property
    def _is_gone(self) -> bool:
        return self.customer is not None and bool(self.customer.get("deleted"))


def named_owner(customer: Document) -> str | None:
    """The organization that a customer's metadata names; of one that was deleted Stripe tells none."""
    named: str | None = (customer.get("metadata") or {}).get(OWNER)
    return named


async def organization_of(session: AsyncSession, customer: Document) -> str | None:
    """The organization whose customer it is: Stripe says so, our mirror of one that was deleted."""
    if customer.get("deleted"):
        known = await session.get(Customer, customer["id"])
        return known.organization_id if known else None
    found = await session.exec(select(Organization.id).where(Organization.id == named_owner(customer)))
    return found.one_or_none()


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
    """Of the languages that a customer prefers the first that we write in, else the first."""
    return next((tag for tag in wanted if is_offered(tag)), next(iter(wanted), None))

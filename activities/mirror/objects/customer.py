"""A customer, with the last changes of the balance: these have no events of their own."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from db.cases.money_cases import ADJUSTMENT
from db.core.session import Database
from db.mirror.mirror import MirrorRow

from ...stripe.failures import ask_for
from .balance import balance_transaction_rows
from .customers_object import CustomersObject
from .snapshot import Document

BALANCE_CHANGES = 100
"""The most that Stripe gives at a time: what is older was seen by an event before."""


@dataclass(frozen=True)
class CustomerSnapshot(CustomersObject):
    customer: Document
    balance_changes: tuple[Document, ...] = ()
    """The newest first."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls((await client.v1.customers.retrieve_async(id_)).to_dict())

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        if self._is_gone:
            return self
        service = client.v1.customers.balance_transactions
        page = await ask_for(service.list_async(self.customer["id"], {"limit": BALANCE_CHANGES}))
        return replace(self, balance_changes=tuple(one.to_dict() for one in page.data) if page else ())

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        # Of the others, what made them tells.
        adjustments = [change for change in self.balance_changes if change["type"] == ADJUSTMENT]
        return [*await balance_transaction_rows(session, adjustments, organization, read_at)]

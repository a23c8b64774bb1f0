"""A change of a customer's balance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from db.mirror.mirror import MirrorRow
from db.stripe import ours
from db.tables import BalanceTransactionRow

from .customers_object import CustomersObject
from .snapshot import Document, claim_of, taken_out, time_of

TRANSACTION_PARTS = ["customer"]
"""What it is to be asked for with (`expand`), so that it is seen whole."""


@dataclass(frozen=True)
class BalanceTransactionSnapshot(CustomersObject):
    transaction: Document

    @classmethod
    async def read(cls, client: stripe.StripeClient, customer_id: str, id_: str) -> Self:
        service = client.v1.customers.balance_transactions
        return cls.of(await service.retrieve_async(customer_id, id_, {"expand": TRANSACTION_PARTS}))

    @classmethod
    def of(cls, answer: stripe.CustomerBalanceTransaction) -> Self:
        """Of Stripe's answer, its parts expanded."""
        transaction = answer.to_dict()
        return cls(taken_out(transaction, "customer"), transaction)

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        return [*await balance_transaction_rows(session, [self.transaction], organization, read_at)]


async def balance_transaction_rows(
    session: AsyncSession, transactions: Sequence[Document], organization: str, read_at: datetime
) -> list[BalanceTransactionRow]:
    """The mirror's rows, each with the operation that made it or the credit note that did."""
    made_by = await ours.makers(session, {one for change in transactions for one in _sources(change)})
    return [
        balance_transaction_row(
            change,
            organization=organization,
            operation=next(
                (by for made in _sources(change) if (by := made_by.get((organization, made)))), None
            ),
            synced_at=read_at,
        )
        for change in transactions
    ]


def balance_transaction_row(
    transaction: Document, *, organization: str, operation: str | None, synced_at: datetime
) -> BalanceTransactionRow:
    """The row of a change of a customer's balance; one that a credit note made is of the note's operation."""
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
        created_at=time_of(transaction["created"]),
        synced_at=synced_at,
    )


def _sources(transaction: Document) -> list[str]:
    """What an effect of ours may have made: the change, or the credit note that made it."""
    return [one for one in (transaction["id"], transaction.get("credit_note")) if one]

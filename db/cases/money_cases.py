"""Opens cases for money that was given in Stripe itself, in the transaction that mirrors it.

Call it after all rows of the transaction are written: opening a case locks the organization, and whoever
holds that lock must not wait for rows of the mirror.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import ENDS, GONE, MAKES, CaseFound, CaseObject
from billing.core.money import Money

from ..stripe import ours
from ..stripe.ours import Claim
from ..tables import BalanceTransactionRow, CreditNoteRow, Intent, MoneyRow, RefundRow
from . import invoice_cases
from .cases import CaseRules
from .external import ExternalChange, came_to_nothing, new, open_counted

OneKind = TypeVar("OneKind", RefundRow, CreditNoteRow, BalanceTransactionRow)

BY_HAND = frozenset({"adjustment", "initial"})
"""Types of balance transactions that somebody made, and not an invoice or a credit note: `initial` is what a
customer was created with."""


async def notice(session: AsyncSession, rules: CaseRules, rows: Iterable[MoneyRow], at: datetime) -> None:
    """Opens a case for what no operation of its organization made, however often it is seen, and says on the
    timelines of others that theirs came to nothing."""
    # In one order, so that two who notice for several organizations never wait for each other.
    made = sorted(_changes(rows), key=lambda one: (one.organization, one.found.object))
    for one in made:
        if one.gone:
            await came_to_nothing(session, one, at)
    for organization, group in groupby((one for one in made if not one.gone), lambda one: one.organization):
        for one in await _foreign(session, organization, list(group)):
            await open_counted(session, rules, one, at)


async def closed(session: AsyncSession, rules: CaseRules, intent: Intent, at: datetime) -> None:
    """The outcome of an effect is known: what else bears its name is not of its making."""
    if intent.effect in MAKES.values():
        await notice(session, rules, await _claiming(session, intent.idempotency_key), at)
    elif intent.effect in ENDS.values():
        await invoice_cases.notice(session, rules, [intent.target], at)


async def _foreign(
    session: AsyncSession, organization_id: str, made: Sequence[ExternalChange]
) -> list[ExternalChange]:
    """Of what gave money, that which nobody asked us for, and which has no case yet."""
    given = await new(session, organization_id, made)
    if not given:
        return []
    # In this order: an intent that is closed in between is seen by the second look.
    waiting = await ours.in_flight(session, {one.claims for one in given if one.claims})
    known = await ours.makers(session, {one.found.object for one in given})
    return [
        one
        for one in given
        if (organization_id, one.found.object) not in known
        and not _may_be(waiting.get(one.claims or ""), one)
    ]


def _may_be(claim: Claim | None, made: ExternalChange) -> bool:
    """Whether it may be what an open intent has just made."""
    return claim is not None and (claim.organization, claim.effect) == (
        made.organization,
        MAKES[made.found.object_kind],
    )


def _changes(rows: Iterable[MoneyRow]) -> list[ExternalChange]:
    """Each that gives something, or gave it once."""
    return [one for row in rows for one in _of_row(row)]


def _of_row(row: MoneyRow) -> list[ExternalChange]:
    if isinstance(row, RefundRow):
        return [_of_refund(row)]
    return [_of_credit_note(row)] if isinstance(row, CreditNoteRow) else _of_transaction(row)


def _of_refund(row: RefundRow) -> ExternalChange:
    """A refund of a payment."""
    found = CaseFound(
        object_kind=CaseObject.REFUND,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=row.amount, currency=row.currency),
        payment_intent=row.payment_intent,
        reason=row.failure_reason or row.reason,
        status=row.status,
    )
    return ExternalChange(row.organization_id, found, row.claims, row.status in GONE)


def _of_credit_note(row: CreditNoteRow) -> ExternalChange:
    """A credit note, without what the refunds gave that it names: each of them stands for itself, whichever
    of the two is seen first."""
    found = CaseFound(
        object_kind=CaseObject.CREDIT_NOTE,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=max(row.amount - row.refunded, 0), currency=row.currency),
        invoice=row.invoice_id,
        reason=row.reason,
        status=row.status,
    )
    return ExternalChange(row.organization_id, found, row.claims, row.status in GONE)


def _of_transaction(row: BalanceTransactionRow) -> list[ExternalChange]:
    """A credit on a customer's balance; what invoices and credit notes do there is theirs, and what makes
    the customer owe more gives nothing."""
    if row.type not in BY_HAND or row.amount >= 0:
        return []
    found = CaseFound(
        object_kind=CaseObject.BALANCE_TRANSACTION,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=-row.amount, currency=row.currency),
    )
    return [ExternalChange(row.organization_id, found, row.claims, gone=False)]


async def _claiming(session: AsyncSession, effect: str) -> list[MoneyRow]:
    """What says of itself that this effect made it, though no intent knows it."""

    async def unowned(table: type[OneKind]) -> list[OneKind]:
        found = await session.exec(
            select(table).where(table.claims == effect, col(table.operation_id).is_(None))
        )
        return list(found)

    return [
        *await unowned(RefundRow),
        *await unowned(CreditNoteRow),
        *await unowned(BalanceTransactionRow),
    ]

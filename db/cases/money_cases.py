"""Opens cases for money that was given in Stripe itself, in the transaction that mirrors it.

Call it after all rows of the transaction are written: opening a case locks the organization, and whoever
holds that lock must not wait for rows of the mirror.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import COUNTS_AS, GONE, MAKES, CaseFound, CaseObject
from billing.core.events import EventCode
from billing.core.money import Money
from billing.core.operations import SYSTEM

from ..core import timeline
from ..core.record_hashes import wrote
from ..money import commitments
from ..stripe import ours
from ..stripe.ours import Claim
from ..tables import (
    BalanceTransactionRow,
    Commitment,
    CreditNoteRow,
    Intent,
    MoneyRow,
    Organization,
    RefundRow,
)
from . import cases
from .cases import CaseRules

OneKind = TypeVar("OneKind", RefundRow, CreditNoteRow, BalanceTransactionRow)

ADJUSTMENT = "adjustment"
"""The type of a balance transaction that somebody made, and not an invoice or a credit note."""


class ExternalChange(NamedTuple):
    """A refund or credit that was just mirrored, and may have been made in Stripe itself."""

    organization: str
    found: CaseFound
    claims: str | None
    """The effect of ours that its metadata names, which anybody can write there."""
    gone: bool
    """Whether it came to nothing: the refund failed or was canceled, the credit note is void."""


async def notice(session: AsyncSession, rules: CaseRules, rows: Iterable[MoneyRow], at: datetime) -> None:
    """Opens a case for what no operation of its organization made, however often it is seen, and says on the
    timelines of others that theirs came to nothing."""
    # In one order, so that two who notice for several organizations never wait for each other.
    made = sorted(_changes(rows), key=lambda one: (one.organization, one.found.object))
    for one in made:
        if one.gone:
            await _came_to_nothing(session, one, at)
    for organization, group in groupby((one for one in made if not one.gone), lambda one: one.organization):
        for one in await _foreign(session, organization, list(group)):
            await _open(session, rules, one, at)


async def closed(session: AsyncSession, rules: CaseRules, intent: Intent, at: datetime) -> None:
    """The outcome of an effect is known: what else bears its name is not of its making."""
    if intent.effect in MAKES.values():
        await notice(session, rules, await _claiming(session, intent.idempotency_key), at)


async def _foreign(
    session: AsyncSession, organization_id: str, made: Sequence[ExternalChange]
) -> list[ExternalChange]:
    """Of what gave money, that which nobody asked us for, and which has no case yet.

    What was there before the organization was is nobody's case.
    """
    organization = await session.get(Organization, organization_id)
    if organization is None:
        return []
    given = [
        one
        for one in made
        if one.found.amount is not None
        and one.found.amount.amount_minor >= 0
        and (one.found.made_at is None or one.found.made_at >= organization.created_at)
    ]
    if not given:
        return []
    # In this order: an intent that is closed in between is seen by the second look.
    waiting = await ours.in_flight(session, {one.claims for one in given if one.claims})
    known = await ours.makers(session, {one.found.object for one in given})
    foreign = [
        one
        for one in given
        if (organization_id, one.found.object) not in known
        and not _may_be(waiting.get(one.claims or ""), one)
    ]
    cased = await cases.of_objects(session, organization_id, {one.found.object for one in foreign})
    return [one for one in foreign if one.found.object not in cased]


def _may_be(claim: Claim | None, made: ExternalChange) -> bool:
    """Whether it may be what an open intent has just made."""
    return claim is not None and (claim.organization, claim.effect) == (
        made.organization,
        MAKES[made.found.object_kind],
    )


async def _open(session: AsyncSession, rules: CaseRules, made: ExternalChange, at: datetime) -> None:
    await commitments.lock(session, made.organization)
    found = made.found
    assert found.amount is not None
    kind = COUNTS_AS[found.object_kind]
    counted = rules.policy.counted_with(kind)
    operation = await cases.open_case(session, rules, made.organization, found, at)
    if operation is None:
        return
    commitment = Commitment(
        operation_id=operation.id,
        part=0,
        organization_id=made.organization,
        kind=kind.value,
        customer_id=found.customer,
        payment_intent=found.payment_intent,
        amount_minor=found.amount.amount_minor,
        currency=found.amount.currency,
        person_id=None,
        decided_at=at,
        created_at=at,
    )
    session.add(commitment)
    wrote(session, operation.id, commitment)
    await timeline.append(
        session,
        operation.id,
        key="authority:counted",
        event=EventCode.COUNTED_FOR_CUSTOMER,
        actor=SYSTEM,
        at=at,
        detail=_figures(found, counted),
    )


def _figures(found: CaseFound, counted: Iterable[str]) -> dict[str, Any]:
    """As money is weighed otherwise, with nobody whose authority could cover it."""
    assert found.amount is not None
    return {
        "round": 0,
        "person": None,
        "roles": [],
        "customer": found.customer,
        "amount": found.amount.model_dump(),
        "counted": list(counted),
        "limits": [],
        "used": {},
    }


async def _came_to_nothing(session: AsyncSession, made: ExternalChange, at: datetime) -> None:
    """A refund that failed or was cancelled, or a note that is void, counts no more; it still owes a note."""
    found = made.found
    case = await cases.of_object(session, made.organization, found.object_kind, found.object)
    if case is None:
        return
    await commitments.lock(session, made.organization)
    if await timeline.find(session, case.operation_id, "came_to_nothing"):
        return
    await commitments.release(session, case.operation_id, at=at)
    await timeline.append(
        session,
        case.operation_id,
        key="came_to_nothing",
        event=EventCode.CAME_TO_NOTHING,
        actor=SYSTEM,
        at=at,
        detail={"status": found.status, "reason": found.reason},
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
    if row.type != ADJUSTMENT or row.amount >= 0:
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

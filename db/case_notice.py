"""Notices money that was given in Stripe itself, with the transaction that mirrors it.

Called when every row of the transaction is written: what a case needs locks the organization, and whoever
locked that first must not wait for rows of the mirror.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases import COUNTED, COUNTS_AS, CaseFound, Made
from billing.operations import SYSTEM

from . import cases, commitments, timeline
from .cases import Rules
from .record_hashes import wrote
from .tables import Commitment, Operation, Organization


async def notice(session: AsyncSession, made: Sequence[Made], at: datetime) -> None:
    """Opens a case for what is new here and no operation of its organization made, and says on the timelines
    of others that theirs came to nothing."""
    given = cases.rules(session)
    if given is None:
        return
    # In one order, so that two who notice for several organizations never wait for each other.
    for one in sorted(made, key=lambda one: (one.organization, one.found.object)):
        if one.gone:
            await _came_to_nothing(session, one, at)
        elif one.new and await _is_foreign(session, one):
            await _open(session, given, one, at)


async def _is_foreign(session: AsyncSession, made: Made) -> bool:
    """Whether nobody asked us for it. What was there before the organization was is nobody's case."""
    found = made.found
    if found.amount is None or found.amount.amount_minor < 0:
        return False
    organization = await session.get(Organization, made.organization)
    if organization is None or (found.made_at is not None and found.made_at < organization.created_at):
        return False
    if made.operation is None:
        return True
    ours = await session.exec(
        select(Operation.id).where(
            Operation.id == made.operation,
            Operation.organization_id == made.organization,
            Operation.kind == COUNTS_AS[found.object_kind].value,
        )
    )
    return ours.first() is None


async def _open(session: AsyncSession, given: Rules, made: Made, at: datetime) -> None:
    await commitments.lock(session, made.organization)
    found = made.found
    assert found.amount is not None
    kind = COUNTS_AS[found.object_kind]
    counted = given.policy.counted_with(kind)
    operation = await cases.open_case(session, given, made.organization, found, at)
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
        event=COUNTED,
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


async def _came_to_nothing(session: AsyncSession, made: Made, at: datetime) -> None:
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
        event="it came to nothing in Stripe and counts no more",
        actor=SYSTEM,
        at=at,
        detail={"status": found.status, "reason": found.reason},
    )

"""Notices money that was given in Stripe itself, with the transaction that mirrors it.

Called when every row of the transaction is written: what a case needs locks the organization, and whoever
locked that first must not wait for rows of the mirror.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import COUNTED, COUNTS_AS, MAKES, CaseFound, Made
from billing.core.operations import SYSTEM

from ..core import timeline
from ..core.record_hashes import wrote
from ..money import commitments
from ..stripe import ours
from ..stripe.ours import Claim
from ..tables import Commitment, Intent, MoneyRow, Organization
from . import cases, finds
from .cases import Rules


async def notice(session: AsyncSession, rows: Iterable[MoneyRow], at: datetime) -> None:
    """Opens a case for what no operation of its organization made, however often it is seen, and says on the
    timelines of others that theirs came to nothing."""
    given = cases.rules(session)
    if given is None:
        return
    # In one order, so that two who notice for several organizations never wait for each other.
    made = sorted(finds.of_rows(rows), key=lambda one: (one.organization, one.found.object))
    for one in made:
        if one.gone:
            await _came_to_nothing(session, one, at)
    for organization, group in groupby((one for one in made if not one.gone), lambda one: one.organization):
        for one in await _foreign(session, organization, list(group)):
            await _open(session, given, one, at)


async def closed(session: AsyncSession, intent: Intent, at: datetime) -> None:
    """The outcome of an effect is known: what else bears its name is not of its making."""
    if intent.effect in MAKES.values():
        await notice(session, await finds.claiming(session, intent.idempotency_key), at)


async def _foreign(session: AsyncSession, organization_id: str, made: Sequence[Made]) -> list[Made]:
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


def _may_be(claim: Claim | None, made: Made) -> bool:
    """Whether it may be what an open intent has just made."""
    return claim is not None and (claim.organization, claim.effect) == (
        made.organization,
        MAKES[made.found.object_kind],
    )


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

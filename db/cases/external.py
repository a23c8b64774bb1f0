"""What was done in Stripe itself and gives money away: counted in its case, for as long as it stands.

Call what is here after all rows of the transaction are written: opening a case locks the organization, and
whoever holds that lock must not wait for rows of the mirror.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import COUNTS_AS, CaseFound
from billing.core.events import EventCode
from billing.core.operations import SYSTEM

from ..core import timeline
from ..core.record_hashes import wrote
from ..money import commitments
from ..tables import Commitment, Organization
from . import cases
from .cases import CaseRules


class ExternalChange(NamedTuple):
    """What was just mirrored, and may have been done in Stripe itself."""

    organization: str
    found: CaseFound
    claims: str | None = None
    """The effect of ours that its metadata names, which anybody can write there."""
    gone: bool = False
    """Whether it came to nothing: the refund failed or was canceled, the credit note is void."""
    object_id: str | None = None
    """What tells it from other changes of the same object."""

    @property
    def key(self) -> str:
        return self.object_id or self.found.object


async def new(
    session: AsyncSession, organization_id: str, made: Sequence[ExternalChange]
) -> list[ExternalChange]:
    """Of what gave money, that which has no case yet. What was there before the organization is nobody's."""
    organization = await session.get(Organization, organization_id) if made else None
    if organization is None:
        return []
    given = [
        one
        for one in made
        if one.found.amount is not None
        and one.found.amount.amount_minor >= 0
        and (one.found.made_at is None or one.found.made_at >= organization.created_at)
    ]
    cased = await cases.of_objects(session, organization_id, {one.key for one in given})
    return [one for one in given if one.key not in cased]


async def open_counted(session: AsyncSession, rules: CaseRules, made: ExternalChange, at: datetime) -> None:
    """Opens its case, and counts it to the customer."""
    await commitments.lock(session, made.organization)
    found = made.found
    assert found.amount is not None
    kind = COUNTS_AS[found.object_kind]
    counted = rules.policy.counted_with(kind)
    operation = await cases.open_case(session, rules, made.organization, found, at, object_id=made.object_id)
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


async def came_to_nothing(session: AsyncSession, made: ExternalChange, at: datetime) -> None:
    """It gave nothing after all, such as a refund that failed: it counts no more, and still owes a note."""
    found = made.found
    case = await cases.of_object(session, made.organization, found.object_kind, made.key)
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

"""Which objects in Stripe an effect of ours has made.

An object is ours when an intent of ours knows its id, and by nothing else: metadata is a claim that anybody
can copy onto anything. A claim counts only as long as the intent that it names is open, for then nobody knows
yet what came of it: the object may be it, and is left alone until the intent is closed.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import ENDS, MAKES

from ..operations import intents
from ..tables import Intent, Operation


class Claim(NamedTuple):
    """What an open intent is about to make, and for which operation."""

    organization: str
    operation: str
    effect: str


async def makers(session: AsyncSession, objects: Collection[str]) -> dict[tuple[str, str], str]:
    """The operations that made these objects, by their organization and the object's id in Stripe."""
    if not objects:
        return {}
    found = await session.exec(
        select(Intent.organization_id, Intent.stripe_id, Intent.operation_id).where(
            col(Intent.stripe_id).in_(objects),
            col(Intent.effect).in_(MAKES.values()),
            Intent.state == intents.DONE,
        )
    )
    return {(owner, object_): operation for owner, object_, operation in found if object_ is not None}


async def in_flight(session: AsyncSession, claims: Collection[str]) -> dict[str, Claim]:
    """Those of the named effects whose outcome is not known yet, by their keys.

    What is over makes nothing any more: the open intent of an operation that was ended covers nothing.
    """
    if not claims:
        return {}
    found = await session.exec(
        select(Intent.idempotency_key, Intent.organization_id, Intent.operation_id, Intent.effect)
        .join(Operation, col(Operation.id) == col(Intent.operation_id))
        .where(
            col(Intent.idempotency_key).in_(claims),
            Intent.state == intents.OPEN,
            col(Operation.closed_at).is_(None),
        )
    )
    return {key: Claim(organization, operation, effect) for key, organization, operation, effect in found}


async def enders(
    session: AsyncSession, organization_id: str, invoices: Collection[str]
) -> set[tuple[str, str]]:
    """Invoices that an effect of this organization's has ended, or may just have, each with the effect.

    Stripe takes no metadata there: until it is closed an open intent stands for whatever becomes of its
    invoice.
    """
    found = await session.exec(
        select(Intent.target, Intent.effect)
        .join(Operation, col(Operation.id) == col(Intent.operation_id))
        .where(
            Intent.organization_id == organization_id,
            col(Intent.target).in_(invoices),
            col(Intent.effect).in_(ENDS.values()),
            or_(
                Intent.state == intents.DONE,
                and_(Intent.state == intents.OPEN, col(Operation.closed_at).is_(None)),
            ),
        )
    )
    return set(found)


async def subscription_enders(
    session: AsyncSession, organization_id: str, subscription: str
) -> Collection[str]:
    """The operations of this organization that have ended a subscription, or are about to."""
    found = await session.exec(
        select(Intent.operation_id).where(
            Intent.organization_id == organization_id,
            Intent.effect == "subscription.cancel",
            Intent.target == subscription,
            Intent.state != intents.REFUSED,
        )
    )
    return set(found)


async def operations(
    session: AsyncSession, organization_id: str, claims: Mapping[str, str | None]
) -> dict[str, str]:
    """The operations of objects, each of which comes with the effect that it names: those that made them, and
    those that may just have done so. Of several that name the same open effect none is taken for its work.
    """
    claimed = Counter(claim for claim in claims.values() if claim)
    waiting = await in_flight(session, claimed)
    known = await makers(session, claims)
    found = {object_: operation for (owner, object_), operation in known.items() if owner == organization_id}
    for object_, claim in claims.items():
        effect = waiting.get(claim or "")
        if effect is not None and effect.organization == organization_id and claimed[claim or ""] == 1:
            found.setdefault(object_, effect.operation)
    return found

"""The gate before Stripe, opened by hand: for when no incident will."""

from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.operations import SYSTEM
from billing.incidents.states import Component

from ..core import timeline
from ..stripe import budget
from ..tables import Hold, Incident
from . import holds

MAX_TOLD = 500
"""Held operations whose timelines say so; further ones say it when they go on."""


class GateOpened(NamedTuple):
    """`shut_since` is None where the gate was open already; `held` are workflows that may go on now."""

    shut_since: datetime | None
    held: list[Hold]


async def open_by_operator(session: AsyncSession, *, by: str, because: str, at: datetime) -> GateOpened:
    """Opens the gate whatever an incident says; who did it, and why, is kept and told on the timeline of
    what is held.

    Held workflows find out by themselves within an hour. Whoever wants them to go on at once sends each the
    signal `billing.incidents.holds.RELEASED` after the commit.
    """
    shut_since = await budget.shut_since(session)
    if shut_since is None:
        return GateOpened(None, [])
    await budget.open_by_hand(session, by=by, because=because, at=at)
    held = await holds.open_holds(session, Component.STRIPE, MAX_TOLD)
    for hold in sorted(held, key=lambda hold: hold.operation_id):
        await timeline.append(
            session,
            hold.operation_id,
            key=f"gate-opened:{hold.id}:{at.isoformat()}",
            event=EventCode.GATE_OPENED_BY_OPERATOR,
            actor=SYSTEM,
            at=at,
            detail={"operator": by, "because": because},
        )
    return GateOpened(shut_since, held)


async def shut_without_cause(session: AsyncSession, before: datetime) -> bool:
    """Whether the gate was shut before then and no incident of Stripe is open that would open it again.

    The gate and incidents change only after this transaction.
    """
    shut_since = await budget.shut_since(session)
    if shut_since is None or shut_since >= before:
        return False
    degraded = select(Incident.id).where(
        Incident.component == Component.STRIPE.value,
        col(Incident.cleared_at).is_(None),
        col(Incident.recovered_at).is_(None),
    )
    return (await session.exec(degraded)).first() is None

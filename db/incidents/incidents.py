"""Incidents: degraded states of one component. At most one of a component is open."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, case, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from billing.incidents.messages import IncidentKept
from billing.incidents.states import Component

from ..core.pages import PagedRows, order
from ..core.statements import insert_if_new
from ..mail import customer_mails
from ..tables import CustomerMail, Hold, Incident, IncidentStep, Operation
from . import holds

IncidentSort = Literal["opened_at", "-opened_at"]

_KEYS = {"opened_at": (col(Incident.opened_at), col(Incident.id))}


async def is_open(session: AsyncSession, component: str) -> bool:
    """Whether the component is known to be degraded now, by its name.

    One that has recovered is in nobody's way, whether or not its note is there.
    """
    return await degraded_since(session, component) is not None


async def degraded_since(session: AsyncSession, component: str) -> datetime | None:
    """When it was found to be degraded; None while it works."""
    return (await session.exec(since(component))).first()


def since(component: str) -> SelectOfScalar[datetime]:
    """As `degraded_since`, for a statement that asks for more."""
    return select(Incident.opened_at).where(
        Incident.component == component,
        col(Incident.cleared_at).is_(None),
        col(Incident.recovered_at).is_(None),
    )


async def get(session: AsyncSession, incident_id: str) -> Incident | None:
    return await session.get(Incident, incident_id)


async def open_ones(session: AsyncSession) -> list[Incident]:
    """Those that are not cleared, the oldest first."""
    found = await session.exec(
        select(Incident)
        .where(col(Incident.cleared_at).is_(None))
        .order_by(col(Incident.opened_at), col(Incident.id))
    )
    return list(found)


def paged(
    *, open: bool | None = None, component: Component | None = None, sort: IncidentSort = "-opened_at"
) -> PagedRows[Incident]:
    """Everybody's; `open` is whether they are not cleared."""
    wanted = select(Incident)
    if open is not None:
        cleared_at = col(Incident.cleared_at)
        wanted = wanted.where(cleared_at.is_(None) if open else cleared_at.is_not(None))
    if component is not None:
        wanted = wanted.where(Incident.component == component.value)
    return PagedRows(wanted, *order(_KEYS, sort))


async def begin(session: AsyncSession, incident: Incident) -> bool:
    """Open it, unless one of its component is open: of several processes one opens it."""
    return await insert_if_new(session, incident) is not None


async def last_cleared(session: AsyncSession, component: str) -> datetime | None:
    """When the component's latest incident was cleared."""
    found = await session.exec(
        select(func.max(Incident.cleared_at)).where(
            Incident.component == component, col(Incident.cleared_at).is_not(None)
        )
    )
    return found.one()


async def keep(session: AsyncSession, kept: IncidentKept) -> None:
    """The row as its workflow has it, made if nobody could write it before; a cleared one stays."""
    values: dict[str, Any] = {
        "first_fault_at": kept.first_fault_at,
        "cause": kept.cause,
        "alerted_at": kept.alerted_at,
        "recovered_at": kept.recovered_at,
        "alerts": kept.alerts,
        "recoveries": kept.recoveries,
        "last_check_at": kept.at,
    }
    changed = await session.exec(
        update(Incident)
        .where(col(Incident.id) == kept.incident, col(Incident.cleared_at).is_(None))
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )
    if not changed.rowcount:
        fresh = Incident(id=kept.incident, component=kept.component.value, opened_at=kept.opened_at, **values)
        await insert_if_new(session, fresh)


async def clear(
    session: AsyncSession, incident_id: str, *, note: str, person: str, organization: str, at: datetime
) -> None:
    """Document what was done; the first note stays."""
    await session.exec(
        update(Incident)
        .where(
            col(Incident.id) == incident_id,
            col(Incident.cleared_at).is_(None),
            col(Incident.recovered_at).is_not(None),
        )
        .values(cleared_at=at, cleared_by=person, cleared_in=organization, note=note)
        .execution_options(synchronize_session="fetch")
    )


async def steps(session: AsyncSession, incident_id: str) -> Sequence[IncidentStep]:
    """The steps of its runbook that were ticked off, in order."""
    found = await session.exec(
        select(IncidentStep).where(IncidentStep.incident_id == incident_id).order_by(col(IncidentStep.number))
    )
    return found.all()


async def tick(session: AsyncSession, step: IncidentStep) -> None:
    """Note that a step was done; the first to say so stays."""
    await insert_if_new(session, step)


async def untick(session: AsyncSession, incident_id: str, number: int, organization_id: str) -> bool:
    """Take it back, if it is this organization's; says whether it was."""
    step = await session.get(IncidentStep, (incident_id, number))
    if step is None or step.organization_id != organization_id:
        return False
    await session.delete(step)
    return True


async def open_with_held(session: AsyncSession, organization_id: str) -> list[tuple[Incident, int]]:
    """Those that are not cleared, the oldest first, each with what of an organization waits for it."""
    found = await session.exec(
        select(Incident, _held(organization_id))
        .where(col(Incident.cleared_at).is_(None))
        .order_by(col(Incident.opened_at), col(Incident.id))
    )
    return [(incident, held) for incident, held in found]


async def held(session: AsyncSession, incident_id: str, organization_id: str) -> int:
    """What of an organization waits for the incident's end."""
    return (await session.exec(select(_held(organization_id)).where(Incident.id == incident_id))).one()


def _held(organization_id: str) -> ColumnElement[int]:
    """What waits for an incident's component: workflows for Stripe, customers' mails for the mail server."""
    mails = select(func.count()).where(
        CustomerMail.organization_id == organization_id,
        CustomerMail.state == customer_mails.DUE,
        CustomerMail.dry_run == "",
        col(CustomerMail.attempts) > 0,  # tried, and put off because of the mail server
    )
    component = col(Incident.component)
    workflows = holds.waiting(organization_id).where(col(Hold.component) == component).correlate(Incident)
    return case(
        (component == Component.MAIL.value, mails.scalar_subquery()),
        (component.in_((Component.STRIPE.value, Component.STRIPE_KEY.value)), workflows.scalar_subquery()),
        else_=0,
    )


async def held_operations(
    session: AsyncSession, component: Component, organization_id: str, limit: int
) -> list[Operation]:
    """The operations of an organization that wait, the longest waiting first."""
    found = await session.exec(
        select(Operation)
        .join(Hold, col(Hold.operation_id) == Operation.id)
        .where(
            Hold.component == component.value,
            Hold.organization_id == organization_id,
            col(Hold.resumed_at).is_(None),
            col(Hold.released_at).is_(None),
        )
        .order_by(col(Hold.held_at), col(Hold.id))
        .limit(limit)
    )
    return list({operation.id: operation for operation in found}.values())

"""The plan change of an organization that is open beside another one."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import State
from billing.plan_changes.messages import OtherChange, OtherChangeQuery
from billing.plan_changes.report import ScheduledPlanChange
from billing.plan_changes.subject import PlanChangeSubject, WaitingChange

from ..tables import Operation
from . import operations


async def beside(session: AsyncSession, query: OtherChangeQuery) -> OtherChange | None:
    """While it waits for the end of the period, another may take its place."""
    for other in await operations.open_plan_changes(session, query.organization):
        if other.id != query.operation:
            asks = other.state == State.MISMATCHED
            return OtherChange(operation=other.id, waiting=_waiting(other), for_people=asks)
    return None


def _waiting(change: Operation) -> WaitingChange | None:
    if not operations.waits(change):
        return None
    subject = PlanChangeSubject.model_validate(change.subject)
    scheduled = ScheduledPlanChange.model_validate(change.result)
    return WaitingChange(
        operation=change.id,
        schedule=scheduled.schedule,
        to=subject.to,
        effective_at=scheduled.effective_at,
    )

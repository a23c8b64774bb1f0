"""A plan change that takes the place of one that waits, which ends as the other is begun in Stripe."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError

from billing.core.events import EventCode
from billing.core.operations import SYSTEM, State
from billing.operations.messages import Progress
from billing.plan_changes.report import ScheduledPlanChange, not_replaceable_problem, replaced_problem
from db.core import timeline
from db.operations import operations

from .abandonment import effects_of
from .endings import end_operation

RELEASE = "release"
"""The step by which a change that waits lets go of its schedule."""


async def take_place(session: AsyncSession, replaced: str, by: str, at: datetime) -> None:
    """Within the transaction that writes the intent: from here on the one that waited does nothing in Stripe
    any more, and the other one can't be given up without bringing the schedule to an end.

    Raises ApplicationError `waiting_change_over`, which is final, where it doesn't wait any more.
    """
    waiting = await operations.lock(session, replaced)
    begun = {one.step for one in await effects_of(session, replaced)}
    if not operations.waits(waiting) or RELEASE in begun:
        problem = not_replaceable_problem(replaced)
        raise ApplicationError(problem.message, type=problem.code, non_retryable=True)
    problem = replaced_problem(by)
    scheduled = ScheduledPlanChange.model_validate(waiting.result or {})
    ending = Progress(
        operation=replaced,
        key="ended",
        event=EventCode.PLAN_CHANGE_REPLACED,
        at=at,
        state=State.CANCELLED,
        stage="done",
        result=scheduled.model_copy(update={"replaced_by": by}),
        error=problem,
        allowed_actions=(),
        detail=problem.model_dump() | {"change": by},
        releases=True,
    )
    await end_operation(session, ending)
    await timeline.append(
        session,
        by,
        key="took_place",
        event=EventCode.TOOK_ITS_PLACE,
        actor=SYSTEM,
        at=at,
        detail={"change": replaced, "schedule": scheduled.schedule},
    )

"""Workflows that wait while a component is degraded, and go on: one transaction each, repeatable."""

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.events import EventCode
from billing.core.operations import Problem, State
from billing.incidents.holds import (
    UNPERMITTED,
    HoldForPermission,
    HoldOperation,
    HoldQuery,
    HoldResult,
    ResumeOperation,
    hold_id,
)
from billing.incidents.states import Component
from billing.operations.messages import Progress
from db.core.session import Database
from db.incidents import holds, incidents
from db.operations import operations
from db.stripe import budget as stripe_budgets
from db.tables import Hold

from .hold_mails import tell_resumed
from .records import write


class Holds:
    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def hold_for_permission(self, request: HoldForPermission) -> None:
        """Notes that the workflow waits for a permission at Stripe, and which."""
        async with self._database.transaction() as session:
            await self._hold(session, request, EventCode.HELD_FOR_PERMISSION, request.problem)

    @activity.defn
    async def hold_operation(self, request: HoldOperation) -> HoldResult:
        """Notes that the workflow waits, unless the gate has been opened since it was refused.

        The gate can't be opened between the look and the note, so a release never misses a workflow.
        """
        async with self._database.transaction() as session:
            if not await stripe_budgets.holds_up(session, request.workflow):
                return HoldResult(waiting=False)
            await self._hold(session, request, EventCode.HELD_BY_INCIDENT)
        return HoldResult(waiting=True)

    async def _hold(
        self, session: AsyncSession, request: HoldOperation, event: EventCode, problem: Problem | None = None
    ) -> None:
        operation = await operations.lock(session, request.operation)
        others = await holds.of_operation(session, request.operation)
        # One that is held already is to become what it was before the first of its holds.
        hold_key = hold_id(request.workflow, request.number)
        others += [earlier] if (earlier := await session.get(Hold, hold_key)) is not None else []
        former = others[0].state if operation.state == State.HELD and others else operation.state
        await holds.open_again(
            session,
            Hold(
                id=hold_key,
                operation_id=request.operation,
                organization_id=request.organization,
                workflow_id=request.workflow,
                component=request.component.value,
                state=former,
                held_at=request.at,
            ),
        )
        await write(
            session,
            Progress(
                operation=request.operation,
                key=f"held:{hold_key}",
                event=event,
                at=request.at,
                detail=problem.model_dump() if problem else {},
                state=State.HELD,
                stage=operation.stage,
                error=problem,
            ),
        )

    @activity.defn
    async def check_held(self, query: HoldQuery) -> bool:
        """Whether the workflow has to wait on: for when nobody has told it to go on.

        It has not where its release was lost, where an operator has opened the gate since it was held, and
        where the gate is open and no incident is left that would release it.
        """
        async with self._database.reading() as session:
            hold = await session.get(Hold, query.hold)
            if hold is None or hold.released_at is not None:
                return False
            budget = await stripe_budgets.read(session)
            if budget.held_since is not None and budget.trial != query.workflow:
                return True
            if budget.opened_at is not None and budget.opened_at >= hold.held_at:
                return False
            return any(one.component == hold.component for one in await incidents.open_ones(session))

    @activity.defn
    async def resume_operation(self, request: ResumeOperation) -> None:
        """The operation is again what it was, unless something else still holds it."""
        id_ = hold_id(request.workflow, request.number)
        async with self._database.transaction() as session:
            operation = await operations.lock(session, request.operation)
            hold = await session.get(Hold, id_)
            if hold is None:
                raise LookupError(f"no hold {id_} of {request.operation}")
            await holds.resumed(session, [id_], request.at)
            permitted = hold.component == Component.STRIPE_KEY
            held = operation.state == State.HELD and not await holds.of_operation(session, request.operation)
            former = State(hold.state) if held else None
            if former is not None and (operation.error or {}).get("code") == UNPERMITTED:
                await operations.clear_error(session, request.operation)
            await write(
                session,
                Progress(
                    operation=request.operation,
                    key=f"resumed:{id_}",
                    event=EventCode.RESUMED_WITH_PERMISSION
                    if permitted
                    else EventCode.RESUMED_AFTER_INCIDENT,
                    at=request.at,
                    state=former,
                    stage=operation.stage,
                    # One that had failed and waits for a person was not closed, and is not by this.
                    stays_open=former is not None and former.final,
                ),
            )
            if held:
                await tell_resumed(session, hold, request.at)

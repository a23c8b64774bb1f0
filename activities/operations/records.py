"""The records of an operation: what it is at, what it uses."""

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.operations import State
from billing.mail.steps import Step
from billing.operations.messages import Progress
from billing.operations.standing import (
    NOTES,
    Abandon,
    AbandonResult,
    BegunEffect,
    RecordedEnd,
    Standing,
    StandingQuery,
    TakenCommand,
)
from billing.plan_changes.messages import OtherChange, OtherChangeQuery
from db.core import timeline
from db.core.session import Database
from db.operations import intents, operations, other_changes, outbox
from db.tables import Operation

from . import abandonment
from .endings import end_operation, move
from .notices import open_notice


class Records:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def record_progress(self, progress: Step) -> None:
        """Appends the event to the operation's timeline, moves the operation on and tells people, together.

        Raises ApplicationError `operation_closed` for a step that is new to an operation that has ended.
        """
        async with self._database.transaction() as session:
            await record_step(session, progress)

    @activity.defn
    async def read_standing(self, query: StandingQuery) -> Standing:
        """Where the operation stands, as a run of its workflow begins."""
        async with self._database.reading() as session:
            operation, effects, keys = await intents.with_operation(session, query.operation)
            # Before anything was recorded of it nobody could send it anything that counts.
            taken = await outbox.taken(session, operation.workflow_id) if len(keys) > 1 else []
        begun = [one for one in effects if not one.effect.endswith(NOTES)]
        return Standing(
            state=State(operation.state),
            stage=operation.stage,
            closed_at=operation.closed_at,
            subject=operation.subject if begun else None,
            result=operation.result,
            begun=tuple(
                BegunEffect(step=one.step, version=one.version, effect=one.effect, state=one.state)
                for one in begun
            ),
            keys=tuple(keys),
            taken=tuple(TakenCommand(name=one.name, payload=one.payload) for one in taken),
        )

    @activity.defn
    async def end_operation(self, ending: Step) -> RecordedEnd:
        """Ends the operation; says how it has ended, where something else was before."""

        async def end(session: AsyncSession) -> RecordedEnd:
            ours = await end_operation(session, ending)
            await tell(session, ending)
            operation = await operations.lock(session, ending.operation)
            # A repeat finds what the first attempt did.
            ours = ours or operation.closed_at == ending.at
            return RecordedEnd(state=State(operation.state), ours=ours)

        if ending.state is State.COMPLETED and not ending.releases:
            return await self._database.held(end)
        # Whoever else was told of it must not be told of more meanwhile.
        async with self._database.transaction() as session:
            return await end(session)

    @activity.defn
    async def abandon_operation(self, order: Abandon) -> AbandonResult:
        """Ends it where nothing was begun in Stripe; otherwise it has to run again."""
        async with self._database.transaction() as session:
            return await abandonment.abandon(session, order)

    @activity.defn
    async def read_other_change(self, query: OtherChangeQuery) -> OtherChange | None:
        """The organization's plan change that is open beside this one: while it waits for the end of the
        period, another may take its place."""
        async with self._database.reading() as session:
            return await other_changes.beside(session, query)


async def record_step(session: AsyncSession, step: Step) -> None:
    """Within a transaction of the caller's, as `record_progress`."""
    moved = await write(session, step)
    if moved is not None and moved.closed_at is not None and not step.ends:
        event = await timeline.find(session, step.operation, step.key)
        if event is None or event.at == step.at:
            raise abandonment.closed(moved)
    await tell(session, step)


async def tell(session: AsyncSession, step: Step) -> None:
    """Within a transaction of the caller's: whom the step tells, once."""
    if step.notice is not None:
        await open_notice(session, step.notice, step.at)
    for mail in step.mails:
        await outbox.mail(session, mail, at=step.at)


async def write(session: AsyncSession, progress: Progress, *, new: bool = False) -> Operation | None:
    """Within a transaction of the caller's: operation row and timeline event; gives the row where it moves.
    `new` says that the event can't have been told before.

    An event that was told before moves nothing: what an earlier attempt wrote stands. One that ends the
    operation goes through `end_operation`, like every other end.
    """
    if progress.ends:
        await end_operation(session, progress)
        return None
    moved = await move(session, progress, new=new) if progress.state is not None else None
    await timeline.append(
        session,
        progress.operation,
        key=progress.key,
        event=progress.event,
        actor=progress.actor,
        at=progress.at,
        detail=progress.detail,
    )
    return moved

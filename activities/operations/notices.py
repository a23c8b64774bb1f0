"""The records of a notice to Finance: opened, escalated, acknowledged, superseded."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.approvals.notice_messages import NoticeStep, OpenedNotice, OpenNotice
from billing.core.business_time import add_business
from billing.core.events import EventCode
from billing.core.notices import NoticeKind, is_moot, replaces
from billing.core.operations import Problem, State
from billing.operations.messages import Progress
from db.approvals import deciders
from db.core.session import Database
from db.operations import notices, operations
from db.tables import Notice, Operation

from .end_mails import supersede
from .records import write


class Notices:
    """What a notice keeps of itself; its events stand on its operation's timeline."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def open_notice(self, order: OpenNotice) -> OpenedNotice:
        """Opens the notice; its deadline is computed here, once, from the calendar."""
        request = order.request
        deadline = add_business(order.at, timedelta(minutes=request.acknowledge_within), request.calendar)
        row = Notice(
            id=request.notice,
            organization_id=request.organization,
            operation_id=request.operation,
            kind=request.kind,
            subject=request.figures.document(),
            state=notices.OPEN,
            deadline=deadline,
            workflow_id=order.workflow,
            created_at=order.at,
        )
        async with self._database.transaction() as session:
            await operations.lock(session, request.operation)
            operation = await operations.get_any(session, request.operation)
            if operation is not None and operation.closed_at is not None and _is_moot(row, operation):
                return OpenedNotice(deadline=deadline, closed=True)
            stored = await notices.create(session, row)
            replaced = await self._replace_earlier(session, stored, order.at)
            await write(
                session,
                Progress(
                    operation=request.operation,
                    key=f"{request.notice}:opened",
                    event=EventCode.FINANCE_TOLD,
                    at=order.at,
                    detail={
                        "notice": request.notice,
                        "kind": request.kind,
                        "deadline": stored.deadline.isoformat(),
                    },
                ),
            )
            closed = stored.state not in notices.WAITING
            return OpenedNotice(deadline=stored.deadline, closed=closed, replaces=replaced)

    async def _replace_earlier(self, session: AsyncSession, notice: Notice, at: datetime) -> bool:
        """Whether Finance waits for nothing older of the same operation any more, because of this one."""
        earlier = [
            other
            for other in await notices.of_operation(session, notice.operation_id)
            if other.id != notice.id
            and other.created_at <= notice.created_at
            and replaces(NoticeKind(notice.kind), NoticeKind(other.kind))
        ]
        because = "A newer notice has the figures that hold now."
        await supersede(session, earlier, because=because, by=notice.id, at=at)
        return any(other.superseded_by == notice.id for other in earlier)

    @activity.defn
    async def escalate_notice(self, step: NoticeStep) -> bool:
        """Nobody acknowledged it in time. False where it waits for nobody any more."""
        async with self._database.transaction() as session:
            await operations.lock(session, step.operation)
            row = await notices.escalate(session, step.notice)
            if row.state != notices.ESCALATED:
                return False
            await write(
                session,
                Progress(
                    operation=step.operation,
                    key=f"{step.notice}:escalated",
                    event=EventCode.NOTICE_ESCALATED,
                    at=step.at,
                    detail={"notice": step.notice},
                ),
            )
            return True

    @activity.defn
    async def acknowledge_notice(self, step: NoticeStep) -> Problem | None:
        """Somebody of Finance has seen it; the first to say so stays. Or why they may not say so."""
        assert step.person is not None
        async with self._database.transaction() as session:
            await operations.lock(session, step.operation)
            found = await session.get(Notice, step.notice)
            assert found is not None, "a notice is opened before it is acknowledged"
            refusal = await deciders.refusal_to_acknowledge(session, found, step.person, step.at)
            if refusal is not None:
                return Problem(code=refusal.code, message=refusal.message)
            row = await notices.acknowledge(session, step.notice, person_id=step.person, at=step.at)
            if row.state == notices.SUPERSEDED:
                return Problem(code="notice_superseded", message=f"{row.superseded_because}")
            await write(
                session,
                Progress(
                    operation=step.operation,
                    key=f"{step.notice}:acknowledged",
                    event=EventCode.NOTICE_ACKNOWLEDGED,
                    at=step.at,
                    actor=row.acknowledged_by or step.person,
                    detail={"notice": step.notice},
                ),
            )
            return None


def _is_moot(notice: Notice, operation: Operation) -> bool:
    return is_moot(NoticeKind(notice.kind), State(operation.state), operation.result)

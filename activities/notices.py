"""The records of a notice to Finance: opened, escalated, acknowledged."""

from datetime import timedelta

from temporalio import activity

from billing.business_time import add_business
from billing.messages import NoticeStep, OpenedNotice, OpenNotice, Progress
from billing.operations import Problem
from db import deciders, notices
from db.session import Database
from db.tables import Notice

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
            subject=request.subject,
            state=notices.OPEN,
            deadline=deadline,
            workflow_id=order.workflow,
            created_at=order.at,
        )
        async with self._database.transaction() as session:
            stored = await notices.create(session, row)
            await write(
                session,
                Progress(
                    operation=request.operation,
                    key=f"{request.notice}:opened",
                    event="Finance told",
                    at=order.at,
                    detail={
                        "notice": request.notice,
                        "kind": request.kind,
                        "deadline": stored.deadline.isoformat(),
                    },
                ),
            )
            return OpenedNotice(
                deadline=stored.deadline, closed=stored.state not in (notices.OPEN, notices.ESCALATED)
            )

    @activity.defn
    async def escalate_notice(self, step: NoticeStep) -> None:
        """Nobody acknowledged it in time."""
        async with self._database.transaction() as session:
            row = await notices.escalate(session, step.notice)
            if row.state != notices.ESCALATED:
                return  # it was acknowledged in the meantime
            await write(
                session,
                Progress(
                    operation=step.operation,
                    key=f"{step.notice}:escalated",
                    event="notice escalated to the controller",
                    at=step.at,
                    detail={"notice": step.notice},
                ),
            )

    @activity.defn
    async def acknowledge_notice(self, step: NoticeStep) -> Problem | None:
        """Somebody of Finance has seen it; the first to say so stays. Or why they may not say so."""
        assert step.person is not None
        async with self._database.transaction() as session:
            found = await session.get(Notice, step.notice)
            assert found is not None, "a notice is opened before it is acknowledged"
            refusal = await deciders.refusal_to_acknowledge(session, found, step.person, step.at)
            if refusal is not None:
                return Problem(code=refusal.code, message=refusal.message)
            row = await notices.acknowledge(session, step.notice, person_id=step.person, at=step.at)
            await write(
                session,
                Progress(
                    operation=step.operation,
                    key=f"{step.notice}:acknowledged",
                    event="notice acknowledged",
                    at=step.at,
                    actor=row.acknowledged_by or step.person,
                    detail={"notice": step.notice},
                ),
            )
            return None

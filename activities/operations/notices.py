"""Notices to Finance: opened with the step that causes them, escalated when they are late.

Their events stand on their operation's timeline.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.notice_messages import NoticeInput
from billing.core.business_time import add_business
from billing.core.events import EventCode
from billing.core.notices import NoticeKind, is_moot, replaces
from billing.core.operations import SYSTEM, Role, State
from billing.mail.messages import MailContext, MailRequest
from billing.operations.payloads import read_notice
from db.core import timeline
from db.operations import notices, operations, outbox
from db.tables import Notice

from .end_mails import supersede


async def open_notice(session: AsyncSession, request: NoticeInput, at: datetime) -> None:
    """Opens the notice, with its event and its mail; the same again changes nothing. Its deadline is computed
    here, once, from the calendar.

    None is opened of what has come to nothing by then.
    """
    operation = await operations.lock(session, request.operation)
    if operation.closed_at is not None and is_moot(request.kind, State(operation.state), operation.result):
        return
    notice = Notice(
        id=request.notice,
        organization_id=request.organization,
        operation_id=request.operation,
        kind=request.kind,
        subject=request.figures.document(),
        state=notices.OPEN,
        deadline=add_business(at, timedelta(minutes=request.acknowledge_within), request.calendar),
        created_at=at,
    )
    others = await notices.of_operation(session, notice.operation_id)
    if any(other.id == notice.id for other in others):
        return
    await notices.create(session, notice)
    earlier = [other for other in others if replaces(request.kind, NoticeKind(other.kind))]
    because = "A newer notice has the figures that hold now."
    await supersede(session, earlier, because=because, by=notice.id, at=at)
    detail = {"notice": notice.id, "kind": notice.kind, "deadline": notice.deadline.isoformat()}
    await _tell(session, notice, "opened", EventCode.FINANCE_TOLD, at, detail)
    await outbox.mail(session, _mail(notice, others, "told", "notice", Role.FINANCE), at=at)


async def escalate_late(session: AsyncSession, found: Collection[str], at: datetime) -> None:
    """The controller is told of these, as far as they still wait and nobody is just changing their
    operations."""
    for notice in await notices.escalate(session, found):
        await _tell(session, notice, "escalated", EventCode.NOTICE_ESCALATED, at, {"notice": notice.id})
        all_ = await notices.of_operation(session, notice.operation_id)
        mail = _mail(notice, all_, "escalated", "notice_escalated", Role.CONTROLLER)
        await outbox.mail(session, mail, at=at)


async def _tell(
    session: AsyncSession,
    notice: Notice,
    what: str,
    event: EventCode,
    at: datetime,
    detail: dict[str, str],
) -> None:
    await timeline.append(
        session,
        notice.operation_id,
        key=f"{notice.id}:{what}",
        event=event,
        actor=SYSTEM,
        at=at,
        detail=detail,
    )


def _mail(notice: Notice, all_: Collection[Notice], what: str, template: str, role: Role) -> MailRequest:
    """`all_` are the notices of its operation."""
    kind = NoticeKind(notice.kind)
    subject, result, problem = read_notice(kind, notice.subject)
    return MailRequest(
        organization=notice.organization_id,
        operation=notice.operation_id,
        key=f"{notice.id}:{what}",
        template=template,
        roles=(role,),
        about=notice.id,
        context=MailContext(
            replaces=any(other.superseded_by == notice.id for other in all_),
            notice=notice.id,
            kind=kind,
            subject=subject,
            result=result,
            problem=problem,
            deadline=notice.deadline,
        ),
    )

"""How it ended, told to whoever asked for it, whoever was asked to decide and Finance: with the transaction
that ends it.

No workflow comes here: an operation that a sweep or an operator ends is told of in the same way. Nobody
hears it twice, nor of what they have done themselves.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.notices import NoticeKind, is_moot
from billing.core.operations import CUSTOMER, SYSTEM, Kind, State
from billing.mail.messages import MailContext, MailRequest
from billing.operations.messages import Progress
from billing.operations.payloads import read_notice, read_subject
from db.approvals import approvals
from db.core import timeline
from db.operations import notices, outbox, told
from db.tables import Notice, Operation

ENDED = {
    Kind.PLAN_CHANGE: "plan_change_ended",
    Kind.CANCELLATION: "cancellation_ended",
    Kind.REFUND: "money_ended",
    Kind.CREDIT: "money_ended",
    Kind.VOID: "money_ended",
    Kind.WRITE_OFF: "money_ended",
}
"""What whoever asked for it gets; other operations nobody waits for in person."""

UNSOLVED = (Kind.CASE, Kind.PORTAL_ACCESS)
"""What people are told of by their role, and solve: where it ends by itself they have to know."""

WHY = {
    State.REJECTED: "It was rejected.",
    State.CANCELLED: "It was cancelled.",
    State.EXPIRED: "It expired: nobody answered in time.",
    State.BLOCKED: "It is not possible as requested.",
    State.DECLINED: "The card was declined.",
    State.FAILED: "It could not be carried out.",
    State.COMPLETED: "It came through after all.",
}


async def tell_ended(session: AsyncSession, operation: Operation, progress: Progress) -> None:
    """An operation has ended with this step."""
    heard = {progress.actor}
    asked_by, kind = operation.requested_by, Kind(operation.kind)
    context = _context(operation, progress)
    if kind in ENDED and asked_by not in (SYSTEM, CUSTOMER):
        await _mail_operation(session, operation, progress, "requester", ENDED[kind], {asked_by}, context)
    heard.add(asked_by)
    if operation.state == State.COMPLETED and not any(
        is_moot(one, State.COMPLETED, operation.result) for one in NoticeKind
    ):
        return  # nobody was asked in vain, or told of what came to nothing
    people = await told.of_operation(session, operation.id)
    moot = await _set_aside(session, operation, progress)
    if operation.state != State.COMPLETED:
        asked = _about(people, "apr_") - heard
        last = await approvals.latest(session, operation.id)
        of_review = context.model_copy(
            update={"requested_by": asked_by, "decision": last.state if last else None}
        )
        await _mail_operation(session, operation, progress, "asked", "review_over", asked, of_review)
        heard |= asked
    finance = {person for notice in moot for person in people.get(notice.id, ())} - heard
    if finance:
        kind_told = NoticeKind(moot[-1].kind)
        figures = read_notice(kind_told, moot[-1].subject)
        of_notice = context.model_copy(
            update={"subject": figures.subject, "requested_by": asked_by, "notice_kind": kind_told}
        )
        await _mail_operation(session, operation, progress, "finance", "notice_over", finance, of_notice)
        heard |= finance
    if kind in UNSOLVED and operation.state != State.COMPLETED:
        others = people.get(operation.id, set()) - heard
        await _mail_operation(session, operation, progress, "others", "operation_over", others, context)


async def _set_aside(session: AsyncSession, operation: Operation, progress: Progress) -> list[Notice]:
    """Notices of what came to nothing wait for nobody any more; they are returned whatever they are by now,
    but for those that another one has replaced."""
    state = State(operation.state)
    moot = [
        notice
        for notice in await notices.of_operation(session, operation.id)
        if is_moot(NoticeKind(notice.kind), state, operation.result)
    ]
    replaced = progress.event is EventCode.PLAN_CHANGE_REPLACED
    because = "Another plan change has taken its place." if replaced else WHY[state]
    await supersede(session, moot, because=because, by=None, at=progress.at)
    return moot


async def supersede(
    session: AsyncSession, found: Collection[Notice], *, because: str, by: str | None, at: datetime
) -> list[Notice]:
    """Nobody has to acknowledge these any more; a mail about one looks before it is sent."""
    changed = await notices.supersede(session, found, because=because, by=by, at=at)
    for notice in changed:
        await timeline.append(
            session,
            notice.operation_id,
            key=f"{notice.id}:superseded",
            event=EventCode.NOTICE_SUPERSEDED,
            actor=SYSTEM,
            at=at,
            detail={"notice": notice.id, "because": because, "replacement": by},
        )
    return changed


def _about(people: Mapping[str, set[str]], prefix: str) -> set[str]:
    return {person for about, those in people.items() if about.startswith(prefix) for person in those}


def _context(operation: Operation, progress: Progress) -> MailContext:
    return MailContext(
        kind=operation.kind,
        state=State(operation.state),
        subject=read_subject(operation.kind, operation.subject),
        result=progress.result,
        problem=progress.error,
        person=None if progress.actor in (SYSTEM, CUSTOMER) else progress.actor,
        comment=progress.detail.get("comment"),
    )


async def _mail_operation(
    session: AsyncSession,
    operation: Operation,
    progress: Progress,
    group: str,
    template: str,
    people: Collection[str],
    context: MailContext,
) -> None:
    await _mail(
        session,
        operation.organization_id,
        operation.id,
        key=f"{progress.key}:{group}",
        template=template,
        people=people,
        context=context,
        at=progress.at,
    )


async def _mail(
    session: AsyncSession,
    organization: str,
    operation: str,
    *,
    key: str,
    template: str,
    people: Collection[str],
    context: MailContext,
    at: datetime,
) -> None:
    if not people:
        return
    request = MailRequest(
        organization=organization,
        operation=operation,
        key=key,
        template=template,
        people=tuple(sorted(people)),
        context=context,
    )
    await outbox.mail(session, request, at=at)

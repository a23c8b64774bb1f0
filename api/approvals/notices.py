"""What Finance must acknowledge."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from billing.approvals.notice_messages import Acknowledge
from billing.core.errors import BillingError
from billing.core.operations import Role
from db.approvals import deciders
from db.core.clock import utc_now
from db.operations import notices, outbox
from db.tables import Notice

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import Actor, AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example, pending
from ..http.ids import Id
from ..http.models import ListOf, NoticeAnswer, NoticesQuery
from ..http.openapi import answers
from ..operations import views
from ..problems.common import (
    ALREADY_ENDED,
    BODY_TOO_LARGE,
    NOT_FOUND,
    REFUSED,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import ApiProblem, existing, refused_by_workflow
from .problems import NOTICE_SUPERSEDED, OWN_DOING

router = APIRouter(prefix="/v1/notices", tags=["Notices"])


@router.get(
    "",
    summary="List notices",
    response_model=ListOf[NoticeAnswer],
    responses=list_answers("approvals/notice", NoticeAnswer),
)
async def list_notices(
    query: Annotated[NoticesQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Notices of the newest operations first; as `text/csv` all of them, whatever the `limit`."""
    rows = notices.paged(
        caller.organization, state=query.state, operation_id=query.operation, sort=query.sort
    )
    return await answer_list(request, context, query, rows, views.each(views.notice), NoticeAnswer)


@router.post(
    "/{id}/acknowledge",
    summary="Acknowledge a notice",
    responses=answers(
        {200: example("approvals/acknowledged_notice"), 202: pending(example("approvals/notice"))},
        ROLE_MISSING,
        OWN_DOING,
        NOT_FOUND,
        NOTICE_SUPERSEDED,
        ALREADY_ENDED,
        REFUSED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        also=(202, NoticeAnswer),
    ),
)
async def acknowledge(id: Id, caller: Actor, context: InContext, response: Response) -> NoticeAnswer:
    """Finance can acknowledge it, and controllers too once it is escalated, but nobody who made or approved
    what the notice reports.

    Takes no body. Repeating the request changes nothing: the first acknowledgment stands. Answers 202 with
    `pending` until it is applied.
    """
    async with context.database.transaction() as session:
        notice = existing(await notices.get(session, caller.organization, id))
        escalated = notice.state == notices.ESCALATED
        caller.needs(Role.FINANCE, *([Role.CONTROLLER] if escalated else []))
        if notice.state == notices.ACKNOWLEDGED:
            return views.notice(notice)
        _check_waits(notice)
        at = utc_now()
        refusal = await deciders.refusal_to_acknowledge(session, notice, caller.person, at)
        if refusal is not None:
            raise BillingError(refusal.code, refusal.message)
        row = await outbox.enqueue(
            session,
            action=outbox.UPDATE,
            workflow_id=notice.workflow_id,
            name="acknowledge",
            payload=Acknowledge(person=caller.person).model_dump(mode="json"),
            at=at,
            # One person's acknowledgement is one message, however often they press the button.
            update_id=f"ack_{caller.person}",
            due_at=at + HEAD_START,
        )
    delivery = await context.dispatcher.outcome(row)
    async with context.database.reading() as session:
        notice = existing(await notices.get(session, caller.organization, id))
    _check_waits(notice)
    if delivery.outcome == "refused" and notice.state != notices.ACKNOWLEDGED:
        raise refused_by_workflow(delivery.problem)
    pending = delivery.outcome == "later" and notice.state != notices.ACKNOWLEDGED
    response.status_code = 202 if pending else 200
    return views.notice(notice, pending=pending)


def _check_waits(notice: Notice) -> None:
    if notice.state == notices.SUPERSEDED:
        raise ApiProblem.of(NOTICE_SUPERSEDED, more={"superseded_by": notice.superseded_by})

"""What Finance must acknowledge."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.errors import BillingError
from billing.core.events import EventCode
from billing.core.operations import Role
from db.approvals import deciders
from db.core import timeline
from db.core.clock import utc_now
from db.operations import notices, operations
from db.tables import Notice

from ..http.auth import Actor, AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf, NoticeAnswer, NoticesQuery
from ..http.openapi import answers
from ..operations import views
from ..problems.common import BODY_TOO_LARGE, NOT_FOUND, ROLE_MISSING, UNSUPPORTED_MEDIA_TYPE
from ..problems.problem import ApiProblem, existing
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
        {200: example("approvals/acknowledged_notice")},
        ROLE_MISSING,
        OWN_DOING,
        NOT_FOUND,
        NOTICE_SUPERSEDED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def acknowledge(id: Id, caller: Actor, context: InContext) -> NoticeAnswer:
    """Finance can acknowledge it, and controllers too once it is escalated, but nobody who made or approved
    what the notice reports.

    Takes no body. Repeating the request changes nothing: the first acknowledgment stands.
    """
    async with context.database.transaction() as session:
        notice = existing(await notices.get(session, caller.organization, id))
        await operations.lock(session, notice.operation_id)
        notice = await notices.lock(session, notice.id)
        caller.needs(Role.FINANCE, *([] if notice.state == notices.OPEN else [Role.CONTROLLER]))
        if notice.state in notices.WAITING:
            notice = await _acknowledged(session, notice, caller.person)
        if notice.state == notices.SUPERSEDED:
            raise ApiProblem.of(NOTICE_SUPERSEDED, more={"superseded_by": notice.superseded_by})
        return views.notice(notice)


async def _acknowledged(session: AsyncSession, notice: Notice, person: str) -> Notice:
    """The notice as it then is. Raises BillingError where they may not."""
    at = utc_now()
    refusal = await deciders.refusal_to_acknowledge(session, notice, person, at)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)
    notice = await notices.acknowledge(session, notice.id, person_id=person, at=at)
    if notice.acknowledged_by == person:
        await timeline.append(
            session,
            notice.operation_id,
            key=f"{notice.id}:acknowledged",
            event=EventCode.NOTICE_ACKNOWLEDGED,
            actor=person,
            at=at,
            detail={"notice": notice.id},
        )
    return notice

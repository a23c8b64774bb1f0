"""What people say to each other about an operation, in one thread."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import people
from billing.core.events import EventCode
from billing.core.operations import CUSTOMER, SYSTEM
from billing.mail.messages import MailContext, MailRequest
from billing.operations.payloads import read_subject
from db.approvals import approvals
from db.approvals.deciders import authors_of
from db.core import timeline
from db.core.clock import utc_now
from db.core.pages import FewRows
from db.operations import comments, operations, outbox
from db.tables import CommentRow, Operation, new_id

from ..http.auth import Actor, AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import Answer, Body, Comment, ListOf, OldestFirst
from ..http.openapi import WITH_BODY, answers, body_example
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing
from .problems import COMMENTS_FULL
from .views import each

router = APIRouter(prefix="/v1/operations", tags=["Operations"])

MAX_COMMENTS = 200
"""On one operation."""


class CommentBody(Body):
    text: Comment


class CommentAnswer(Answer):
    """A comment never changes."""

    id: str
    operation: str
    seq: int = Field(description="Starts at 1")
    text: str
    author: str
    at: datetime


@router.get(
    "/{id}/comments",
    summary="List an operation's comments",
    response_model=ListOf[CommentAnswer],
    responses=list_answers("operations/comment", CommentAnswer, NOT_FOUND),
)
async def list_comments(
    id: Id, query: Annotated[OldestFirst, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Oldest first."""
    async with context.database.reading() as session:
        existing(await operations.get(session, caller.organization, id))
        said = FewRows(await comments.of_operation(session, id), lambda row: str(row.seq), query.sort)
    return await answer_list(request, context, query, said, each(_answer), CommentAnswer)


@router.post(
    "/{id}/comments",
    status_code=201,
    summary="Comment on an operation",
    responses=answers(
        {201: example("operations/comment")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, COMMENTS_FULL
    ),
    openapi_extra=body_example(example("operations/comment_body")),
)
async def add_comment(id: Id, body: CommentBody, caller: Actor, context: InContext) -> CommentAnswer:
    """Also mailed to the others who have requested, revised, decided or commented on it.

    Comments can't be changed or deleted. Sending your last comment again changes nothing.
    """
    async with context.database.transaction() as session:
        operation = existing(await operations.get(session, caller.organization, id))
        await operations.lock(session, id)
        earlier = await comments.of_operation(session, id)
        if earlier and (earlier[-1].author, earlier[-1].text) == (caller.person, body.text):
            return _answer(earlier[-1])
        if len(earlier) >= MAX_COMMENTS:
            raise ApiProblem.of(COMMENTS_FULL)
        row = CommentRow(
            operation_id=id,
            seq=len(earlier) + 1,
            id=new_id("cmt"),
            organization_id=caller.organization,
            text=body.text,
            author=caller.person,
            at=utc_now(),
        )
        others = {
            operation.requested_by,
            *people(authors_of(operation)),
            *await approvals.people_of(session, id),
            *(one.author for one in earlier),
        } - {caller.person, SYSTEM, CUSTOMER}
        await comments.add(session, row)
        await _tell(session, row)
        if others:
            await _mail(session, operation, row, others)
    return _answer(row)


async def thread(session: AsyncSession, operation_id: str) -> list[CommentAnswer]:
    """Everything that was said about an operation, the oldest first; whose it is was looked at before."""
    return [_answer(row) for row in await comments.of_operation(session, operation_id)]


async def _tell(session: AsyncSession, row: CommentRow) -> None:
    await timeline.append(
        session,
        row.operation_id,
        key=f"comment:{row.seq}",
        event=EventCode.COMMENT_ADDED,
        actor=row.author,
        at=row.at,
        detail={"comment": row.id, "seq": row.seq, "text": row.text, "by": row.author},
    )


async def _mail(session: AsyncSession, operation: Operation, row: CommentRow, others: set[str]) -> None:
    asked_by = operation.requested_by
    request = MailRequest(
        organization=row.organization_id,
        operation=operation.id,
        key=row.id,
        template="comment",
        people=tuple(sorted(others)),
        context=MailContext(
            kind=operation.kind,
            subject=read_subject(operation.kind, operation.subject),
            requested_by=None if asked_by in (SYSTEM, CUSTOMER) else asked_by,
            person=row.author,
            comment=row.text,
        ),
    )
    await outbox.mail(session, request, at=row.at)


def _answer(row: CommentRow) -> CommentAnswer:
    return CommentAnswer(**row.model_dump(), operation=row.operation_id)

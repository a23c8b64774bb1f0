"""What waits for a person's decision, and deciding it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.marks import DecisionMarks
from billing.approvals.messages import Decide, RoundDecision
from billing.core.errors import BillingError
from db.approvals import approvals, decisions
from db.operations import outbox
from db.tables import Approval, Outbox
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ApprovalAnswer, DecisionBody, ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations.problems import OWN_REQUEST, REQUESTERS_DELEGATE
from ..problems.common import (
    NOT_FOUND,
    ROLE_MISSING,
    WRONG_ROLE,
)
from ..problems.problem import ApiProblem, existing
from . import views as approval_views
from .problems import ALREADY_DECIDED, APPROVAL_CLOSED, AUTHORITY_TOO_SMALL, COMMENT_REQUIRED, STALE_SUBJECT
from .schemas import ApprovalsQuery
from .views import Viewer, viewer

router = APIRouter(prefix="/v1/approvals", tags=["Approvals"])


@router.get(
    "",
    summary="List approvals",
    response_model=ListOf[ApprovalAnswer],
    responses=list_answers("approvals/approval", ApprovalAnswer),
)
async def list_approvals(
    query: Annotated[ApprovalsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """`needs_me` returns only those that you may decide now, including as a delegate. As `text/csv` all that
    the filters find, whatever the `limit`."""
    async with context.database.reading() as session:
        seen_by = await viewer(session, caller)
    rows = approvals.paged(
        caller.organization,
        state=query.state,
        open=True if query.waits_for_others else query.open,
        operation_id=query.operation,
        waits_for=caller.person if query.needs_me else None,
        keep=_kept(query, seen_by),
        sort=query.sort,
    )

    async def shown(session: AsyncSession, page: Sequence[Approval]) -> list[ApprovalAnswer]:
        return await approval_views.all_shown(session, page, seen_by)

    return await answer_list(request, context, query, rows, shown, ApprovalAnswer)


def _kept(query: ApprovalsQuery, seen_by: Viewer) -> Callable[[Approval], bool]:
    """What the database can't tell: whose turn it is."""
    return lambda row: (
        not (
            (query.needs_me and not seen_by.may_have_a_say(row))
            or (query.waits_for_others and seen_by.may_have_a_say(row))
        )
    )


@router.get(
    "/{id}", summary="Read an approval", responses=answers({200: example("approvals/approval")}, NOT_FOUND)
)
async def read_approval(id: Id, caller: AnyCaller, context: InContext) -> ApprovalAnswer:
    """A decision must include its `subject_hash`."""
    async with context.database.reading() as session:
        return await read(session, id, await viewer(session, caller))


async def read(session: AsyncSession, approval_id: str, seen_by: Viewer) -> ApprovalAnswer:
    """An approval with all that a decision needs. Raises ApiProblem `not_found`."""
    row = existing(await approvals.get(session, seen_by.caller.organization, approval_id))
    return await approval_views.shown(session, row, seen_by, recent=True)


@router.post(
    "/{id}/decision",
    summary="Decide an approval",
    responses=answers(
        {200: example("approvals/decided_approval")},
        *WITH_BODY,
        COMMENT_REQUIRED,
        NOT_FOUND,
        OWN_REQUEST,
        REQUESTERS_DELEGATE,
        ROLE_MISSING,
        WRONG_ROLE,
        AUTHORITY_TOO_SMALL,
        APPROVAL_CLOSED,
        ALREADY_DECIDED,
        STALE_SUBJECT,
    ),
    openapi_extra=body_example(example("approvals/decision_body")),
)
async def decide(id: Id, body: DecisionBody, caller: AnyCaller, context: InContext) -> ApprovalAnswer:
    """The first decision wins. Where every role must approve, the first rejection or request for changes
    wins. It counts as soon as this answers; the same decision again changes nothing.
    """
    if body.comment is None and body.decision != "approve":
        verb = "reject" if body.decision == "reject" else "request changes"
        detail = f"comment is required to {verb}: tell the requester why."
        raise ApiProblem.at(COMMENT_REQUIRED, detail, "/comment")
    async with context.database.transaction() as session:
        row = existing(await approvals.lock_own(session, caller.organization, id))
        seen_by = await viewer(session, caller, row)
        told = await _settle(session, row, body, seen_by, context.marks)
        answer = await approval_views.shown(
            session, row, seen_by, recent=True, decided=told is not None, said=body.comment
        )
    if told is not None:
        context.dispatcher.hand_over(told)
    return answer


async def _settle(
    session: AsyncSession, row: Approval, body: DecisionBody, seen_by: Viewer, marks: DecisionMarks
) -> Outbox | None:
    """The decision, and what its operation's workflow is told of it where it ends the round."""
    at, caller = seen_by.at, seen_by.caller
    said = Decide(
        person=caller.person,
        verdict=body.decision,
        subject_hash=body.subject_hash,
        comment=body.comment,
        by_link=caller.by_link,
    )
    caller.acts_with_all_roles()
    try:
        outcome = await decisions.decide(session, row, said, seen_by.pool, at, marks)
    except BillingError as error:
        if error.code == STALE_SUBJECT.code:
            raise ApiProblem.of(STALE_SUBJECT, more={"subject_hash": row.subject_hash}) from error
        raise
    if outcome is None:
        return None
    return await outbox.note(
        session,
        action=outbox.SIGNAL,
        workflow_id=ids.operation_workflow(row.operation_id),
        name="decided",
        payload=RoundDecision(approval=row.id).model_dump(mode="json"),
        at=at,
        update_id=row.id,
        due_at=at + HEAD_START,
    )

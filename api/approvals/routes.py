"""What waits for a person's decision, and deciding it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.messages import Decide
from billing.core.errors import BillingError
from db.approvals import approvals
from db.core.clock import utc_now
from db.operations import outbox
from db.tables import Approval, Decision, Outbox, new_id

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import AnyCaller, Caller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example, pending
from ..http.ids import Id
from ..http.models import ApprovalAnswer, DecisionBody, ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations.problems import OWN_REQUEST, REQUESTERS_DELEGATE
from ..problems.common import (
    ALREADY_ENDED,
    NOT_FOUND,
    REFUSED,
    ROLE_MISSING,
    WRONG_ROLE,
)
from ..problems.problem import ApiProblem, existing, refused_by_workflow
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
        {200: example("approvals/decided_approval"), 202: pending(example("approvals/approval"))},
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
        ALREADY_ENDED,
        REFUSED,
        also=(202, ApprovalAnswer),
    ),
    openapi_extra=body_example(example("approvals/decision_body")),
)
async def decide(
    id: Id, body: DecisionBody, caller: AnyCaller, context: InContext, response: Response
) -> ApprovalAnswer:
    """The first decision wins. Where every role must approve, the first rejection or request for changes
    wins.

    Answers 200 once the decision is applied, and 202 with `pending` while it is recorded but not applied.
    """
    if body.comment is None and body.decision != "approve":
        verb = "reject" if body.decision == "reject" else "request changes"
        detail = f"comment is required to {verb}: tell the requester why."
        raise ApiProblem.at(COMMENT_REQUIRED, detail, "/comment")
    async with context.database.transaction() as session:
        row = existing(await approvals.get(session, caller.organization, id))
        await _check(session, row, body, await viewer(session, caller))
        passed_on = await _record(session, row, body, caller)
    delivery = await context.dispatcher.outcome(passed_on)
    if delivery.outcome == "refused":
        raise refused_by_workflow(delivery.problem)
    pending = delivery.outcome == "later"
    response.status_code = 202 if pending else 200
    async with context.database.reading() as session:
        row = existing(await approvals.get(session, caller.organization, id))
        seen_by = await viewer(session, caller)
        return await approval_views.shown(session, row, seen_by, recent=True, pending=pending)


async def _check(session: AsyncSession, row: Approval, body: DecisionBody, seen_by: Viewer) -> None:
    refusal = await approval_views.why_not(session, row, seen_by, body.decision)
    if refusal:
        raise BillingError(refusal.code, refusal.message)
    if body.subject_hash != row.subject_hash:
        raise ApiProblem.of(STALE_SUBJECT, more={"subject_hash": row.subject_hash})


async def _record(session: AsyncSession, row: Approval, body: DecisionBody, caller: Caller) -> Outbox:
    """The decision and its message to the workflow; once, if the same person says the same again."""
    at = utc_now()
    decision = await _on_its_way(session, row, body, caller)
    if decision is None:
        decision, _ = await approvals.record(
            session,
            Decision(
                id=new_id("dec"),
                approval_id=row.id,
                organization_id=row.organization_id,
                person_id=caller.person,
                decision=body.decision,
                comment=body.comment,
                subject_hash=body.subject_hash,
                created_at=at,
            ),
        )
    message = Decide(
        decision=decision.id,
        person=caller.person,
        verdict=body.decision,
        subject_hash=decision.subject_hash,
        comment=decision.comment,
        by_link=caller.by_link,
    )
    return await outbox.enqueue(
        session,
        action=outbox.UPDATE,
        workflow_id=row.workflow_id,
        name="decide",
        payload=message.model_dump(mode="json", by_alias=True),
        at=at,
        update_id=decision.id,
        due_at=at + HEAD_START,
    )


async def _on_its_way(
    session: AsyncSession, row: Approval, body: DecisionBody, caller: Caller
) -> Decision | None:
    for earlier in await approvals.decisions(session, row.id):
        same = (earlier.person_id, earlier.decision) == (caller.person, body.decision)
        if same and earlier.state == approvals.PENDING:
            return earlier
    return None

"""Runs that remind customers: started by people (those by schedule begin by themselves), watched, stopped."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from billing.core.money import Money
from billing.core.operations import Kind, Message
from billing.reminders.rules import words
from billing.reminders.runs import Count, ReminderRunInput, RunPause
from db.reminders import runs as reminder_runs
from db.tables import CustomerMail, Operation

from ..http import idempotency
from ..http.auth import AnyCaller, Caller, Giver, giver
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf, OperationAnswer
from ..http.openapi import answers
from ..operations import service, views
from ..operations.common_routes import add_comment_command, start_route
from ..problems.common import NOT_FOUND
from .schemas import (
    CountAnswer,
    DecisionAnswer,
    DecisionsQuery,
    ProgressAnswer,
    ReminderRunAnswer,
    RunBody,
    RunsQuery,
)

router = APIRouter(prefix="/v1/reminder-runs", tags=["Reminders"])


class RunWanted(Message):
    """What is kept as the run's request."""

    dry_run: bool


@start_route(
    router,
    summary="Start a reminder run",
    body="reminders/run_body",
    accepted="reminders/accepted_run",
)
async def start(
    caller: Giver,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
    body: RunBody | None = None,
) -> OperationAnswer:
    """Decides every due reminder of every open invoice, once each across all runs, and sends it.

    A dry run makes the same decisions for itself and sends nothing.
    """
    wanted = RunWanted(dry_run=body.dry_run if body else False)
    draft = service.draft(
        context, caller, Kind.REMINDER_RUN, wanted, key=key, allowed_actions=("pause", "cancel")
    )
    async with context.database.transaction() as session:
        started = await service.find_repeated(session, draft)
        if started is None:
            workflow_input = ReminderRunInput(
                organization=draft.organization_id,
                operation=draft.id,
                dry_run=wanted.dry_run,
                policy=context.policy,
            )
            started = await service.start_operation(session, context, draft, workflow_input=workflow_input)
    return service.answer_started(context, caller, started, response)


@router.get(
    "",
    summary="List reminder runs",
    response_model=ListOf[OperationAnswer],
    responses=list_answers("reminders/sending_run", OperationAnswer),
)
async def list_runs(
    query: Annotated[RunsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find. Scheduled runs were
    requested by `system`."""
    listing = reminder_runs.paged(
        caller.organization,
        dry_run=query.dry_run,
        open=query.open,
        requested_by=query.requested_by,
        sort=query.sort,
    )
    return await answer_list(
        request,
        context,
        query,
        listing,
        views.each(lambda row: views.operation(row, caller)),
        OperationAnswer,
    )


@router.get(
    "/{id}",
    summary="Read a reminder run",
    responses=answers({200: example("reminders/run_with_progress")}, NOT_FOUND),
)
async def read_run(id: Id, caller: AnyCaller, context: InContext) -> ReminderRunAnswer:
    """`progress` is current; `result` is the progress when the run ended."""
    async with context.database.reading() as session:
        row = await service.owned(session, caller, Kind.REMINDER_RUN, id)
        counts = await reminder_runs.counts(session, row.id)
    return _run(row, counts, caller)


@router.get(
    "/{id}/decisions",
    summary="List a reminder run's decisions",
    response_model=ListOf[DecisionAnswer],
    responses=list_answers("reminders/decision", DecisionAnswer, NOT_FOUND),
)
async def list_decisions(
    id: Id, query: Annotated[DecisionsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    async with context.database.reading() as session:
        row = await service.owned(session, caller, Kind.REMINDER_RUN, id)
    listing = reminder_runs.decisions(
        row.id, state=query.state, reason=query.reason, customer_id=query.customer, sort=query.sort
    )
    return await answer_list(request, context, query, listing, views.each(decision), DecisionAnswer)


add_comment_command(
    router,
    Kind.REMINDER_RUN,
    "pause",
    message=RunPause,
    by=giver,
    summary="Pause a reminder run",
    description="The run stops after the current batch of at most 200 mails. "
    "Answers 200 once it has stopped, and 202 until then.",
    body="reminders/comment_body",
    done="reminders/paused_run",
    pending="reminders/sending_run",
)

add_comment_command(
    router,
    Kind.REMINDER_RUN,
    "resume",
    message=RunPause,
    by=giver,
    summary="Resume a reminder run",
    description="The run continues where it stopped, after checking again what remains to be sent. "
    "Answers 202 until it is applied.",
    body="reminders/comment_body",
    done="reminders/sending_run",
    pending="reminders/sending_run",
)

add_comment_command(
    router,
    Kind.REMINDER_RUN,
    "cancel",
    message=RunPause,
    by=giver,
    summary="Cancel a reminder run",
    description="Due reminders that were not sent are dropped; held reminders are left for the next run. "
    "Answers 202 until it is applied.",
    body="reminders/comment_body",
    done="reminders/cancelled_run",
    pending="reminders/sending_run",
)


def decision(row: CustomerMail) -> DecisionAnswer:
    """A row of `customer_mails` as people see it."""
    return DecisionAnswer.model_validate(
        row.model_dump()
        | {
            "run": row.operation_id,
            "invoice": row.invoice_id,
            "customer": row.customer_id,
            "words": words(row.reason),
            "amount": Money(amount_minor=row.amount_minor, currency=row.currency),
        }
    )


def _run(row: Operation, counts: tuple[Count, ...], caller: Caller) -> ReminderRunAnswer:
    progress = ProgressAnswer(
        seen=(row.subject or {}).get("seen", 0),
        mails=sum(count.mails for count in counts),
        counts=[_count(count) for count in counts],
    )
    return ReminderRunAnswer(**views.operation(row, caller).model_dump(), progress=progress)


def _count(count: Count) -> CountAnswer:
    return CountAnswer(
        state=count.state,
        reason=count.reason,
        words=words(count.reason),
        mails=count.mails,
        amounts=[Money(amount_minor=minor, currency=code) for code, minor in count.amounts.items()],
    )

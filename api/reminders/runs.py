"""Runs that remind customers: started by people (those by schedule begin by themselves), watched, stopped."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind, Message
from billing.reminders.rules import words
from billing.reminders.runs import Count, ReminderRunInput, RunPause
from db.reminders import runs as reminder_runs
from db.tables import CustomerMail, Operation
from workflows.core import ids

from ..http import idempotency
from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.examples import example, listed, pending
from ..http.ids import Id
from ..http.models import CancelBody, Listed, OperationAnswer
from ..http.openapi import TOLD, WITH_BODY, WITH_KEY, answers, body_example
from ..operations import commands_api, views
from ..operations.commands import Command
from ..operations.intake import Asked
from ..operations.problems import NOT_CANCELLABLE, NOT_PAUSABLE, NOT_RESUMABLE
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem
from .problems import REMINDERS_NOT_CONFIGURED
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


@router.post(
    "",
    status_code=202,
    summary="Remind customers now",
    responses=answers(
        {202: example("reminders/accepted_run")},
        *WITH_BODY,
        *WITH_KEY,
        ROLE_MISSING,
        REMINDERS_NOT_CONFIGURED,
        headers={202: ("Location", "Idempotent-Replayed")},
    ),
    openapi_extra={"parameters": [idempotency.PARAMETER], **body_example(example("reminders/run_body"))},
)
async def start(
    who: Giver,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
    body: RunBody | None = None,
) -> OperationAnswer:
    """What is due of every open invoice is decided, once each however many runs there are, and sent.

    A dry run decides the same for itself and writes to nobody.
    """
    asked = _asked(context, RunWanted(dry_run=body.dry_run if body else False))
    return await commands_api.begin(context, who, key, asked, response)


@router.get(
    "",
    summary="List reminder runs",
    responses=answers({200: listed(example("reminders/sending_run"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_runs(
    query: Annotated[RunsQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[OperationAnswer]:
    """The newest first; those by schedule were requested by `system`."""
    async with context.database.reading() as session:
        page = await reminder_runs.page(
            session,
            who.organization,
            dry_run=query.dry_run,
            open=query.open,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, lambda row: views.operation(row, who))


@router.get(
    "/{id}",
    summary="Read a reminder run and how far it is",
    responses=answers({200: example("reminders/run_with_progress")}, NOT_FOUND),
)
async def read_run(id: Id, who: AnyCaller, context: InContext) -> ReminderRunAnswer:
    """`progress` is as it is now, `result` what it was when the run ended."""
    async with context.database.reading() as session:
        row = await commands_api.owned(session, who, Kind.REMINDER_RUN, id)
        counts = await reminder_runs.counts(session, row.id)
    return _run(row, counts, who)


@router.get(
    "/{id}/decisions",
    summary="List what a reminder run decided",
    responses=answers(
        {200: listed(example("reminders/decision"))}, NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR
    ),
)
async def list_decisions(
    id: Id, query: Annotated[DecisionsQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[DecisionAnswer]:
    """The newest first."""
    async with context.database.reading() as session:
        row = await commands_api.owned(session, who, Kind.REMINDER_RUN, id)
        page = await reminder_runs.decisions(
            session, row.id, state=query.state, limit=query.limit, cursor=query.cursor
        )
    return views.listed(page, decision)


@router.post(
    "/{id}/pause",
    summary="Stop a reminder run for now",
    responses=answers(
        {200: example("reminders/paused_run"), 202: pending(example("reminders/sending_run"))},
        *WITH_BODY,
        *TOLD,
        NOT_PAUSABLE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("reminders/comment_body")),
)
async def pause(
    id: Id, who: Giver, context: InContext, response: Response, body: CancelBody | None = None
) -> OperationAnswer:
    """It stops after the batch that is on its way, at most 200 mails. 200 once it has; 202 until then."""
    return await _tell(context, who, id, "pause", "pause asked for", body, response)


@router.post(
    "/{id}/resume",
    summary="Let a reminder run go on",
    responses=answers(
        {200: example("reminders/sending_run"), 202: pending(example("reminders/sending_run"))},
        *WITH_BODY,
        *TOLD,
        NOT_RESUMABLE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("reminders/comment_body")),
)
async def resume(
    id: Id, who: Giver, context: InContext, response: Response, body: CancelBody | None = None
) -> OperationAnswer:
    """It goes on where it stopped, after another look at what it has still to send. 202 while on its way."""
    return await _tell(context, who, id, "resume", "resumption asked for", body, response)


@router.post(
    "/{id}/cancel",
    summary="End a reminder run",
    responses=answers(
        {200: example("reminders/cancelled_run"), 202: pending(example("reminders/sending_run"))},
        *WITH_BODY,
        *TOLD,
        NOT_CANCELLABLE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("reminders/comment_body")),
)
async def cancel(
    id: Id, who: Giver, context: InContext, response: Response, body: CancelBody | None = None
) -> OperationAnswer:
    """What is due and not sent is not sent any more; what is held stays for the next run. 202 while on its
    way."""
    return await _tell(context, who, id, "cancel", "cancellation asked for", body, response)


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


def _asked(context: Context, wanted: RunWanted) -> Asked[None]:
    async def check(_: AsyncSession) -> None:
        if context.policy.reminders is None:
            raise ApiProblem.of(REMINDERS_NOT_CONFIGURED)

    def message(operation: Operation, _: None) -> ReminderRunInput:
        return ReminderRunInput(
            organization=operation.organization_id,
            operation=operation.id,
            dry_run=wanted.dry_run,
            policy=context.policy,
        )

    return Asked(Kind.REMINDER_RUN, wanted, ids.REMINDER_SWEEP, check, message, actions=("pause", "cancel"))


async def _tell(
    context: Context,
    who: Caller,
    id_: str,
    action: str,
    event: str,
    body: CancelBody | None,
    response: Response,
) -> OperationAnswer:
    comment = body.comment if body else None
    message = RunPause(person=who.person, comment=comment)
    command = Command(action, message, event, {"comment": comment})
    return await commands_api.tell(context, who, Kind.REMINDER_RUN, id_, action, command, response)


def _run(row: Operation, counts: tuple[Count, ...], who: Caller) -> ReminderRunAnswer:
    progress = ProgressAnswer(
        seen=(row.subject or {}).get("seen", 0),
        mails=sum(count.mails for count in counts),
        counts=[_count(count) for count in counts],
    )
    return ReminderRunAnswer(**views.operation(row, who).model_dump(), progress=progress)


def _count(count: Count) -> CountAnswer:
    return CountAnswer(
        state=count.state,
        reason=count.reason,
        words=words(count.reason),
        mails=count.mails,
        amounts=[Money(amount_minor=minor, currency=code) for code, minor in count.amounts.items()],
    )

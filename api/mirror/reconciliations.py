"""Runs that hold our mirror against Stripe: asked for by people (those by schedule begin by themselves)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import ASKED_FOR, STOPPED, ObjectKind, ReconcileInput
from db.core.clock import utc_now
from db.mirror import differences, reconciliations
from db.operations import outbox
from db.tables import Outbox, Reconciliation, new_id
from workflows.client import running
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import answers
from ..problems.common import (
    BODY_TOO_LARGE,
    NOT_FOUND,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import existing
from .schemas import ComparedAnswer, ReconciliationAnswer, ReconciliationsQuery

router = APIRouter(prefix="/v1/reconciliations", tags=["Reconciliation"])


@router.post(
    "",
    status_code=202,
    summary="Compare with Stripe now",
    responses=answers(
        {202: example("mirror/waiting_reconciliation")},
        ROLE_MISSING,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        headers={202: ("Location",)},
    ),
)
async def start(caller: Giver, context: InContext, response: Response) -> ReconciliationAnswer:
    """Takes no body. Compares all our objects in Stripe with the mirror and corrects the mirror; Stripe is
    not changed.

    While a run that your organization requested is in progress, that run is returned.
    """
    await _end_stopped(context, caller)
    async with context.database.transaction() as session:
        await reconciliations.alone(session, caller.organization)
        going = await reconciliations.running(session, caller.organization)
        run, row = (going[0], None) if going else await _record(session, caller)
        counted = await differences.counts(session, caller.organization, [run.id])
    if row is not None:
        context.dispatcher.hand_over(row)
    response.headers["Location"] = f"/v1/reconciliations/{run.id}"
    return _shown(run, caller, counted)


@router.get(
    "",
    summary="List reconciliations",
    response_model=ListOf[ReconciliationAnswer],
    responses=list_answers("mirror/reconciliation", ReconciliationAnswer),
)
async def list_runs(
    query: Annotated[ReconciliationsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find: scheduled runs, and
    those that your organization requested.

    Of the scheduled `recent` runs without differences, only the newest are kept.
    """
    listing = reconciliations.paged(caller.organization, state=query.state, sort=query.sort)

    async def shown(session: AsyncSession, rows: Sequence[Reconciliation]) -> list[ReconciliationAnswer]:
        counted = await differences.counts(session, caller.organization, [row.id for row in rows])
        return [_shown(row, caller, counted) for row in rows]

    return await answer_list(request, context, query, listing, shown, ReconciliationAnswer)


@router.get(
    "/{id}",
    summary="Read a reconciliation",
    responses=answers({200: example("mirror/reconciliation")}, NOT_FOUND),
)
async def read_run(id: Id, caller: AnyCaller, context: InContext) -> ReconciliationAnswer:
    """Reconciliations that another organization requested are not found."""
    async with context.database.reading() as session:
        run = existing(await reconciliations.get(session, caller.organization, id))
        counted = await differences.counts(session, caller.organization, [run.id])
    return _shown(run, caller, counted)


async def _end_stopped(context: Context, caller: Caller) -> None:
    """A run that was terminated could not say so itself: it must not stand for one that goes on."""
    async with context.database.reading() as session:
        going = await reconciliations.running(session, caller.organization)
    client, at = context.dispatcher.client, utc_now()
    over = [run.id for run in going if await running.is_over(client, run.workflow_id, at - run.started_at)]
    if over:
        async with context.database.transaction() as session:
            await reconciliations.end(session, over, at, STOPPED)


async def _record(session: AsyncSession, caller: Caller) -> tuple[Reconciliation, Outbox]:
    """The run's row and its start, before it is started."""
    reconciliation_id, at = new_id("rec"), utc_now()
    run = Reconciliation(
        id=reconciliation_id,
        requested_by=caller.person,
        organization_id=caller.organization,
        stage=ASKED_FOR,
        workflow_id=ids.reconciliation_workflow(reconciliation_id),
        started_at=at,
    )
    session.add(run)
    row = await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=run.workflow_id,
        name=ids.RECONCILE,
        payload=ReconcileInput(reconciliation=reconciliation_id).model_dump(mode="json"),
        at=at,
        due_at=at + HEAD_START,
    )
    return run, row


def _shown(
    run: Reconciliation, caller: Caller, counted: Mapping[str, Mapping[str, int]]
) -> ReconciliationAnswer:
    compared: Mapping[str, int] = run.counts.get(caller.organization, {})
    differing = counted.get(run.id, {})
    facts: dict[str, Any] = run.model_dump(
        include={
            "id",
            "requested_by",
            "scope",
            "state",
            "stage",
            "started_at",
            "ended_at",
            "events_missed",
            "error",
        }
    )
    counts = [
        ComparedAnswer(object_kind=kind, compared=compared.get(kind, 0), differing=differing.get(kind, 0))
        for kind in ObjectKind
        if kind in compared or kind in differing
    ]
    return ReconciliationAnswer(**facts, counts=counts)

"""Degraded states: the banner, their runbooks, and the note that clears them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.incidents.messages import ResolveIncident
from billing.incidents.runbooks import runbook
from billing.incidents.states import Component, IncidentState
from db.core.clock import utc_now
from db.incidents import incidents
from db.operations import outbox
from db.tables import Incident, IncidentStep, Outbox, new_id
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import AnyCaller, Giver
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example, pending
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import TOLD, WITH_BODY, answers, body_example
from ..notes.problems import NOTE_WRONG
from ..operations import views
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing, refused_by_workflow
from . import views as shapes
from .problems import ALREADY_CLEARED, STEP_UNKNOWN, STILL_DEGRADED
from .schemas import BannerAnswer, IncidentAnswer, IncidentDetail, IncidentsQuery, ResolveBody, StepBody

router = APIRouter(tags=["Incidents"])

StepNumber = Annotated[int, Path(ge=1, le=1000, description="The step's number, from 1")]


@router.get("/v1/banner", summary="Read the banner", responses=answers({200: example("incidents/banner")}))
async def banner(caller: AnyCaller, context: InContext) -> BannerAnswer:
    """What is degraded, what that means, and which of your work is held; meant for the top of every page."""
    async with context.database.reading() as session:
        found = [
            shapes.in_banner(row, held)
            for row, held in await incidents.open_with_held(session, caller.organization)
        ]
    degraded = any(one.state is IncidentState.DEGRADED for one in found)
    return BannerAnswer(degraded=degraded, incidents=found)


@router.get(
    "/v1/incidents",
    summary="List incidents",
    response_model=ListOf[IncidentAnswer],
    responses=list_answers("incidents/incident", IncidentAnswer),
)
async def list_incidents(
    query: Annotated[IncidentsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    listing = incidents.paged(open=query.open, component=query.component, sort=query.sort)
    return await answer_list(
        request, context, query, listing, views.each(lambda row: shapes.answer(row, caller)), IncidentAnswer
    )


@router.get(
    "/v1/incidents/{id}",
    summary="Read an incident",
    responses=answers({200: example("incidents/incident_detail")}, NOT_FOUND),
)
async def incident(id: Id, caller: AnyCaller, context: InContext) -> IncidentDetail:
    """What you see, what it means, the steps to take, what is held, and who was notified."""
    async with context.database.reading() as session:
        return await shapes.detail(session, existing(await incidents.get(session, id)), caller)


@router.post(
    "/v1/incidents/{id}/steps/{n}",
    summary="Check off a runbook step",
    responses=answers(
        {200: example("incidents/incident_detail")},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        STEP_UNKNOWN,
        ALREADY_CLEARED,
    ),
    openapi_extra=body_example(example("incidents/step_body")),
)
async def step(id: Id, n: StepNumber, body: StepBody, caller: Giver, context: InContext) -> IncidentDetail:
    """The first person to check off a step is recorded; every organization sees that it is done."""
    async with context.database.transaction() as session:
        row = existing(await incidents.get(session, id))
        steps = runbook(Component(row.component)).steps
        if n > len(steps):
            raise ApiProblem(STEP_UNKNOWN, f"The runbook has no step {n}.")
        if row.cleared_at is not None:
            raise ApiProblem.of(ALREADY_CLEARED)
        if body.done:
            ticked = IncidentStep(
                incident_id=id,
                number=n,
                organization_id=caller.organization,
                done_by=caller.person,
                done_at=utc_now(),
                comment=body.comment,
            )
            await incidents.tick(session, ticked)
        else:
            await incidents.untick(session, id, n, caller.organization)
        return await shapes.detail(session, row, caller)


@router.post(
    "/v1/incidents/{id}/resolve",
    summary="Clear an incident",
    responses=answers(
        {200: example("incidents/cleared_incident"), 202: pending(example("incidents/recovered_incident"))},
        *WITH_BODY,
        *TOLD,
        STILL_DEGRADED,
        ALREADY_CLEARED,
        *NOTE_WRONG,
        also=(202, IncidentAnswer),
    ),
    openapi_extra=body_example(example("incidents/resolve_body")),
)
async def resolve(
    id: Id, body: ResolveBody, caller: Giver, context: InContext, response: Response
) -> IncidentAnswer:
    """For an incident that has recovered. Finance receives the note. Answers 202 with `pending` until the
    note is applied.
    """
    message = ResolveIncident(
        incident=id, person=caller.person, organization=caller.organization, note=body.note
    )
    async with context.database.transaction() as session:
        row = existing(await incidents.get(session, id))
        match shapes.state_of(row):
            case IncidentState.CLEARED:
                raise ApiProblem.of(ALREADY_CLEARED)
            case IncidentState.DEGRADED:
                raise ApiProblem.of(STILL_DEGRADED)
        command = await _recorded(session, row, message, utc_now())
    delivery = await context.dispatcher.outcome(command)
    if delivery.outcome == "refused":
        raise refused_by_workflow(delivery.problem)
    async with context.database.reading() as session:
        row = existing(await incidents.get(session, id))
    pending = row.cleared_at is None
    response.status_code = 202 if pending else 200
    return shapes.answer(row, caller, pending=pending)


async def _recorded(session: AsyncSession, row: Incident, message: ResolveIncident, at: datetime) -> Outbox:
    """A person's note that is still on its way is the same message, however often they press the button."""
    workflow_id = ids.incident_workflow(row.id, Component(row.component))
    payload = message.model_dump(mode="json")
    for earlier in await outbox.on_its_way(session, workflow_id, "resolve"):
        if earlier.payload == payload:
            return earlier
    return await outbox.enqueue(
        session,
        action=outbox.UPDATE,
        workflow_id=workflow_id,
        name="resolve",
        payload=payload,
        at=at,
        update_id=new_id("cmd"),
        due_at=at + HEAD_START,
    )

"""Incidents as the API shows them: people's names and words within their own organization alone."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.incidents.runbooks import runbook
from billing.incidents.states import Component, IncidentState
from billing.incidents.words import affected, capabilities, headline, severity
from db.incidents import incidents
from db.incidents import mails as incident_mails
from db.tables import Incident, IncidentStep, Operation

from ..http.auth import Caller
from ..operations import views as operation_views
from .schemas import BannerIncident, CapabilityAnswer, IncidentAnswer, IncidentDetail, StepAnswer, ToldAnswer

MAX_OPERATIONS = 25


def in_banner(row: Incident, held: int) -> BannerIncident:
    component, state = Component(row.component), state_of(row)
    return BannerIncident(
        id=row.id,
        component=component,
        severity=severity(component, state, row.cause),
        state=state,
        words=headline(component, state, row.cause),
        since=row.opened_at,
        last_check=row.last_check_at,
        held=held,
        capabilities=_capabilities(component, state, row.cause),
        runbook=f"/v1/incidents/{row.id}",
    )


async def detail(session: AsyncSession, row: Incident, caller: Caller) -> IncidentDetail:
    component, state = Component(row.component), state_of(row)
    book = runbook(component)
    held, operations = 0, list[Operation]()
    if state is not IncidentState.CLEARED:  # what waits after that waits for another one
        held = await incidents.held(session, row.id, caller.organization)
        operations = await incidents.held_operations(session, component, caller.organization, MAX_OPERATIONS)
    told = await incident_mails.told(session, row.id, caller.organization)
    return IncidentDetail(
        **answer(row, caller).model_dump(),
        symptom=book.symptom,
        meaning=book.meaning,
        steps=_steps(book.steps, await incidents.steps(session, row.id), caller),
        capabilities=_capabilities(component, state, row.cause),
        held=held,
        held_operations=[operation_views.operation(one, caller) for one in operations],
        told=[ToldAnswer(role=one.role, what=one.template, at=one.at) for one in told],
    )


def _steps(texts: Sequence[str], ticked: Sequence[IncidentStep], caller: Caller) -> list[StepAnswer]:
    done = {one.number: one for one in ticked}
    shown_: list[StepAnswer] = []
    for number, text in enumerate(texts, 1):
        one = done.get(number)
        ours = one is not None and one.organization_id == caller.organization
        shown_.append(
            StepAnswer(
                number=number,
                text=text,
                done=one is not None,
                done_at=one.done_at if one else None,
                done_by=one.done_by if one and ours else None,
                comment=one.comment if one and ours else None,
            )
        )
    return shown_


def answer(row: Incident, caller: Caller, *, pending: bool = False) -> IncidentAnswer:
    component, state = Component(row.component), state_of(row)
    ours = row.cleared_in == caller.organization
    return IncidentAnswer(
        **row.model_dump(exclude={"component", "note", "cleared_by", "cleared_in"}),
        component=component,
        state=state,
        severity=severity(component, state, row.cause),
        words=headline(component, state, row.cause),
        seconds_to_detect=_seconds(row.first_fault_at, row.opened_at),
        seconds_to_alert=_seconds(row.opened_at, row.alerted_at),
        seconds_to_clear=_seconds(row.opened_at, row.cleared_at),
        note=row.note if ours else None,
        cleared_by=row.cleared_by if ours else None,
        pending=pending,
    )


def state_of(row: Incident) -> IncidentState:
    return IncidentState.of(row.recovered_at, row.cleared_at)


def _capabilities(component: Component, state: IncidentState, cause: str | None) -> list[CapabilityAnswer]:
    meaning, hit = capabilities(component, state, cause), affected(component, state, cause)
    return [
        CapabilityAnswer(capability=one, affected=one in hit, words=words) for one, words in meaning.items()
    ]


def _seconds(from_: datetime | None, to: datetime | None) -> float | None:
    return (to - from_).total_seconds() if from_ is not None and to is not None else None

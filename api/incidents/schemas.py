"""The shapes of the banner and of incidents."""

from datetime import datetime

from pydantic import Field

from billing.incidents.states import Component, IncidentState
from billing.incidents.words import Capability, Severity
from db.incidents.incidents import IncidentSort

from ..http.models import DOWNWARDS, Answer, Body, Comment, OperationAnswer, Query
from ..notes.schemas import NoteText


class StepBody(Body):
    """`done` false undoes a step that somebody in your organization checked off."""

    done: bool = True
    comment: Comment | None = None


class ResolveBody(Body):
    note: NoteText = Field(description="What was wrong and what was done; Finance receives it")


class IncidentsQuery(Query):
    open: bool | None = Field(default=None, description="true: only incidents that are not cleared")
    component: Component | None = None
    sort: IncidentSort = Field(default="-opened_at", description=DOWNWARDS)


class CapabilityAnswer(Answer):
    capability: Capability
    affected: bool = Field(description="false: it works as usual")
    words: str = Field(description="What it means for this capability, in a sentence")


class BannerIncident(Answer):
    id: str
    component: Component
    severity: Severity = Field(description="down, degraded, or recovered until the note is written")
    state: IncidentState
    words: str
    since: datetime = Field(description="When it was detected")
    last_check: datetime | None
    held: int = Field(description="How many of your operations are held; they resume automatically")
    capabilities: list[CapabilityAnswer]
    runbook: str = Field(description="Where to find its steps")


class BannerAnswer(Answer):
    degraded: bool = Field(description="Whether anything is degraded now")
    incidents: list[BannerIncident] = Field(description="Empty when nothing is degraded")


class IncidentAnswer(Answer):
    """Incidents affect the whole account. A note and its author are shown only in their organization."""

    id: str
    component: Component
    state: IncidentState
    severity: Severity
    words: str
    cause: str | None = Field(
        description="A code for what was observed; for `stripe_key`, followed by the missing permissions"
    )
    opened_at: datetime
    first_fault_at: datetime | None
    alerted_at: datetime | None = Field(description="When the first alert was sent")
    recovered_at: datetime | None
    cleared_at: datetime | None
    last_check_at: datetime | None
    seconds_to_detect: float | None = Field(description="From the first fault")
    seconds_to_alert: float | None = Field(description="From when it was detected")
    seconds_to_clear: float | None = Field(description="From when it was detected")
    note: str | None
    cleared_by: str | None
    pending: bool = Field(default=False, description="Whether your note is recorded but not yet applied")


class StepAnswer(Answer):
    """A step of the runbook. Who did it, and their comment, are shown only within their organization."""

    number: int
    text: str
    done: bool
    done_at: datetime | None = None
    done_by: str | None = None
    comment: str | None = None


class ToldAnswer(Answer):
    """A mail to everybody in your organization with this role."""

    role: str
    what: str = Field(description="incident_alert, incident_recovered or incident_cleared")
    at: datetime


class IncidentDetail(IncidentAnswer):
    symptom: str
    meaning: str
    steps: list[StepAnswer]
    capabilities: list[CapabilityAnswer]
    held: int = Field(description="How many of your operations are held")
    held_operations: list[OperationAnswer] = Field(
        description="The first 25 of your operations that are held, the longest waiting first"
    )
    told: list[ToldAnswer]

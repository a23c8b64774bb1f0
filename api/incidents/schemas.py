"""The shapes of the banner and of incidents."""

from datetime import datetime

from pydantic import Field

from billing.incidents.states import Component, IncidentState
from billing.incidents.words import Capability, Severity

from ..http.models import Answer, Body, Comment, Query
from ..notes.schemas import NoteText


class StepBody(Body):
    """`done` false takes back what somebody of your organization has ticked off."""

    done: bool = True
    comment: Comment | None = None


class ResolveBody(Body):
    note: NoteText = Field(description="What was wrong and what was done; Finance gets it")


class IncidentsQuery(Query):
    open: bool | None = Field(default=None, description="true: only those that are not cleared")


class CapabilityAnswer(Answer):
    capability: Capability
    words: str = Field(description="What it means for this, in a sentence")


class BannerIncident(Answer):
    id: str
    component: Component
    severity: Severity = Field(description="down, degraded, or recovered while its note is owed")
    state: IncidentState
    words: str
    since: datetime = Field(description="When it was noticed")
    last_check: datetime | None
    held: int = Field(description="How much of your organization's waits for it; it goes on by itself")
    capabilities: list[CapabilityAnswer]
    runbook: str = Field(description="Where its steps are")


class BannerAnswer(Answer):
    degraded: bool = Field(description="Whether anything does not work now")
    incidents: list[BannerIncident] = Field(description="None when all is well")


class IncidentAnswer(Answer):
    """Incidents are the account's: the note and who wrote it are shown within their organization."""

    id: str
    component: Component
    state: IncidentState
    severity: Severity
    words: str
    cause: str | None = Field(
        description="A code of what was seen; of `stripe_key` the permissions that are missing follow it"
    )
    opened_at: datetime
    first_fault_at: datetime | None
    alerted_at: datetime | None = Field(description="When the first alert had gone out")
    recovered_at: datetime | None
    cleared_at: datetime | None
    last_check_at: datetime | None
    seconds_to_detect: float | None = Field(description="From the first fault")
    seconds_to_alert: float | None = Field(description="From when it was noticed")
    seconds_to_clear: float | None = Field(description="From when it was noticed")
    note: str | None
    cleared_by: str | None
    pending: bool = Field(default=False, description="Whether your note is recorded and on its way")


class StepAnswer(Answer):
    """A step of the runbook; whoever did it, and their comment, are shown within their organization."""

    number: int
    text: str
    done: bool
    done_at: datetime | None = None
    done_by: str | None = None
    comment: str | None = None


class ToldAnswer(Answer):
    """Everybody in your organization with the role was mailed."""

    role: str
    what: str = Field(description="incident_alert, incident_recovered or incident_cleared")
    at: datetime


class IncidentDetail(IncidentAnswer):
    symptom: str
    meaning: str
    steps: list[StepAnswer]
    capabilities: list[CapabilityAnswer]
    held: int = Field(description="How much of your organization's waits for it")
    held_operations: list[str] = Field(description="The first hundred of your operations that wait")
    told: list[ToldAnswer]

"""What passes about an incident: how it began, what is looked at, who is told, what is let go again."""

from pydantic import AwareDatetime

from ..core.operations import Message, Role
from ..policy.incidents import IncidentPolicy
from .health import HealthSample, HealthState
from .states import Component
from .words import IncidentSubject


class IncidentNow(Message):
    """How far an incident is: what its workflow hands to itself when it goes on in a new history."""

    health: HealthState
    cause: str | None = None
    alerted_at: AwareDatetime | None = None
    recovered_at: AwareDatetime | None = None
    alert_due_at: AwareDatetime | None = None
    """When the controllers are alerted again; None before the first time."""
    alerts: int = 0
    recoveries: int = 0
    pace: int = 0
    """How many held workflows go on within the next second; 0 where none waits."""
    cleared: bool = False
    """Its note is there: only what is still held has to go on."""


class IncidentInput(Message):
    """A component was found to be degraded. `now` is where an earlier history ended."""

    incident: str
    component: Component
    opened_at: AwareDatetime
    first_fault_at: AwareDatetime
    cause: str | None = None
    policy: IncidentPolicy
    now: IncidentNow | None = None


class IncidentKept(Message):
    """The incident's row as it is to be; nothing of it is changed once it is cleared."""

    incident: str
    component: Component
    opened_at: AwareDatetime
    first_fault_at: AwareDatetime
    cause: str | None
    alerted_at: AwareDatetime | None
    recovered_at: AwareDatetime | None
    alerts: int
    recoveries: int
    at: AwareDatetime


class LookAtComponent(Message):
    """Probe it now, and count the calls since the state changed last."""

    kept: IncidentKept
    since: AwareDatetime
    policy: IncidentPolicy


class IncidentMail(Message):
    """A mail about an incident to everybody with one of the roles, in every organization.

    `note` and `person`, who wrote it, are told in `private_to` alone: their own organization.
    """

    incident: str
    key: str
    template: str
    roles: tuple[Role, ...]
    at: AwareDatetime
    subject: IncidentSubject
    note: str | None = None
    person: str | None = None
    private_to: str | None = None


class AlertPost(Message):
    """An alert to the chat or pager of whoever runs Plixo."""

    incident: str
    component: Component
    cause: str | None
    degraded: bool
    since: AwareDatetime
    number: int
    """Counts the alerts of this incident."""


class ResolveIncident(Message):
    """A person documents what was done: the incident is cleared."""

    incident: str
    person: str
    organization: str
    note: str


class ClearIncident(Message):
    resolve: ResolveIncident
    at: AwareDatetime


class HeldWorkflow(Message):
    """A workflow that waits; `hold` is the row."""

    hold: str
    workflow: str


class NextHolds(Message):
    """The oldest holds of a component: at most `limit`, of Stripe no more than its budget takes in a second.
    Without `trial` there are none while the gate is closed, nor when the calls since `since` are failing."""

    component: Component
    limit: int
    policy: IncidentPolicy
    since: AwareDatetime
    at: AwareDatetime
    trial: bool = False


class HoldsNext(Message):
    """Who goes on next; `failing` is the sample by which calls fail again. `under_way`: nobody now, but some
    who were told to go on have not yet."""

    workflows: tuple[HeldWorkflow, ...] = ()
    failing: HealthSample | None = None
    under_way: bool = False


class AbandonedHolds(Message):
    """These held workflows do not run any more: nobody waits there."""

    holds: tuple[str, ...]
    at: AwareDatetime


class LetGo(Message):
    """These holds are over. With `trial` the one workflow may try, while all others are still held."""

    component: Component
    workflows: tuple[HeldWorkflow, ...]
    at: AwareDatetime
    trial: bool = False

"""The shapes of runs that compare with Stripe, and of what they found."""

from datetime import datetime
from typing import Any

from pydantic import Field

from billing.mirror.reconciliation import Mend, ObjectKind, RunState

from ..http.models import Answer, OtherId, ProblemBody, Query


class ReconciliationsQuery(Query):
    state: RunState | None = None


class DifferencesQuery(Query):
    reconciliation: OtherId | None = None
    object_kind: ObjectKind | None = None
    object: OtherId | None = Field(default=None, description="A Stripe id")


class ComparedAnswer(Answer):
    object_kind: ObjectKind
    compared: int
    differing: int


class ReconciliationAnswer(Answer):
    """A run over all of Stripe; `counts` are your organization's."""

    id: str
    requested_by: str = Field(description="A person, or `system` for a run by schedule")
    state: RunState
    stage: str = Field(description="What it compares now, or did last")
    started_at: datetime
    ended_at: datetime | None
    events_missed: int = Field(
        description="Events of Stripe's, of all organizations, that had not arrived: what they tell of is "
        "then followed, and is no difference"
    )
    counts: list[ComparedAnswer]
    error: ProblemBody | None = Field(description="Why it failed, or was not complete")


class FieldAnswer(Answer):
    """Amounts are minor units of `currency`, which other fields have not."""

    name: str
    ours: Any = Field(description="What our mirror had")
    stripe: Any = Field(description="What Stripe has")
    currency: str | None = None


class DifferenceAnswer(Answer):
    """What our mirror had otherwise than Stripe."""

    id: str
    reconciliation: str = Field(description="The run that found it: another organization's can't be read")
    object_kind: ObjectKind
    object: str = Field(description="Stripe's id")
    fields: list[FieldAnswer] = Field(description="None where our mirror had nothing")
    since: datetime | None = Field(
        description="When our mirror was last known to be right about it; null where it had nothing"
    )
    found_at: datetime
    mend: Mend = Field(description="What was done to our mirror; Stripe is never changed")

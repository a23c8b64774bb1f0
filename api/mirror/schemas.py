"""The shapes of runs that compare with Stripe, and of what they found."""

from datetime import datetime
from typing import Any

from pydantic import Field

from billing.mirror.reconciliation import Correction, ObjectKind, RunScope, RunState
from db.mirror.differences import DifferenceSort
from db.mirror.reconciliations import ReconciliationSort

from ..http.models import DOWNWARDS, Answer, OtherId, ProblemBody, Query


class ReconciliationsQuery(Query):
    state: RunState | None = None
    sort: ReconciliationSort = Field(default="-started_at", description=DOWNWARDS)


class DifferencesQuery(Query):
    reconciliation: OtherId | None = None
    object_kind: ObjectKind | None = None
    object: OtherId | None = Field(default=None, description="A Stripe id")
    sort: DifferenceSort = Field(default="-found_at", description=DOWNWARDS)


class ComparedAnswer(Answer):
    object_kind: ObjectKind
    compared: int
    differing: int


class ReconciliationAnswer(Answer):
    """A run over the Stripe account; `counts` cover your organization."""

    id: str
    requested_by: str = Field(description="A person, or `system` for a scheduled run")
    scope: RunScope = Field(
        description="`all` that is in Stripe; what was made there since the run before (`recent`); or "
        "everything, a piece with each scheduled run, within a week (`rolling`)"
    )
    state: RunState
    stage: str = Field(description="What it is comparing now, or compared last")
    started_at: datetime
    ended_at: datetime | None
    events_missed: int = Field(
        description="Stripe events, for all organizations, that had not arrived; they are processed "
        "and do not count as differences"
    )
    counts: list[ComparedAnswer]
    error: ProblemBody | None = Field(description="Why it failed or is incomplete")


class FieldAnswer(Answer):
    """Amounts are in minor units of `currency`, which is null for other fields."""

    name: str
    ours: Any = Field(description="What our mirror had")
    stripe: Any = Field(description="What Stripe has")
    currency: str | None = None


class DifferenceAnswer(Answer):
    """An object that differed between our mirror and Stripe."""

    id: str
    reconciliation: str = Field(
        description="The run that found it; you can't read another organization's run"
    )
    object_kind: ObjectKind
    object: str = Field(description="Stripe's id")
    fields: list[FieldAnswer] = Field(description="Empty where our mirror had nothing")
    since: datetime | None = Field(
        description="When our mirror was last known to be correct; null where it had nothing"
    )
    found_at: datetime
    correction: Correction = Field(description="How our mirror was corrected; Stripe is never changed")

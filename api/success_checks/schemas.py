"""The shapes of the success checks: their period, their figures, and the rows behind each."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from billing.core.measures import Settled
from billing.core.operations import Kind, State
from billing.portal.trouble import How
from billing.success_checks.checks import DEFAULT_PERIOD, LONGEST_PERIOD, SuccessChecks
from billing.success_checks.series import SeriesPoint, Step

from ..http.models import Answer, Moment
from ..http.models import Query as ListQuery
from ..problems.catalogue import ProblemType
from ..problems.problem import ApiProblem
from .problems import PERIOD_INVERTED, PERIOD_TOO_LONG

_FROM = "Start of the period; default: 30 days before `to`"
_TO = "End of the period, exclusive; default: now"


class PeriodQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    from_: Moment | None = Field(default=None, alias="from", description=_FROM)
    to: Moment | None = Field(default=None, description=_TO)


class RowsQuery(ListQuery):
    from_: Moment | None = Field(default=None, alias="from", description=_FROM)
    to: Moment | None = Field(default=None, description=_TO)
    sort: Literal["time", "-time"] = Field(
        default="-time", description="By the time that the check goes by; `-` sorts downwards"
    )


def span(query: PeriodQuery | RowsQuery, at: datetime) -> tuple[datetime, datetime]:
    """The period that is asked for at this time. Raises ApiProblem `period_inverted`, `period_too_long`."""
    end = query.to or at
    try:
        start = query.from_ or end - DEFAULT_PERIOD
    except OverflowError:
        raise _wrong(PERIOD_INVERTED, "to is too early", "/to") from None
    blamed = "/from" if query.to is None else "/to"
    if end <= start:
        than = "from must be before now" if query.to is None else "to must be after from"
        raise _wrong(PERIOD_INVERTED, than, blamed)
    if end - start > LONGEST_PERIOD:
        raise _wrong(PERIOD_TOO_LONG, "A period can be at most 366 days long: choose a later from", "/from")
    return start, end


def _wrong(type_: ProblemType, detail: str, pointer: str) -> ApiProblem:
    return ApiProblem.at(type_, f"{detail}.", pointer, where="query")


class SuccessChecksAnswer(Answer):
    """Seconds are rounded to the millisecond, percentiles are by nearest rank. A share is between 0 and 1,
    and null when there is nothing to count."""

    from_: datetime = Field(serialization_alias="from", validation_alias="from")
    to: datetime
    as_of: datetime = Field(description="Anything not done by then counts as not done")
    checks: SuccessChecks


class SeriesQuery(PeriodQuery):
    by: Step = Field(default="week", description="By the calendar of your organization; weeks from Monday")


class SeriesAnswer(Answer):
    """A check's days or weeks. `count` is what counts in the share, `met` what of it went as the check asks;
    of balances they are invoices of the last reconciliation of everything that was completed then."""

    check: str
    from_: datetime = Field(serialization_alias="from", validation_alias="from")
    to: datetime
    as_of: datetime = Field(description="Anything not done by then counts as not done")
    by: Step
    zone: str
    points: list[SeriesPoint]


class AllowedRow(Answer):
    """A plan change, refund or credit, from the time it was approved."""

    check: Literal["approved_to_visible"]
    operation: str
    kind: Kind
    state: State
    allowed_at: datetime = Field(description="When it was approved or found to be within authority")
    visible_at: datetime | None = Field(
        description="When its first effect was visible in Stripe; null: not yet"
    )
    seconds: float | None
    within: bool = Field(description="Whether it was visible within five minutes")


class UnequalRow(Answer):
    """An invoice whose balance differed from Stripe; it was corrected then."""

    check: Literal["balances_equal_stripe"]
    difference: str
    reconciliation: str
    invoice: str
    fields: list[dict[str, Any]] = Field(description="Each with name, ours and stripe")
    correction: Literal["added", "overwritten", "removed"]
    found_at: datetime


class TroubleRow(Answer):
    """A customer who could not open an invoice."""

    check: Literal["portal_troubles_same_day"]
    operation: str
    invoice: str
    noticed_at: datetime
    deadline: datetime = Field(description="The end of the business day")
    closed_at: datetime | None
    how: How | None
    outcome: Settled


class OutageRow(Answer):
    """A degraded state that was cleared in the period, or is still open."""

    check: Literal["incidents_with_note"]
    incident: str
    component: str
    first_fault_at: datetime | None
    opened_at: datetime = Field(description="When it was detected")
    alerted_at: datetime | None
    cleared_at: datetime | None
    seconds_to_detect: float | None
    seconds_to_alert: float | None
    seconds_to_clear: float | None
    with_note: bool
    note: str | None = Field(description="Null also when it was cleared in another organization")


class RefundedRow(Answer):
    """A completed refund."""

    check: Literal["refunds_with_notes"]
    operation: str
    completed_at: datetime
    payments: list[str] = Field(description="The payments that it refunded")
    note: str | None = Field(description="The note, with the payments that it names")
    named: bool = Field(description="Whether it has a note that names each of the payments")


class RequestedRow(Answer):
    """A plan change, and the notice that told Finance about it."""

    check: Literal["plan_changes_flagged"]
    operation: str
    state: State
    outcome: Literal["flagged", "not_flagged", "ended_before"] = Field(
        description="`ended_before`: it ended before it was submitted for review"
    )
    requested_at: datetime
    notice: str | None
    flagged_at: datetime | None
    seconds: float | None
    deadline: datetime | None = Field(description="When Finance had to acknowledge it by")
    acknowledged_at: datetime | None
    acknowledged: Settled | None


CheckRow = TypeAliasType(
    "CheckRow",
    Annotated[
        AllowedRow | UnequalRow | TroubleRow | OutageRow | RefundedRow | RequestedRow,
        Field(discriminator="check"),
    ],
)

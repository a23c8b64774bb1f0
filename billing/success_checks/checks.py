"""The guide's success checks as figures over a period, and the rows behind them (GUIDE.md, "Success checks").

Every figure is counted from the rows of its check, so that whoever doubts one can count again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime

from ..core.measures import Settled, Spread, seconds, settled, share, spread
from ..core.operations import Message
from ..money.notes import names_payment

VISIBLE_WITHIN = 300
"""Seconds within which what was allowed is to be visible in Stripe: the guide's "within minutes"."""

DEFAULT_PERIOD = timedelta(days=30)
LONGEST_PERIOD = timedelta(days=366)

# --- 1. What was allowed is soon visible in Stripe -------------------------------------------------------


class AuthorizedOperation(NamedTuple):
    """A plan change, refund or credit that somebody may do; None while Stripe shows nothing of it."""

    operation: str
    kind: str
    state: str
    allowed_at: datetime
    visible_at: datetime | None

    @property
    def seconds(self) -> float | None:
        return seconds(self.allowed_at, self.visible_at) if self.visible_at else None

    @property
    def within(self) -> bool:
        return _soon(self.seconds)


def _soon(taken: float | None) -> bool:
    return taken is not None and taken <= VISIBLE_WITHIN


class ApprovedToVisible(Message):
    count: int
    visible: int
    within_five_minutes: int
    share: float | None
    p50_seconds: float | None
    p95_seconds: float | None


def approved_to_visible(rows: Sequence[AuthorizedOperation]) -> ApprovedToVisible:
    """What is not visible yet is not within five minutes either; the percentiles are of what is visible."""
    times = [row.seconds for row in rows]
    taken, within = spread(times), sum(map(_soon, times))
    return ApprovedToVisible(
        count=len(rows),
        visible=taken.count,
        within_five_minutes=within,
        share=share(within, len(rows)),
        p50_seconds=taken.p50_seconds,
        p95_seconds=taken.p95_seconds,
    )


# --- 2. Invoices show accurate balances ------------------------------------------------------------------

BALANCE = frozenset({"total", "amount_due", "amount_paid", "amount_remaining", "status"})
"""The fields of an invoice that make up its balance."""


class Unequal(NamedTuple):
    """An invoice that a reconciliation found otherwise than in Stripe; it was corrected then."""

    difference: str
    reconciliation: str
    invoice: str
    fields: list[dict[str, Any]]
    correction: str
    found_at: datetime


def balance_differs(correction: str, fields: Iterable[dict[str, Any]]) -> bool:
    """Whether a difference is one of the balance. An invoice that one side lacked has none there."""
    return correction != "overwritten" or any(field["name"] in BALANCE for field in fields)


class BalancesEqualStripe(Message):
    reconciliation: str | None
    compared_at: AwareDatetime | None
    compared: int
    equal: int
    share: float | None


def balances_equal_stripe(
    reconciliation: str | None, compared_at: datetime | None, compared: int, differing: int
) -> BalancesEqualStripe:
    """By the period's last completed reconciliation of everything, or none."""
    equal = max(0, compared - differing)
    return BalancesEqualStripe(
        reconciliation=reconciliation,
        compared_at=compared_at,
        compared=compared,
        equal=equal,
        share=share(equal, compared),
    )


# --- 3. Access issues are resolved within the same business day ------------------------------------------


class AccessTrouble(NamedTuple):
    """A customer who could not get at an invoice. `as_of` is when it was looked at."""

    as_of: datetime
    operation: str
    invoice: str
    noticed_at: datetime
    deadline: datetime
    closed_at: datetime | None
    how: str | None

    @property
    def outcome(self) -> Settled:
        return settled(self.deadline, self.closed_at, self.as_of)


class PortalTroublesSameDay(Message):
    count: int
    solved_same_day: int
    late: int
    waiting: int
    share: float | None


def portal_troubles_same_day(rows: Sequence[AccessTrouble]) -> PortalTroublesSameDay:
    """Those whose business day is not over are in no share yet; open ones past it count as late."""
    outcomes = [row.outcome for row in rows]
    in_time, late = outcomes.count("in_time"), outcomes.count("late")
    return PortalTroublesSameDay(
        count=len(rows),
        solved_same_day=in_time,
        late=late,
        waiting=len(rows) - in_time - late,
        share=share(in_time, in_time + late),
    )


# --- 4. Degraded banners are cleared quickly, with documented remediation --------------------------------


class Outage(NamedTuple):
    """An incident; open while `cleared_at` is None."""

    incident: str
    component: str
    first_fault_at: datetime | None
    opened_at: datetime
    alerted_at: datetime | None
    cleared_at: datetime | None
    note: str | None
    cleared_in: str | None
    """The organization of who cleared it."""

    @property
    def with_note(self) -> bool:
        return bool(self.note and self.note.strip())

    @property
    def seconds_to_detect(self) -> float | None:
        return seconds(self.first_fault_at, self.opened_at) if self.first_fault_at else None

    @property
    def seconds_to_alert(self) -> float | None:
        return seconds(self.opened_at, self.alerted_at) if self.alerted_at else None

    @property
    def seconds_to_clear(self) -> float | None:
        return seconds(self.opened_at, self.cleared_at) if self.cleared_at else None


class IncidentsWithNote(Message):
    cleared: int
    with_note: int
    share: float | None
    to_detect: Spread
    to_alert: Spread
    to_clear: Spread
    open: int


def incidents_with_note(rows: Sequence[Outage]) -> IncidentsWithNote:
    """Times are of those that were cleared: to detect from the first fault, the others from the detection."""
    cleared = [row for row in rows if row.cleared_at is not None]
    noted = sum(row.with_note for row in cleared)
    return IncidentsWithNote(
        cleared=len(cleared),
        with_note=noted,
        share=share(noted, len(cleared)),
        to_detect=spread(row.seconds_to_detect for row in cleared),
        to_alert=spread(row.seconds_to_alert for row in cleared),
        to_clear=spread(row.seconds_to_clear for row in cleared),
        open=len(rows) - len(cleared),
    )


# --- 5. Refunds have a note that references the Stripe payment -------------------------------------------


class CompletedRefund(NamedTuple):
    """A completed refund: the payments that were refunded by it, and its first note as a person wrote it."""

    operation: str
    completed_at: datetime
    payments: tuple[str, ...]
    text: str | None

    @property
    def named(self) -> bool:
        """Whether what each of its refunds bears in Stripe names the payment."""
        text = self.text
        return text is not None and bool(self.payments) and all(names_payment(text, p) for p in self.payments)


class RefundsWithNotes(Message):
    count: int
    with_note: int
    share: float | None


def refunds_with_notes(rows: Sequence[CompletedRefund]) -> RefundsWithNotes:
    noted = sum(row.named for row in rows)
    return RefundsWithNotes(count=len(rows), with_note=noted, share=share(noted, len(rows)))


# --- 6. Plan changes are flagged to Finance --------------------------------------------------------------


class FlaggedChange(NamedTuple):
    """A plan change that was asked for, and the notice that flagged it, if one did.

    `as_of` is when it was looked at.
    """

    as_of: datetime
    operation: str
    state: str
    requested_at: datetime
    closed_at: datetime | None
    approval: str | None
    notice: str | None
    flagged_at: datetime | None
    deadline: datetime | None
    acknowledged_at: datetime | None
    superseded_at: datetime | None = None

    @property
    def outcome(self) -> Literal["flagged", "not_flagged", "ended_before"]:
        """`ended_before`: blocked, cancelled or given up before it was put to review, so there is nothing
        that Finance has to know."""
        if self.flagged_at is not None:
            return "flagged"
        return "ended_before" if self.closed_at is not None and self.approval is None else "not_flagged"

    @property
    def seconds(self) -> float | None:
        return seconds(self.requested_at, self.flagged_at) if self.flagged_at else None

    @property
    def acknowledged(self) -> Settled | None:
        """None where there was nothing to acknowledge any more before anybody did."""
        if self.flagged_at is None or self.deadline is None or self.superseded_at is not None:
            return None
        return settled(self.deadline, self.acknowledged_at, self.as_of)


class PlanChangesFlagged(Message):
    count: int
    flagged: int
    ended_before: int
    share: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    acknowledged_in_time: int
    acknowledged_late: int
    acknowledgement_waiting: int
    acknowledged_share: float | None


def plan_changes_flagged(rows: Sequence[FlaggedChange]) -> PlanChangesFlagged:
    """What ended before there was anything to flag is in no share; nor is a notice that is not due yet."""
    outcomes = [row.outcome for row in rows]
    acknowledged = [row.acknowledged for row in rows]
    flagged, before = outcomes.count("flagged"), outcomes.count("ended_before")
    in_time, late = acknowledged.count("in_time"), acknowledged.count("late")
    taken = spread(row.seconds for row in rows)
    return PlanChangesFlagged(
        count=len(rows),
        flagged=flagged,
        ended_before=before,
        share=share(flagged, len(rows) - before),
        p50_seconds=taken.p50_seconds,
        p95_seconds=taken.p95_seconds,
        acknowledged_in_time=in_time,
        acknowledged_late=late,
        acknowledgement_waiting=acknowledged.count("waiting"),
        acknowledged_share=share(in_time, in_time + late),
    )


class SuccessChecks(Message):
    """The figures of every check; the names are stable."""

    approved_to_visible: ApprovedToVisible
    balances_equal_stripe: BalancesEqualStripe
    portal_troubles_same_day: PortalTroublesSameDay
    incidents_with_note: IncidentsWithNote
    refunds_with_notes: RefundsWithNotes
    plan_changes_flagged: PlanChangesFlagged

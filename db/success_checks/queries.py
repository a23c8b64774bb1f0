"""What the success checks are counted from: one statement a check, for its figures and for its pages alike.

So a figure can't say anything else than its rows. What only the domain can decide about a row (within, in
time, named) is in `billing.success_checks`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import FromClause, Select, Subquery, and_, case, exists, func, literal, or_, select, union_all
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from billing.core.notices import NoticeKind
from billing.core.operations import Kind, State
from billing.mirror.reconciliation import WHOLE
from billing.operations.kinds import GIVE_MONEY
from billing.stripe.effects import EffectKind
from billing.success_checks import checks as checks

from ..core.pages import Page, PagedRows
from ..operations.intents import DONE
from ..tables import (
    Approval,
    Commitment,
    DifferenceRow,
    Incident,
    Intent,
    NoteRow,
    Notice,
    Operation,
    PortalTrouble,
    Reconciliation,
    RefundRow,
)

Row = TypeVar("Row")

VISIBLE: tuple[EffectKind, ...] = (
    "subscription.update",
    "schedule.update",
    "refund.create",
    "credit_note.create",
    "balance.create",
    "invoice.void",
    "invoice.mark_uncollectible",
)
"""The effects that show in Stripe what was allowed. (A schedule that is only created plans nothing.)"""

WITHOUT_EFFECT = (State.REJECTED, State.CANCELLED, State.EXPIRED, State.BLOCKED, State.DECLINED)
"""How an operation ends that nothing was to be seen of: taken back, or definitely refused."""

AT_ONCE = 1_000
"""Rows that are turned into Python's in one go."""

_PAYMENT_SEPARATOR = ","


@dataclass(frozen=True)
class CheckPeriod:
    """Of one organization, from `start` until before `end`, as it looked at `as_of`."""

    organization: str
    start: datetime
    end: datetime
    as_of: datetime


@dataclass(frozen=True)
class Check(Generic[Row]):
    """`rows` are those of a period; by the columns `key` they are ordered, the greatest first."""

    rows: Callable[[CheckPeriod], Select[Any]]
    key: tuple[str, str]
    made: Callable[[Any, CheckPeriod], Row]
    keep: Callable[[Any], bool] = lambda row: True

    async def all(self, session: AsyncSession, period: CheckPeriod) -> list[Row]:
        """Every row, in no particular order."""
        found = await (await session.connection()).execute(self.rows(period))
        rows: list[Row] = []
        for some in found.partitions(AT_ONCE):
            rows += [self.made(row, period) for row in some if self.keep(row)]
            await asyncio.sleep(0)  # of very many rows, so that other requests are answered meanwhile
        return rows

    def listing(self, period: CheckPeriod, *, latest_first: bool = True) -> "CheckListing[Row]":
        """The rows, to be read page by page."""
        found = self.rows(period).subquery()
        # Of rows of several columns instead of an object's, which are paged in the same way.
        wanted = cast(SelectOfScalar[Any], select(found))
        key = tuple(found.c[name] for name in self.key)
        return CheckListing(self, period, PagedRows(wanted, key, latest_first, self.keep))


@dataclass(frozen=True)
class CheckListing(Generic[Row]):
    """The rows of a check in a period, by its key."""

    check: Check[Row]
    period: CheckPeriod
    rows: PagedRows[Any]

    async def page(self, session: AsyncSession, *, limit: int, cursor: str | None = None) -> Page[Row]:
        """Raises InvalidRequest `invalid_cursor`."""
        page = await self.rows.page(session, limit=limit, cursor=cursor)
        return Page([self.check.made(row, self.period) for row in page.rows], page.next_cursor)

    async def has_more_than(self, session: AsyncSession, most: int) -> bool:
        """Whether there are more rows, those that are not kept included."""
        return await self.rows.has_more_than(session, most)


async def figures(session: AsyncSession, period: CheckPeriod) -> checks.SuccessChecks:
    """All checks. The session should be a snapshot's: then they are of the same moment."""
    return checks.SuccessChecks(
        approved_to_visible=checks.approved_to_visible(await ALLOWED.all(session, period)),
        balances_equal_stripe=await _balances(session, period),
        portal_troubles_same_day=checks.portal_troubles_same_day(await TROUBLES.all(session, period)),
        incidents_with_note=checks.incidents_with_note(await OUTAGES.all(session, period)),
        refunds_with_notes=checks.refunds_with_notes(await REFUNDED.all(session, period)),
        plan_changes_flagged=checks.plan_changes_flagged(await REQUESTED.all(session, period)),
    )


async def _balances(session: AsyncSession, period: CheckPeriod) -> checks.BalancesEqualStripe:
    last = _last_reconciliation(period)
    query = select(last.c.id, last.c.ended_at, last.c.counts)
    run = (await (await session.connection()).execute(query)).first()
    if run is None:
        return checks.balances_equal_stripe(None, None, 0, 0)
    compared = run.counts.get(period.organization, {}).get("invoice", 0)
    differing = await UNEQUAL.all(session, period)
    return checks.balances_equal_stripe(run.id, run.ended_at, compared, len(differing))


# --- The rows ------------------------------------------------------------------------------------------


def _select(*columns: Any) -> Select[Any]:
    """Of however many columns, whose types don't matter here."""
    return select(*columns)


def _within(column: Any, period: CheckPeriod) -> Any:
    return and_(column >= period.start, column < period.end)


def _allowed(period: CheckPeriod) -> Select[Any]:
    """A plan change is allowed by the approval of its last round, money back by whose authority counts it."""
    later = aliased(Approval)
    plans = _select(
        col(Approval.operation_id).label("operation"), col(Approval.closed_at).label("allowed_at")
    ).where(
        col(Approval.organization_id) == period.organization,
        col(Approval.kind) == Kind.PLAN_CHANGE.value,
        col(Approval.state) == "approved",
        _within(col(Approval.closed_at), period),
        ~exists().where(
            col(later.operation_id) == col(Approval.operation_id), col(later.round) > col(Approval.round)
        ),
    )
    # A new round sets it aside anew, undecided: what is decided is what was allowed last.
    money = _select(col(Commitment.operation_id), col(Commitment.decided_at)).where(
        col(Commitment.organization_id) == period.organization,
        col(Commitment.kind).in_([kind.value for kind in GIVE_MONEY]),
        col(Commitment.part) == 0,
        _within(col(Commitment.decided_at), period),
    )
    allowed = union_all(plans, money).subquery()
    first = (
        _select(func.min(col(Intent.closed_at)))
        .where(
            col(Intent.operation_id) == allowed.c.operation,
            col(Intent.state) == DONE,
            col(Intent.effect).in_(VISIBLE),
        )
        .scalar_subquery()
    )
    return _select(
        allowed.c.operation,
        col(Operation.kind),
        col(Operation.state),
        allowed.c.allowed_at,
        first.label("visible_at"),
    ).join_from(
        allowed,
        Operation,
        # What was made in Stripe itself counts in somebody's authority, but nobody was asked to allow it.
        and_(col(Operation.id) == allowed.c.operation, col(Operation.kind) != Kind.CASE.value),
    )


def _was_to_be_seen(row: Any) -> bool:
    """Not by the statement: SQLite would look for the first effect twice, to filter and to show it."""
    _, _, state, _, visible_at, *_ = row  # by name it would take three times as long, of very many rows
    return visible_at is not None or state not in WITHOUT_EFFECT


def _last_reconciliation(period: CheckPeriod) -> Subquery:
    """The last one of everything that was completed in the period, of all organizations."""
    return (
        _select(Reconciliation)
        .where(
            col(Reconciliation.scope).in_(WHOLE),
            col(Reconciliation.state) == "completed",
            _within(col(Reconciliation.ended_at), period),
        )
        .order_by(col(Reconciliation.ended_at).desc(), col(Reconciliation.id).desc())
        .limit(1)
        .subquery()
    )


def _unequal(period: CheckPeriod) -> Select[Any]:
    last = _last_reconciliation(period)
    return (
        _select(
            col(DifferenceRow.id).label("difference"),
            col(DifferenceRow.reconciliation_id).label("reconciliation"),
            col(DifferenceRow.object_id).label("invoice"),
            col(DifferenceRow.fields),
            col(DifferenceRow.correction),
            col(DifferenceRow.found_at),
        )
        .join(cast(FromClause, last), last.c.id == col(DifferenceRow.reconciliation_id))
        .where(
            col(DifferenceRow.organization_id) == period.organization,
            col(DifferenceRow.object_kind) == "invoice",
        )
    )


def _troubles(period: CheckPeriod) -> Select[Any]:
    return _select(
        col(PortalTrouble.operation_id).label("operation"),
        col(PortalTrouble.invoice_id).label("invoice"),
        col(PortalTrouble.noticed_at),
        col(PortalTrouble.deadline),
        col(PortalTrouble.closed_at),
        col(PortalTrouble.how),
    ).where(
        col(PortalTrouble.organization_id) == period.organization,
        _within(col(PortalTrouble.noticed_at), period),
    )


def _outages(period: CheckPeriod) -> Select[Any]:
    """Those that were cleared in the period, and those still open that began before its end. They are the
    account's: every organization's."""
    return _select(
        col(Incident.id).label("incident"),
        col(Incident.component),
        col(Incident.first_fault_at),
        col(Incident.opened_at),
        col(Incident.alerted_at),
        col(Incident.cleared_at),
        col(Incident.note),
        col(Incident.cleared_in),
    ).where(
        or_(
            _within(col(Incident.cleared_at), period),
            and_(col(Incident.cleared_at).is_(None), col(Incident.opened_at) < period.end),
        )
    )


def _refunded(period: CheckPeriod) -> Select[Any]:
    payments = (
        _select(func.aggregate_strings(col(RefundRow.payment_intent), _PAYMENT_SEPARATOR))
        .where(col(RefundRow.operation_id) == col(Operation.id))
        .scalar_subquery()
    )
    return (
        _select(
            col(Operation.id).label("operation"),
            col(Operation.closed_at).label("completed_at"),
            payments.label("payments"),
            col(NoteRow.text).label("text"),
        )
        .outerjoin(NoteRow, and_(col(NoteRow.operation_id) == col(Operation.id), col(NoteRow.seq) == 1))
        .where(
            col(Operation.organization_id) == period.organization,
            col(Operation.kind) == Kind.REFUND.value,
            col(Operation.state) == State.COMPLETED.value,
            _within(col(Operation.closed_at), period),
        )
    )


def _requested(period: CheckPeriod) -> Select[Any]:
    """Finance was told by the first notice of it; where a newer one has replaced that, it is the last that it
    is to acknowledge."""
    last = aliased(Notice)
    of_change = aliased(Notice)
    return (
        _select(
            col(Operation.id).label("operation"),
            col(Operation.state),
            col(Operation.created_at).label("requested_at"),
            col(Operation.closed_at),
            col(Operation.approval_id).label("approval"),
            col(Notice.id).label("notice"),
            col(Notice.created_at).label("flagged_at"),
            col(last.deadline),
            col(last.acknowledged_at),
            col(last.superseded_at),
        )
        .outerjoin(
            Notice,
            and_(
                col(Notice.operation_id) == col(Operation.id),
                col(Notice.id)
                == literal("ntc_")
                + func.substr(Operation.id, len("op_") + 1)
                + literal(f"-{NoticeKind.PLAN_CHANGE_REQUESTED.value}"),
            ),
        )
        .outerjoin(
            last,
            col(last.id)
            == case(
                (
                    col(Notice.superseded_at).is_not(None),
                    select(col(of_change.id))
                    .where(col(of_change.operation_id) == col(Operation.id))
                    .order_by(col(of_change.created_at).desc(), col(of_change.id))
                    .limit(1)
                    .correlate(Operation)
                    .scalar_subquery(),
                ),
                else_=col(Notice.id),
            ),
        )
        .where(
            col(Operation.organization_id) == period.organization,
            col(Operation.kind) == Kind.PLAN_CHANGE.value,
            _within(col(Operation.created_at), period),
        )
    )


def _made_refunded(row: Any, _: CheckPeriod) -> checks.CompletedRefund:
    payments = row.payments.split(_PAYMENT_SEPARATOR) if row.payments else ()
    return checks.CompletedRefund(row.operation, row.completed_at, tuple(sorted(set(payments))), row.text)


ALLOWED = Check(
    _allowed,
    ("allowed_at", "operation"),
    lambda row, _: checks.AuthorizedOperation(*row),
    keep=_was_to_be_seen,
)
UNEQUAL = Check(
    _unequal,
    ("found_at", "difference"),
    lambda row, _: checks.Unequal(*row),
    keep=lambda row: checks.balance_differs(row.correction, row.fields),
)
TROUBLES = Check(
    _troubles, ("noticed_at", "operation"), lambda row, period: checks.AccessTrouble(period.as_of, *row)
)
OUTAGES = Check(_outages, ("opened_at", "incident"), lambda row, _: checks.Outage(*row))
REFUNDED = Check(_refunded, ("completed_at", "operation"), _made_refunded)
REQUESTED = Check(
    _requested, ("requested_at", "operation"), lambda row, period: checks.FlaggedChange(period.as_of, *row)
)

CHECKS: Mapping[str, Check[Any]] = {
    "approved_to_visible": ALLOWED,
    "balances_equal_stripe": UNEQUAL,
    "portal_troubles_same_day": TROUBLES,
    "incidents_with_note": OUTAGES,
    "refunds_with_notes": REFUNDED,
    "plan_changes_flagged": REQUESTED,
}
"""By the names of the figures."""

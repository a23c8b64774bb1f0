"""What has begun and not ended, of all organizations: for figures, each by an index of what is open."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..approvals import approvals
from ..mail import customer_mails
from ..operations import outbox
from ..stripe import events as stripe_events
from ..tables import Approval, CustomerMail, Operation, Outbox, StripeBudget, StripeEvent


class OpenOperations(NamedTuple):
    """Of one kind in one state: how many, and when the oldest was asked for."""

    kind: str
    state: str
    number: int
    since: datetime


class StripeStanding(NamedTuple):
    """The account's pace (requests a second; None: the policy's), seconds that a pause lasts, and whether an
    incident holds everything."""

    pace: float | None = None
    paused: float = 0.0
    held: bool = False


class Backlog(NamedTuple):
    """`deadline` is the next one of an approval that waits; `waiting` counts rows by what they wait for."""

    operations: Sequence[OpenOperations]
    approvals: int
    deadline: datetime | None
    waiting: Mapping[str, int]
    stripe: StripeStanding


async def read(session: AsyncSession, at: datetime) -> Backlog:
    """As of now; a mail to a customer waits when it is due at `at`."""
    of_kind = (
        select(Operation.kind, Operation.state, func.count(), func.min(col(Operation.created_at)))
        .where(col(Operation.closed_at).is_(None))
        .group_by(Operation.kind, Operation.state)
    )
    undecided = select(func.count(), func.min(col(Approval.deadline))).where(Approval.state == approvals.OPEN)
    operations = [OpenOperations(*row) for row in (await session.exec(of_kind)).all()]
    waiting, deadline = (await session.exec(undecided)).one()
    return Backlog(operations, waiting, deadline, await _waiting(session, at), await _stripe(session, at))


async def _waiting(session: AsyncSession, at: datetime) -> dict[str, int]:
    pending = select(func.count()).where(Outbox.state == outbox.PENDING)
    counts = {
        "temporal": pending.where(col(Outbox.action).in_(outbox.TEMPORAL.actions)),
        "mails_to_people": pending.where(col(Outbox.action).in_(outbox.MAILS.actions)),
        "stripe_events": select(func.count()).where(StripeEvent.state == stripe_events.PENDING),
        "mails_to_customers": select(func.count()).where(
            CustomerMail.state == customer_mails.DUE,
            CustomerMail.dry_run == "",
            col(CustomerMail.due_at) <= at,
        ),
    }
    return {what: (await session.exec(count)).one() for what, count in counts.items()}


async def _stripe(session: AsyncSession, at: datetime) -> StripeStanding:
    row = (await session.exec(select(StripeBudget))).first()
    if row is None:
        return StripeStanding()
    pace = row.slowed_to if row.slowed_to is not None else row.requests_per_second
    return StripeStanding(pace, max(row.paused_until - at.timestamp(), 0.0), row.held_since is not None)

"""How long what should be done soon has waited: the oldest of each kind, by its index."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import State

from ..mail import customer_mails
from ..operations import notices, outbox
from ..stripe import events as stripe_events
from ..tables import CustomerMail, Notice, Operation, Outbox, Setback, StripeEvent, StripeEventCheck

GIVEN_UP_COUNTS = timedelta(days=1)
"""For so long a mail that was given up is told of: nothing else could end that, nobody sends it any more."""


class OldestWaiting(NamedTuple):
    """Since when the oldest of each waits (None: nothing does), and how many have failed for good."""

    outbox: datetime | None
    """A start or an update that Temporal has not been told."""
    event: datetime | None
    """An event of Stripe's that is not followed."""
    events_asked: datetime | None
    """When Stripe was last asked for its events."""
    mail: datetime | None
    """A mail to a customer that is due and not sent, of no run that is paused."""
    person_mail: datetime | None
    """A mail to people of an organization that no mail server has taken."""
    notice: datetime | None
    """The deadline of a notice of which the controller should have heard."""
    set_aside: int
    """Events that can't be followed."""
    setbacks: int
    """Units of sweeps that fail while the others go on, more than once."""
    mails_given_up: int
    """Mails to people of an organization that nobody tries to send any more, of the last day."""


async def oldest(session: AsyncSession, at: datetime) -> OldestWaiting:
    """What waits now."""
    pending = select(func.min(col(Outbox.created_at))).where(Outbox.state == outbox.PENDING)
    for_temporal = pending.where(col(Outbox.action).in_(outbox.TEMPORAL.actions))
    for_people = pending.where(col(Outbox.action).in_(outbox.MAILS.actions))
    event = select(func.min(col(StripeEvent.received_at))).where(StripeEvent.state == stripe_events.PENDING)
    paused = select(Operation.id).where(
        Operation.id == CustomerMail.operation_id, Operation.state == State.HELD.value
    )
    mail = (
        select(CustomerMail.due_at)
        .where(
            CustomerMail.state == customer_mails.DUE,
            CustomerMail.dry_run == "",
            col(CustomerMail.due_at) <= at,
            ~paused.exists(),
        )
        .order_by(col(CustomerMail.due_at))
        .limit(1)
    )
    notice = select(func.min(col(Notice.deadline))).where(
        Notice.state == notices.OPEN, col(Notice.deadline) <= at
    )
    aside = select(func.count()).where(StripeEvent.state == stripe_events.SET_ASIDE)
    given_up = select(func.count()).where(
        Outbox.state == outbox.REFUSED,
        Outbox.action == outbox.MAIL,
        col(Outbox.settled_at) > at - GIVEN_UP_COUNTS,
    )
    failing = select(func.count()).where(col(Setback.tries) > 1)
    return OldestWaiting(
        outbox=(await session.exec(for_temporal)).one(),
        event=(await session.exec(event)).one(),
        events_asked=(await session.exec(select(StripeEventCheck.checked_at))).first(),
        mail=(await session.exec(mail)).first(),
        person_mail=(await session.exec(for_people)).one(),
        notice=(await session.exec(notice)).one(),
        set_aside=(await session.exec(aside)).one(),
        setbacks=(await session.exec(failing)).one(),
        mails_given_up=(await session.exec(given_up)).one(),
    )

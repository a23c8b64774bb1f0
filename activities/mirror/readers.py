"""How each kind of object is read by its id and mirrored: as an event tells of it, or once more."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import stripe
from temporalio.exceptions import ApplicationError

from billing.stripe.events import EventSubject
from db.core import setbacks
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.tables import Setback

from ..stripe.failures import ask_for, concerns_everybody
from .objects.bill import PendingItemSnapshot
from .objects.customer import CustomerSnapshot
from .objects.discount import CustomerDiscountsSnapshot
from .objects.invoice import CreditNoteSnapshot, InvoicePaymentSnapshot, InvoiceSnapshot
from .objects.payment import PaymentSnapshot
from .objects.snapshot import Owner, Snapshot
from .objects.subscription import SubscriptionSnapshot
from .page_store import SUBSCRIPTIONS_DISCOUNTS, sweep_of
from .pages import MirrorAccess, MirroredPage

READERS: Mapping[EventSubject, Callable[[stripe.StripeClient, str], Awaitable[Snapshot | None]]] = {
    EventSubject.CHARGE: PaymentSnapshot.read_charge,
    EventSubject.CREDIT_NOTE: CreditNoteSnapshot.read,
    EventSubject.CUSTOMER: CustomerSnapshot.read,
    EventSubject.DISCOUNT: CustomerDiscountsSnapshot.read,
    EventSubject.DISPUTE: PaymentSnapshot.read_dispute,
    EventSubject.INVOICE: InvoiceSnapshot.read,
    EventSubject.INVOICE_PAYMENT: InvoicePaymentSnapshot.read,
    EventSubject.PAYMENT: PaymentSnapshot.read,
    EventSubject.PENDING_ITEM: PendingItemSnapshot.read,
    EventSubject.REFUND: PaymentSnapshot.read_refund,
    EventSubject.SCHEDULE: SubscriptionSnapshot.read_schedule,
    EventSubject.SUBSCRIPTION: SubscriptionSnapshot.read,
}
"""How to read each kind of object. The answer is None for an object that can't be ours."""

FAILED = 25
"""Objects that one activity tries again: up to three requests each."""


async def read_object(
    access: MirrorAccess, subject: EventSubject, id_: str
) -> tuple[Snapshot, Owner | None] | None:
    """The object as it is now, and whose it is; None where Stripe has none that can be ours.

    Stripe's errors are translated.
    """
    snapshot = await ask_for(READERS[subject](access.client, id_))
    if snapshot is None:
        return None
    async with access.database.reading() as session:
        return snapshot, await snapshot.owner(session)


async def store_object(access: MirrorAccess, snapshot: Snapshot, owner: Owner, read_at: datetime) -> None:
    """Mirrors what was read just after `read_at`."""
    snapshot = await snapshot.completed(access.client, access.database)
    async with access.database.transaction() as session:
        await snapshot.store(session, access.rules, owner, read_at)


async def store_each(
    access: MirrorAccess,
    subject: EventSubject,
    snapshots: Sequence[tuple[str, Snapshot]],
    owner: Owner,
    read_at: datetime,
) -> None:
    """Mirrors objects of one organization by their ids, each by itself: one that can't be is tried again."""

    async def store(one: tuple[str, Snapshot]) -> None:
        await store_object(access, one[1], owner, read_at)

    mirror_of = Alone(access.database, sweep_of(subject), concerns_all)
    await mirror_of.each(snapshots, store, lambda one: Unit(one[0], owner.organization))


async def mirror_failed(access: MirrorAccess, after: str | None) -> MirroredPage:
    """Some objects, by id, that could not be mirrored before: each is read anew."""
    sweeps = {sweep_of(subject): subject for subject in READERS}
    sweeps[SUBSCRIPTIONS_DISCOUNTS] = EventSubject.SUBSCRIPTION
    async with access.database.reading() as session:
        failed = await setbacks.of_sweeps(session, sweeps, after or "", FAILED)

    async def again(one: Setback) -> None:
        read_at = utc_now()
        found = await read_object(access, sweeps[one.sweep], one.unit)
        if found is not None and found[1] is not None:
            await store_object(access, found[0], found[1], read_at)

    for sweep in sweeps:
        mirror_of = Alone(access.database, sweep, concerns_all)
        units = [one for one in failed if one.sweep == sweep]
        await mirror_of.each(units, again, lambda one: Unit(one.unit, one.organization_id))
    return MirroredPage(len(failed), failed[-1].unit if len(failed) == FAILED else None)


def concerns_all(error: Exception) -> bool:
    """As `concerns_everybody`, of errors that are translated already, too: of those only a refusal is about
    one object."""
    if isinstance(error, ApplicationError):
        return not error.non_retryable
    return concerns_everybody(error)

"""What Stripe tells us of: which events matter here, and which object each of them says to look at again.

An event carries a snapshot, may come twice, late and out of order: it only says where to look.
Types: Stripe, "Types of events".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime

from ..core.operations import Message

STRIPE_CHANGED = "stripe_changed"
"""The signal of the workflows that follow something in Stripe. Its name is here because whoever mirrors the
object notes it, with what is mirrored."""


class EventSubject(StrEnum):
    """The kind of object that an event is about."""

    CHARGE = "charge"
    CREDIT_NOTE = "credit_note"
    CUSTOMER = "customer"
    DISCOUNT = "discount"
    """Of a customer, whose id stands for it: a discount can't be read by its own."""
    DISPUTE = "dispute"
    INVOICE = "invoice"
    INVOICE_PAYMENT = "invoice_payment"
    PENDING_ITEM = "pending_item"
    """Of a customer, whose id stands for it."""
    PAYMENT = "payment_intent"
    REFUND = "refund"
    SCHEDULE = "subscription_schedule"
    SUBSCRIPTION = "subscription"


FOLLOWED: Mapping[str, EventSubject] = {
    "charge.dispute.closed": EventSubject.DISPUTE,
    "charge.dispute.created": EventSubject.DISPUTE,
    "charge.dispute.funds_reinstated": EventSubject.DISPUTE,
    "charge.dispute.funds_withdrawn": EventSubject.DISPUTE,
    "charge.dispute.updated": EventSubject.DISPUTE,
    "charge.refund.updated": EventSubject.REFUND,
    "charge.refunded": EventSubject.CHARGE,
    "credit_note.created": EventSubject.CREDIT_NOTE,
    "credit_note.updated": EventSubject.CREDIT_NOTE,
    "credit_note.voided": EventSubject.CREDIT_NOTE,
    "customer.created": EventSubject.CUSTOMER,
    "customer.deleted": EventSubject.CUSTOMER,
    "customer.discount.created": EventSubject.DISCOUNT,
    "customer.discount.updated": EventSubject.DISCOUNT,
    "customer.subscription.created": EventSubject.SUBSCRIPTION,
    "customer.subscription.deleted": EventSubject.SUBSCRIPTION,
    "customer.subscription.pending_update_applied": EventSubject.SUBSCRIPTION,
    "customer.subscription.pending_update_expired": EventSubject.SUBSCRIPTION,
    "customer.subscription.updated": EventSubject.SUBSCRIPTION,
    "customer.updated": EventSubject.CUSTOMER,
    "invoice.created": EventSubject.INVOICE,
    "invoice.deleted": EventSubject.INVOICE,
    "invoice.finalized": EventSubject.INVOICE,
    "invoice.marked_uncollectible": EventSubject.INVOICE,
    "invoice.overdue": EventSubject.INVOICE,
    "invoice.paid": EventSubject.INVOICE,
    "invoice.payment_action_required": EventSubject.INVOICE,
    "invoice.payment_failed": EventSubject.INVOICE,
    "invoice.sent": EventSubject.INVOICE,
    "invoice.updated": EventSubject.INVOICE,
    "invoice.voided": EventSubject.INVOICE,
    "invoice_payment.paid": EventSubject.INVOICE_PAYMENT,
    "invoiceitem.created": EventSubject.PENDING_ITEM,
    "invoiceitem.deleted": EventSubject.PENDING_ITEM,
    "payment_intent.payment_failed": EventSubject.PAYMENT,
    "payment_intent.succeeded": EventSubject.PAYMENT,
    "refund.created": EventSubject.REFUND,
    "refund.failed": EventSubject.REFUND,
    "refund.updated": EventSubject.REFUND,
    "subscription_schedule.aborted": EventSubject.SCHEDULE,
    "subscription_schedule.canceled": EventSubject.SCHEDULE,
    "subscription_schedule.completed": EventSubject.SCHEDULE,
    "subscription_schedule.created": EventSubject.SCHEDULE,
    "subscription_schedule.released": EventSubject.SCHEDULE,
    "subscription_schedule.updated": EventSubject.SCHEDULE,
}
"""Every event type that is acted upon; those of any other type are kept and ignored.

So are `test_helpers.test_clock.*`: whatever such a clock moves has events of its own.
"""


OWNER = "plixo_organization"
"""Metadata of a Stripe customer: the organization whose customer it is."""


def tells_of_newcomer(type_: str, previous: Any) -> bool:
    """Whether a customer was marked as an organization's who was there before: what there is of them was told
    of to nobody. `previous` is the event's `previous_attributes`."""
    if type_ != "customer.updated" or not isinstance(previous, Mapping) or "metadata" not in previous:
        return False
    metadata = previous["metadata"] or {}
    return isinstance(metadata, Mapping) and (not metadata or OWNER in metadata)


def object_of(type_: str, id_: str | None, customer: str | None) -> str | None:
    """The id to look at, of an event's object: of an invoice item or discount that of its customer, which
    never changes.

    An item that was deleted could not be asked any more whose it was.
    """
    return customer if FOLLOWED.get(type_) in _OF_CUSTOMERS else id_


_OF_CUSTOMERS = (EventSubject.PENDING_ITEM, EventSubject.DISCOUNT)


class StripeChanged(Message):
    """To a workflow that waits: Stripe has told of what it follows. `event` is the id of Stripe's event."""

    event: str


# --- Whether every event is known -------------------------------------------------------------------------

BUSY_FOR = QUIET = timedelta(minutes=15)
"""So long after something has happened, Stripe is asked for its events every minute; when nothing happens, no
more often than this: each time is a read, and Stripe counts those."""

FRESH = QUIET + timedelta(minutes=5)
"""How long after Stripe was last asked for its events they count as known."""

STUCK = timedelta(minutes=5)
"""After so long an event that has not been followed to its end may never wake anybody, unless those before it
are being followed."""

MAX_TRIES = 8
"""So often an event is tried whose own fault it is that it can't be followed; then it is set aside, some two
minutes after the first time, before anybody counts it as stuck."""


def next_try(tries: int) -> timedelta:
    """How long to wait after so many of those tries."""
    return timedelta(seconds=min(2 ** (tries - 1), 30))


def tried_again(tries: int) -> timedelta | None:
    """How long an event is set aside for: hours, then a day; after a week it is an operator's."""
    rounds = tries - MAX_TRIES
    return timedelta(hours=min(2.0**rounds, 24)) if 0 <= rounds < 10 else None


class EventsQuery(Message):
    """Whether every event is known and followed at `at`, by Temporal's clock: those of `objects`, or all."""

    at: AwareDatetime
    objects: tuple[str, ...] = ()


def is_due(checked_at: datetime | None, happened_at: datetime | None, at: datetime) -> bool:
    """Whether Stripe is to be asked for its events: where they were asked for long ago (`checked_at`; None:
    never), or something has happened lately (`happened_at`: here, or in Stripe as far as it has told). What
    was asked for later already is not."""
    if checked_at is None or at - checked_at >= QUIET:
        return True
    return checked_at <= at and happened_at is not None and at - happened_at <= BUSY_FOR


def all_known(
    checked_at: datetime | None, oldest_pending: datetime | None, moved_at: datetime | None, at: datetime
) -> bool:
    """Whether whoever waits for Stripe will be told: its events were asked for a short while ago
    (`checked_at`; None: never), and none that has arrived waits for long to be followed, unless it is only
    behind others and their number shrinks (`moved_at` is when it last did).
    """
    if checked_at is None or at - checked_at > FRESH:
        return False
    if oldest_pending is None or at - oldest_pending <= STUCK:
        return True
    return moved_at is not None and at - moved_at <= STUCK


class CatchUpPage(Message):
    """A page of all of Stripe's events, the newest first. The first page is asked for by `at` alone.

    `since` and `newest` are Stripe's seconds: where the check ends, and what it will have seen by then.
    `after` is the last event of the page before, `missed` counts what those before it had found.
    """

    at: AwareDatetime
    after: str | None = None
    since: int | None = None
    newest: int | None = None
    missed: int = 0


class CatchUpDone(Message):
    """`missed` events of the page were unknown; `next` is None where every event is known now."""

    missed: int
    next: CatchUpPage | None = None

"""What Stripe tells us of: which events matter here, and which object each of them says to look at again.

An event carries a snapshot, may come twice, late and out of order: it only says where to look.
Types: Stripe, "Types of events".
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from .operations import Message


class Subject(StrEnum):
    """The kind of object that an event is about."""

    CHARGE = "charge"
    CREDIT_NOTE = "credit_note"
    CUSTOMER = "customer"
    INVOICE = "invoice"
    PAYMENT = "payment_intent"
    REFUND = "refund"


FOLLOWED: Mapping[str, Subject] = {
    "charge.refund.updated": Subject.REFUND,
    "charge.refunded": Subject.CHARGE,
    "credit_note.created": Subject.CREDIT_NOTE,
    "credit_note.updated": Subject.CREDIT_NOTE,
    "credit_note.voided": Subject.CREDIT_NOTE,
    "customer.updated": Subject.CUSTOMER,
    "invoice.created": Subject.INVOICE,
    "invoice.finalized": Subject.INVOICE,
    "invoice.marked_uncollectible": Subject.INVOICE,
    "invoice.paid": Subject.INVOICE,
    "invoice.updated": Subject.INVOICE,
    "invoice.voided": Subject.INVOICE,
    "payment_intent.succeeded": Subject.PAYMENT,
    "refund.created": Subject.REFUND,
    "refund.failed": Subject.REFUND,
    "refund.updated": Subject.REFUND,
}
"""Every event type that is acted upon; those of any other type are kept and ignored."""


class StripeEventInput(Message):
    """An event that was stored: `object` is the Stripe id of what it is about."""

    event: str
    subject: Subject
    object: str


class EventFollowed(Message):
    """What was found: `waiting` are the workflows that the object's operations run in.

    `ignored`: Stripe has no such object (any more), or it belongs to no organization of ours.
    """

    state: Literal["done", "ignored"]
    waiting: tuple[str, ...] = ()


class StripeChanged(Message):
    """To a story that waits: Stripe has told of what it follows. `event` is Stripe's id of what it told."""

    event: str


class SettleEvent(Message):
    """The event has been followed to its end."""

    event: str
    state: Literal["done", "ignored"]

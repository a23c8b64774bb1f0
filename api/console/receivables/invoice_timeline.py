"""What happened to an invoice, of all that the API says of it: the newest first."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from babel.dates import format_date

from billing.core.operations import CUSTOMER

from ...customers.schemas import InvoiceDetailAnswer, PromiseAnswer
from ...money.schemas import PaymentWithRefunds
from ...portal_admin.schemas import PortalLinkAnswer
from ..frame.filters import standing
from ..frame.subjects import About

MOST = 30
LINKED: Mapping[str, str] = {
    "resent": "Portal link mailed",
    "reminder": "Portal link mailed with a reminder",
    "asked": "Portal link mailed, as the customer asked",
    "trouble": "Portal link mailed, for the last one did not work",
}
"""By why a link was issued; one to pass on is only issued."""


class InvoiceEvent(NamedTuple):
    """`by` is a person's id, where one did it; `operation` is where more is to be read, and `state` how that
    stands now."""

    at: datetime
    words: str
    by: str | None = None
    operation: str | None = None
    state: str | None = None


def timeline_of(invoice: InvoiceDetailAnswer, names: About) -> list[InvoiceEvent]:
    """At most `MOST` events."""
    earliest_first = sorted(_events(invoice, names), key=lambda event: event.at)
    return earliest_first[::-1][:MOST]


def _events(invoice: InvoiceDetailAnswer, names: About) -> Iterator[InvoiceEvent]:
    yield InvoiceEvent(invoice.created_at, "Created in Stripe")
    told = {one.id for one in invoice.operations}
    for payment in invoice.payments:
        yield from _paid(payment, told)
    for note in (one for one in invoice.credit_notes if one.operation not in told):
        words = f"Credit note {note.number} for {note.amount.format()}"
        yield InvoiceEvent(note.created_at, words, operation=note.operation)
    for link in invoice.portal_links:
        yield from _linked(link)
    if invoice.reminded_at:
        yield InvoiceEvent(invoice.reminded_at, "Last reminder sent")
    pause = invoice.reminders.pause
    if pause.paused_at:
        yield InvoiceEvent(pause.paused_at, "Reminders paused", pause.paused_by)
    for promise in invoice.promises:
        yield from _promised(promise)
    for one in invoice.operations:
        words = names.headline(one.kind, one.subject, one.request)
        yield InvoiceEvent(one.created_at, words, one.requested_by, one.id, standing(one))


def _promised(promise: PromiseAnswer) -> Iterator[InvoiceEvent]:
    day = format_date(promise.day, "MMM d, y", locale="en")
    said = f": “{promise.word}”" if promise.word else ""
    yield InvoiceEvent(promise.promised_at, f"Promised to pay by {day}{said}", CUSTOMER)
    if promise.settled_at and promise.state == "broken":
        yield InvoiceEvent(promise.settled_at, f"Not paid by {day}, as promised")


def _paid(payment: PaymentWithRefunds, told: Collection[str]) -> Iterator[InvoiceEvent]:
    """Without the refunds of operations that are told by themselves."""
    paid = "Paid" if payment.status == "succeeded" else f"Payment {payment.status.replace('_', ' ')}:"
    yield InvoiceEvent(payment.created_at, f"{paid} {payment.amount.format()}")
    for refund in (one for one in payment.refunds if one.operation not in told):
        words = f"Refund of {refund.amount.format()}, {refund.status.replace('_', ' ')}"
        yield InvoiceEvent(refund.created_at, words, operation=refund.operation)


def _linked(link: PortalLinkAnswer) -> Iterator[InvoiceEvent]:
    yield InvoiceEvent(link.created_at, LINKED.get(link.reason, "Portal link issued"), link.issued_by)
    if link.last_opened_at:
        times = "once" if link.opens == 1 else f"{link.opens} times"
        yield InvoiceEvent(link.last_opened_at, f"Opened by the customer, {times} by that link")
    if link.ended_at and link.state == "revoked":
        words = f"Portal link revoked: {link.end_note or 'no reason given'}"
        yield InvoiceEvent(link.ended_at, words, link.ended_by)

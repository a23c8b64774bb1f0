"""A customer who was in Stripe before they became an organization's.

The events of what was made until then were nobody's, so everything of the customer is read at once.
"""

from collections.abc import Sequence
from typing import Any

from billing.stripe.events import EventSubject
from db.core.clock import utc_now

from ..stripe.failures import ask
from .objects.customer import CustomerSnapshot
from .objects.discount import CustomerDiscountsSnapshot
from .objects.invoice import CREDIT_NOTE_PARTS, CreditNoteSnapshot, InvoiceSnapshot
from .objects.payment import PaymentSnapshot
from .objects.snapshot import Snapshot
from .pages import PAGE, MirrorAccess
from .readers import read_object, store_each

PAYMENT_PARTS = ["data.latest_charge.refunds"]


async def mirror_all(access: MirrorAccess, customer: str) -> None:
    """The customer's discounts, invoices, payments with their refunds and disputes, credit notes, and the
    customer with the changes of their balance. What can't be mirrored keeps nothing else out."""
    read_at = utc_now()
    found = await read_object(access, EventSubject.CUSTOMER, customer)
    billed, owner = found or (None, None)
    if owner is None or owner.subscriber:
        return  # nobody's again
    assert isinstance(billed, CustomerSnapshot)
    objects: dict[EventSubject, Sequence[tuple[str, Snapshot]]] = {}
    if not billed.customer.get("deleted"):
        objects = {
            EventSubject.DISCOUNT: [(customer, CustomerDiscountsSnapshot(billed.customer))],
            EventSubject.INVOICE: await ask(_invoices(access, billed)),
            EventSubject.PAYMENT: await ask(_payments(access, billed)),
            EventSubject.CREDIT_NOTE: await ask(_credit_notes(access, billed)),
        }
    objects[EventSubject.CUSTOMER] = [(customer, billed)]
    for subject, snapshots in objects.items():
        await store_each(access, subject, snapshots, owner, read_at)


async def _invoices(access: MirrorAccess, billed: CustomerSnapshot) -> list[tuple[str, Snapshot]]:
    page = await access.client.v1.invoices.list_async(_of(billed))
    found = [one.to_dict() async for one in page.auto_paging_iter()]
    return [(one["id"], InvoiceSnapshot(billed.customer, one)) for one in found]


async def _payments(access: MirrorAccess, billed: CustomerSnapshot) -> list[tuple[str, Snapshot]]:
    page = await access.client.v1.payment_intents.list_async(_of(billed) | {"expand": PAYMENT_PARTS})
    found = [one.to_dict() async for one in page.auto_paging_iter()]
    paid = [one for one in found if one["status"] == "succeeded"]
    return [(one["id"], PaymentSnapshot.of_parts(billed.customer, one)) for one in paid]


async def _credit_notes(access: MirrorAccess, billed: CustomerSnapshot) -> list[tuple[str, Snapshot]]:
    parts = [f"data.{part}" for part in CREDIT_NOTE_PARTS]
    page = await access.client.v1.credit_notes.list_async(_of(billed) | {"expand": parts})
    return [(one.id, CreditNoteSnapshot.of(one)) async for one in page.auto_paging_iter()]


def _of(billed: CustomerSnapshot) -> Any:
    return {"customer": billed.customer["id"], "limit": PAGE}

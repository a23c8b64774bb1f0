"""How the object of an event is read: one entry for each kind of object that `FOLLOWED` names."""

from collections.abc import Awaitable, Callable, Mapping

import stripe

from billing.stripe.events import Subject

from .credit_note import CreditNoteSnapshot
from .customer import CustomerSnapshot
from .invoice import InvoiceSnapshot
from .invoice_payment import InvoicePaymentSnapshot
from .payment import PaymentSnapshot
from .snapshot import Snapshot
from .subscription import SubscriptionSnapshot

READERS: Mapping[Subject, Callable[[stripe.StripeClient, str], Awaitable[Snapshot | None]]] = {
    Subject.CHARGE: PaymentSnapshot.read_charge,
    Subject.CREDIT_NOTE: CreditNoteSnapshot.read,
    Subject.CUSTOMER: CustomerSnapshot.read,
    Subject.INVOICE: InvoiceSnapshot.read,
    Subject.INVOICE_PAYMENT: InvoicePaymentSnapshot.read,
    Subject.PAYMENT: PaymentSnapshot.read,
    Subject.REFUND: PaymentSnapshot.read_refund,
    Subject.SCHEDULE: SubscriptionSnapshot.read_schedule,
    Subject.SUBSCRIPTION: SubscriptionSnapshot.read,
}
"""Each gives None for what nothing of ours can be about."""

"""Every kind of effect. A new one is a class, and a row here."""

from collections.abc import Mapping

from billing.stripe.effects import EffectKind

from .cancellations import CancelAtPeriodEnd, CancelNow, KeepSubscription
from .credits import BalanceCreate, CreditNoteCreate, NotedCreditNote, NotedCustomer, NotedTransaction
from .invoices import BillVoid, InvoiceVoid, InvoiceWriteOff, NotedInvoice
from .money import AddNotes
from .protocol import StripeEffect
from .refunds import NotedCharge, NotedRefund, RefundCancel, RefundCreate
from .subscriptions import (
    NotedSubscription,
    ScheduleCreate,
    ScheduleRelease,
    ScheduleUpdate,
    SubscriptionUpdate,
)

EFFECTS: Mapping[EffectKind, StripeEffect] = {
    "subscription.update": SubscriptionUpdate(),
    "subscription.note": AddNotes(NotedSubscription()),
    "subscription.cancel": CancelNow(),
    "subscription.cancel_at_period_end": CancelAtPeriodEnd(),
    "subscription.keep": KeepSubscription(),
    "schedule.create": ScheduleCreate(),
    "schedule.update": ScheduleUpdate(),
    "schedule.release": ScheduleRelease(),
    "refund.create": RefundCreate(),
    "refund.cancel": RefundCancel(),
    "refund.note": AddNotes(NotedRefund()),
    "credit_note.create": CreditNoteCreate(),
    "credit_note.note": AddNotes(NotedCreditNote()),
    "balance.create": BalanceCreate(),
    "balance.note": AddNotes(NotedTransaction()),
    "invoice.void": InvoiceVoid(),
    "invoice.mark_uncollectible": InvoiceWriteOff(),
    "invoice.note": AddNotes(NotedInvoice()),
    "customer.note": AddNotes(NotedCustomer()),
    "charge.note": AddNotes(NotedCharge()),
    "bill.void": BillVoid(),
}

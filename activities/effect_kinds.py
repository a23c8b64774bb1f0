"""Every kind of effect. A new one is a class, and a row here."""

from collections.abc import Mapping

from billing.effects import EffectKind

from .credit_effects import BalanceCreate, CreditNoteCreate, NotedCreditNote, NotedTransaction
from .money_effects import AddNotes
from .refund_effects import NotedRefund, RefundCancel, RefundCreate
from .stripe_effects import StripeEffect
from .subscription_effects import (
    NotedSubscription,
    ScheduleCreate,
    ScheduleRelease,
    ScheduleUpdate,
    SubscriptionUpdate,
)

EFFECTS: Mapping[EffectKind, StripeEffect] = {
    "subscription.update": SubscriptionUpdate(),
    "subscription.note": AddNotes(NotedSubscription()),
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
}

"""Cases: what gives money away or changes the plan and was done in Stripe itself. What passes, and words.

A case owes a note. Its money counts in the customer's windows of authority from the moment it is noticed,
and in those of whoever made it as soon as somebody says who that was.
"""

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from ..core.money import Money
from ..core.notices import NoticeKind
from ..core.operations import Kind, Message, Payload, Problem
from ..money.credit import Instrument
from ..plan_changes.subject import Terms
from ..policy.policy import Policy
from ..stripe.effects import EffectKind

CASE = "CaseWorkflow"
"""The name of a case's workflow: it is started by whoever writes the mirror."""


class CaseObject(StrEnum):
    """What was made in Stripe, by its kind there."""

    REFUND = "refund"
    CREDIT_NOTE = "credit_note"
    BALANCE_TRANSACTION = "balance_transaction"
    VOID = "void"
    """An invoice that was voided; what a write-off of it before gave is the write-off's."""
    WRITE_OFF = "write_off"
    """An invoice that was marked uncollectible."""
    INVOICE_ITEM = "invoice_item"
    """A negative line of a final invoice that somebody added by hand."""
    DISCOUNT = "discount"
    """A coupon or promotion code that was redeemed for a customer, a subscription, an item or an invoice."""
    DISPUTE = "dispute"
    """A payment that the customer's bank has taken back for good."""
    SUBSCRIPTION = "subscription"
    CANCELLATION = "cancellation"
    """The organization's own subscription, set to end."""


DiscountPlace = Literal["customer", "subscription", "item", "invoice"]
"""What a discount was redeemed for."""


class CaseFound(Message):
    """What was found in Stripe: the request of a case's operation. Nothing in it changes afterwards."""

    object_kind: CaseObject
    object: str
    """Stripe's id."""
    made_at: AwareDatetime | None = None
    """By Stripe's clock; None where Stripe does not say."""
    customer: str | None = None
    amount: Money | None = None
    """What it gave; of a credit note without what the refunds that it names gave."""
    payment_intent: str | None = None
    invoice: str | None = None
    reason: str | None = None
    """Stripe's."""
    from_: Terms | None = Field(default=None, alias="from")
    to: Terms | None = None
    status: str | None = None
    """Of a subscription."""
    coupon: str | None = None
    """Of a discount: what its coupon takes off, in words."""
    given_on: DiscountPlace | None = None
    """What a discount was redeemed for."""
    bearer: str | None = None
    """Stripe's id of what bears the note, where `object` takes none."""
    ends_at: AwareDatetime | None = None
    """When a subscription is to end."""

    @property
    def cancelled(self) -> bool:
        """Whether a subscription was ended."""
        return self.status == CANCELED

    @property
    def note_target(self) -> str:
        """What the effect that writes its note names."""
        if self.object_kind is CaseObject.BALANCE_TRANSACTION:
            return f"{self.customer}/{self.object}"
        return self.bearer or self.object

    @property
    def note_effect(self) -> EffectKind:
        """The effect that writes its note."""
        if self.given_on is not None:
            return _NOTES_OF_DISCOUNTS[self.given_on]
        return _NOTE_EFFECTS[self.object_kind]

    @property
    def payments(self) -> tuple[str, ...]:
        """The Stripe payments that its note must name."""
        return (self.payment_intent,) if self.payment_intent else ()


CANCELED = "canceled"
GONE = frozenset({"failed", CANCELED, "void"})
"""Statuses of refunds and credit notes that gave nothing."""

_NOTE_EFFECTS: dict[CaseObject, EffectKind] = {
    CaseObject.REFUND: "refund.note",
    CaseObject.CREDIT_NOTE: "credit_note.note",
    CaseObject.BALANCE_TRANSACTION: "balance.note",
    CaseObject.VOID: "invoice.note",
    CaseObject.WRITE_OFF: "invoice.note",
    CaseObject.INVOICE_ITEM: "invoice.note",
    CaseObject.DISPUTE: "charge.note",
    CaseObject.SUBSCRIPTION: "subscription.note",
    CaseObject.CANCELLATION: "subscription.note",
}
_NOTES_OF_DISCOUNTS: dict[DiscountPlace, EffectKind] = {
    "customer": "customer.note",
    "subscription": "subscription.note",
    "item": "subscription.note",
    "invoice": "invoice.note",
}
NOTICES = {
    CaseObject.REFUND: NoticeKind.REFUND_MADE_IN_STRIPE,
    CaseObject.CREDIT_NOTE: NoticeKind.CREDIT_MADE_IN_STRIPE,
    CaseObject.BALANCE_TRANSACTION: NoticeKind.CREDIT_MADE_IN_STRIPE,
    CaseObject.VOID: NoticeKind.VOID_MADE_IN_STRIPE,
    CaseObject.WRITE_OFF: NoticeKind.WRITE_OFF_MADE_IN_STRIPE,
    CaseObject.INVOICE_ITEM: NoticeKind.CREDIT_MADE_IN_STRIPE,
    CaseObject.DISCOUNT: NoticeKind.DISCOUNT_MADE_IN_STRIPE,
    CaseObject.DISPUTE: NoticeKind.DISPUTE_LOST,
    CaseObject.SUBSCRIPTION: NoticeKind.PLAN_CHANGED_IN_STRIPE,
    CaseObject.CANCELLATION: NoticeKind.PLAN_CHANGED_IN_STRIPE,
}
MAKES: dict[CaseObject, EffectKind] = {
    CaseObject.REFUND: "refund.create",
    CaseObject.CREDIT_NOTE: "credit_note.create",
    CaseObject.BALANCE_TRANSACTION: "balance.create",
}
"""The effect of ours that makes such an object."""
ENDS: dict[CaseObject, EffectKind] = {
    CaseObject.VOID: "invoice.void",
    CaseObject.WRITE_OFF: "invoice.mark_uncollectible",
}
"""The effect of ours that ends an invoice so."""
COUNTS_AS = {
    CaseObject.REFUND: Kind.REFUND,
    CaseObject.CREDIT_NOTE: Kind.CREDIT,
    CaseObject.BALANCE_TRANSACTION: Kind.CREDIT,
    CaseObject.VOID: Kind.VOID,
    CaseObject.WRITE_OFF: Kind.WRITE_OFF,
    CaseObject.INVOICE_ITEM: Kind.CREDIT,
    CaseObject.DISCOUNT: Kind.CREDIT,
    CaseObject.DISPUTE: Kind.REFUND,
}
"""The kind of operation whose authority covers it; none for what gives no money."""

NOUNS = {
    CaseObject.REFUND: "refund",
    CaseObject.CREDIT_NOTE: "credit",
    CaseObject.BALANCE_TRANSACTION: "credit",
    CaseObject.VOID: "void",
    CaseObject.WRITE_OFF: "write-off",
    CaseObject.INVOICE_ITEM: "negative invoice item",
    CaseObject.DISCOUNT: "coupon",
    CaseObject.DISPUTE: "lost dispute",
    CaseObject.SUBSCRIPTION: "plan change",
    CaseObject.CANCELLATION: "planned cancellation",
}
"""What people call it, within a sentence."""


class CaseSubject(CaseFound, Payload):
    """What a case is about, as people and mails are told."""

    about: Literal["case"] = "case"
    instrument: Instrument | None = None
    """Of a credit."""

    @property
    def is_money(self) -> bool:
        """Whether money was given away, rather than a subscription changed or set to end."""
        return self.object_kind in COUNTS_AS

    @property
    def terms(self) -> tuple[Terms, Terms] | None:
        """Before and after, of a subscription that has other terms now."""
        return (self.from_, self.to) if self.from_ is not None and self.to is not None else None

    def document(self) -> dict[str, Any]:
        """Without what Stripe does not say."""
        return self.model_dump(mode="json", exclude={"about"}, exclude_none=True)


def case_subject(found: CaseFound) -> CaseSubject:
    """What a case is about, as far as its object says."""
    instrument: Instrument | None = None
    if found.object_kind is CaseObject.CREDIT_NOTE:
        instrument = "credit_note"
    elif found.object_kind is CaseObject.BALANCE_TRANSACTION:
        instrument = "balance"
    return CaseSubject(**dict(found), instrument=instrument)


MAKER_TO_CONFIRM, CLOSING = "maker_to_confirm", "closing"
"""The stages of a case that somebody has closed: before and after the word of whoever made it."""


class CaseMaker(Payload):
    """Who was said to have made it in Stripe, by whom: their word is waited for, or there, or they denied."""

    about: Literal["case_maker"] = "case_maker"
    named: str | None
    """None where whoever was named has denied it."""
    named_by: str
    note: str | None = None
    denied_by: str | None = None

    def document(self) -> dict[str, Any]:
        """With the note of a close that waits, or with who has denied it."""
        said = super().document()
        return {name: said[name] for name in ("named", "named_by", "note" if self.named else "denied_by")}


class CaseResult(Payload):
    """How a case ended: with its note, and counted in the authority of whoever made it."""

    about: Literal["case"] = "case"
    object: str
    note: str
    noted_in_stripe: bool
    done_by: str
    beyond_authority: bool | None
    """None for a plan change, which is not counted, as with `counted`."""
    why_beyond: str | None
    counted: bool | None
    in_time: bool
    problem: Problem | None
    """Why Stripe did not take the note."""
    told_the_maker_alone: bool
    """Whether of Finance only whoever made it has acknowledged the notice about it."""


class CloseCase(Message):
    """The note, and who made it in Stripe."""

    person: str
    note: str
    done_by: str


class CaseSoFar(Message):
    """What has been said of a case, by its records."""

    reminders: int = 0
    escalated: bool = False
    next_at: AwareDatetime
    """When something is said again."""
    named: CloseCase | None = None
    """The close that waits for the word of whoever is said to have made it."""
    closing: CloseCase | None = None
    """The close that an earlier execution has begun."""


class CaseInput(Message):
    """One case, from the moment it is noticed until its note is there."""

    organization: str
    operation: str
    found: CaseFound
    policy: Policy
    noticed_at: AwareDatetime
    deadline: AwareDatetime
    so_far: CaseSoFar | None = None
    """Where an earlier execution of it was."""


class TakeCase(Message):
    """Somebody becomes its owner."""

    person: str


class ConfirmCase(Message):
    """What whoever is said to have made it in Stripe says to that."""

    person: str
    made: bool
    comment: str | None = None


class NameMaker(Message):
    """Somebody closes a case and says that a colleague made it: it waits for that one's word."""

    operation: str
    close: CloseCase
    at: AwareDatetime


class DenyMaking(Message):
    """They did not make it: the case owes its note, and a maker, as before."""

    operation: str
    confirm: ConfirmCase
    named_by: str
    at: AwareDatetime


class CaseStep(Message):
    """A case is opened, or a reminder of it is due."""

    operation: str
    number: int = 0
    """Counts the reminders."""
    at: AwareDatetime
    escalate: bool = False
    """Whether the controller hears of it now."""


class OwnCase(Message):
    operation: str
    person: str
    at: AwareDatetime


class CountCase(Message):
    """Count the case in the authority of whoever made it in Stripe, as of when it was noticed."""

    operation: str
    person: str
    at: AwareDatetime


class CaseCounted(Message):
    """Whether that was beyond their authority, and why; `released` where it came to nothing."""

    beyond: bool
    why: str = ""
    released: bool = False


class EndCase(Message):
    operation: str
    close: CloseCase
    counted: CaseCounted | None
    """None for a plan change."""
    noted_in_stripe: bool
    problem: Problem | None = None
    """Why Stripe did not take the note."""
    reminders: int
    """How often somebody was reminded of it."""
    at: AwareDatetime


Action = Literal["take", "close", "confirm"]
ACTIONS: tuple[Action, ...] = ("take", "close")

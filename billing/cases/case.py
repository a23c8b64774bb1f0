"""Cases: refunds, credits and plan changes that were made in Stripe itself. What passes, and their words.

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
    SUBSCRIPTION = "subscription"


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

    @property
    def cancelled(self) -> bool:
        """Whether a subscription was ended."""
        return self.status == CANCELED

    @property
    def note_target(self) -> str:
        """What the effect that writes its note names."""
        if self.object_kind is CaseObject.BALANCE_TRANSACTION:
            return f"{self.customer}/{self.object}"
        return self.object

    @property
    def payments(self) -> tuple[str, ...]:
        """The Stripe payments that its note must name."""
        return (self.payment_intent,) if self.payment_intent else ()


CANCELED = "canceled"
GONE = frozenset({"failed", CANCELED, "void"})
"""Statuses of refunds and credit notes that gave nothing."""

NOTE_EFFECTS: dict[CaseObject, EffectKind] = {
    CaseObject.REFUND: "refund.note",
    CaseObject.CREDIT_NOTE: "credit_note.note",
    CaseObject.BALANCE_TRANSACTION: "balance.note",
    CaseObject.SUBSCRIPTION: "subscription.note",
}
NOTICES = {
    CaseObject.REFUND: NoticeKind.REFUND_MADE_IN_STRIPE,
    CaseObject.CREDIT_NOTE: NoticeKind.CREDIT_MADE_IN_STRIPE,
    CaseObject.BALANCE_TRANSACTION: NoticeKind.CREDIT_MADE_IN_STRIPE,
    CaseObject.SUBSCRIPTION: NoticeKind.PLAN_CHANGED_IN_STRIPE,
}
MAKES: dict[CaseObject, EffectKind] = {
    CaseObject.REFUND: "refund.create",
    CaseObject.CREDIT_NOTE: "credit_note.create",
    CaseObject.BALANCE_TRANSACTION: "balance.create",
}
"""The effect of ours that makes such an object."""
COUNTS_AS = {
    CaseObject.REFUND: Kind.REFUND,
    CaseObject.CREDIT_NOTE: Kind.CREDIT,
    CaseObject.BALANCE_TRANSACTION: Kind.CREDIT,
}
"""The kind of operation that would have made it, and in whose authority it counts; none for a plan change."""


class CaseSubject(CaseFound, Payload):
    """What a case is about, as people and mails are told."""

    about: Literal["case"] = "case"
    instrument: Instrument | None = None
    """Of a credit."""

    @property
    def is_money(self) -> bool:
        """Whether a customer has got money, rather than a subscription another plan."""
        return self.object_kind is not CaseObject.SUBSCRIPTION

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


class CaseMaker(Payload):
    """Who was said to have made it in Stripe, by whom: their word is waited for, or they have denied it."""

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
    """What has been said of a case."""

    reminders: int = 0
    escalated: bool = False
    next_at: AwareDatetime
    """When something is said again."""
    named: CloseCase | None = None
    """The close that waits for the word of whoever is said to have made it."""


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


class CaseStands(Message):
    """Who owns a case, and when something is said next."""

    owner: str | None
    next_at: AwareDatetime


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
    at: AwareDatetime


Action = Literal["take", "close", "confirm"]
ACTIONS: tuple[Action, ...] = ("take", "close")

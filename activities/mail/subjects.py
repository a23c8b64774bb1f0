"""What a mail is about: a plan change, a refund, a credit or a customer who can't get at an invoice."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, Discriminator, Field, Tag

from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.limits import LimitCheck, excesses
from billing.plan_changes.proration import Preview
from billing.plan_changes.subject import Effective, Invoicing, Terms
from billing.portal.diagnosis import Action

from .filters import brief
from .results import Credited, OneLine, Outcome, Refunded, Shown


class Change(Shown):
    """A plan change with its figures."""

    noun: ClassVar[str] = "plan change"

    from_: Terms = Field(alias="from")
    to: Terms
    effective: Effective = "now"
    invoicing: Invoicing = "immediately"
    proration_date: int | None = None
    period_start: int | None = None
    period_end: int | None = None
    status: OneLine | None = None
    """Of the subscription, where it was changed in Stripe itself."""
    preview: Preview | None = None
    limits: tuple[LimitCheck, ...] = ()
    result: Outcome | None = None

    def title(self, plans: Mapping[str, str]) -> str:
        """The change in a few words and what it costs, for a subject line; `plans` are their names."""
        before, after = self.from_, self.to
        if before.plan != after.plan:
            words = " to ".join(brief(plans.get(one.plan) or one.plan.title()) for one in (before, after))
        elif before.seats != after.seats:
            words = f"{before.seats} to {after.seats} seats"
        elif before.interval != after.interval:
            words = f"{before.interval}ly to {after.interval}ly billing"
        else:
            words = brief(plans.get(after.plan) or after.plan.title())
        return f"{words} ({self.cost})" if self.cost else words

    @property
    def cost(self) -> str | None:
        """What it costs, in a few words; nothing where no preview says."""
        if self.preview is None or self.next_invoice is None:
            return None
        if self.preview.due_now.amount_minor:
            return f"{self.preview.due_now.format()} due now"
        if self.charged_at_once and self.credit:
            return f"{self.credit.format()} credit"
        if self.next_invoice.amount_minor < 0:
            return f"{(-self.next_invoice).format()} credit on the next invoice"
        return f"{self.next_invoice.format()} on the next invoice"

    @property
    def charged_at_once(self) -> bool:
        """As `billing.plan_change.Subject` has it: a new interval now begins a new period now."""
        new_interval = self.to.interval != self.from_.interval
        return self.effective == "now" and (self.invoicing == "immediately" or new_interval)

    @property
    def currency(self) -> str | None:
        return self.preview.currency if self.preview else None

    @property
    def next_invoice(self) -> Money | None:
        if self.preview is None:
            return None
        following = self.preview.next_invoice
        return Money(amount_minor=following.amount_minor, currency=following.currency)

    @property
    def credit(self) -> Money | None:
        """What an invoice below zero leaves on the balance, as a positive amount."""
        if self.preview is None or self.preview.total >= 0:
            return None
        return Money(amount_minor=-self.preview.total, currency=self.preview.currency)

    @property
    def excesses(self) -> tuple[str, ...]:
        """A sentence for each limit that the new plan would not keep."""
        return excesses(self.limits, self.to.plan, self.currency) if self.currency else ()


class _MoneyBack(Shown):
    """What refunds and credits have in common."""

    noun: ClassVar[str]

    customer: OneLine | None = None
    invoice: OneLine | None = None
    amount: Money | None = None
    reason: OneLine | None = None
    note: str | None = None

    def title(self, customer: str | None, number: str | None) -> str:
        """What is given to whom, for a subject line; by name and number, where they are known."""
        amount = f" of {self.amount.format()}" if self.amount else ""
        whom = f" to {brief(customer)}" if customer else ""
        return f"{self.noun}{amount}{whom}{f' for invoice {brief(number)}' if number else ''}"


class RefundOf(Shown):
    """What is returned of one payment, in minor units of the refund's currency."""

    payment_intent: OneLine
    amount: int


class Refund(_MoneyBack):
    """A refund; a notice's also says what became of it."""

    noun: ClassVar[str] = "refund"

    payment_intent: OneLine | None = None
    parts: tuple[RefundOf, ...] = ()
    paid: Money | None = None
    refunded_before: Money | None = None
    result: Refunded | None = None
    problem: Problem | None = None
    after_success: bool = False

    @property
    def payment(self) -> str | None:
        """The payment, where it is only one."""
        return self.parts[0].payment_intent if len(self.parts) == 1 else self.payment_intent


class Credit(_MoneyBack):
    noun: ClassVar[str] = "credit"

    instrument: OneLine | None = None
    invoice_number: OneLine | None = None
    reduces_due: Money | None = None
    to_balance: Money | None = None
    result: Credited | None = None


class Solved(Shown):
    """How a trouble ended."""

    how: OneLine
    within_same_business_day: bool = True


class Trouble(Shown):
    """A customer who can't get at an invoice: why, and what mends it."""

    noun: ClassVar[str] = "trouble with the portal"

    invoice: OneLine
    cause: OneLine
    invoice_number: OneLine | None = None
    customer: OneLine | None = None
    description: str | None = None
    noticed_at: AwareDatetime | None = None
    since: AwareDatetime | None = None
    words: OneLine | None = None
    action: Action | None = None
    new_link: bool = False
    """Whether a new link by mail mends it, which then was sent."""
    solved: Solved | None = None

    def title(self, customer: str | None, number: str | None) -> str:
        """Which invoice of whom, for a subject line; by name and number, where they are known."""
        named = f"invoice {brief(number)}" if number else "an invoice"
        return f"{named} of {brief(customer)}" if customer else named


def _shape(value: Any) -> str | None:
    """Not by a kind that is told beside it: a notice's is its own, and mails in flight have none."""
    if isinstance(value, BaseModel):
        return type(value).__name__
    keys = set(value) if isinstance(value, dict) else set()
    if keys & {"from", "from_"}:
        return Change.__name__
    if {"cause", "found"} <= keys:
        return Trouble.__name__
    if keys & {"instrument", "reduces_due", "to_balance", "invoice_number"}:
        return Credit.__name__
    return Refund.__name__ if keys & {"parts", "payment_intent", "paid", "refunded_before"} else None


Subject = Annotated[
    Annotated[Change, Tag(Change.__name__)]
    | Annotated[Refund, Tag(Refund.__name__)]
    | Annotated[Credit, Tag(Credit.__name__)]
    | Annotated[Trouble, Tag(Trouble.__name__)],
    Discriminator(_shape),
]
"""Told apart by what it holds."""

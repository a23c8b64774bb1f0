"""What a mail's context holds, as the stories give it.

Any part may be missing, and unknown parts are ignored: a mail is better short than not sent.
"""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from billing.limits import LimitCheck, excesses
from billing.money import Money
from billing.operations import Problem, State
from billing.plan_change import Effective, Invoicing, Terms
from billing.proration import Difference, Line, Preview


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


class Outcome(_Shown):
    """What Stripe holds after a change, or what is scheduled (UTC seconds)."""

    invoice: str | None = None
    invoice_status: str | None = None
    total: Money | None = None
    lines: tuple[Line, ...] = ()
    differences: tuple[Difference, ...] = ()
    effective_at: int | None = None
    accepted_by: str | None = None
    reverted_by: str | None = None
    comment: str | None = None


class Change(_Shown):
    """The subject of a review or notice: a plan change with its figures."""

    from_: Terms = Field(alias="from")
    to: Terms
    effective: Effective = "now"
    invoicing: Invoicing = "immediately"
    proration_date: int | None = None
    period_start: int | None = None
    period_end: int | None = None
    preview: Preview | None = None
    limits: tuple[LimitCheck, ...] = ()
    result: Outcome | None = None

    @property
    def title(self) -> str:
        """The change in a few words, for a subject line."""
        before, after = self.from_, self.to
        if before.plan != after.plan:
            return f"{before.plan} to {after.plan}"
        if before.seats != after.seats:
            return f"{before.seats} to {after.seats} seats"
        if before.interval != after.interval:
            return f"{before.interval}ly to {after.interval}ly"
        return after.plan

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


class Facts(_Shown):
    """Everything that a template can say; None where the story did not tell."""

    approval: str | None = None
    subject: Change | None = None
    subject_hash: str | None = None
    reason: str | None = None
    requested_by: str | None = None
    deadline: AwareDatetime | None = None
    comment: str | None = None
    person: str | None = None
    """Who decided or commented."""
    state: State | None = None
    result: Outcome | None = None
    problem: Problem | None = None
    notice: str | None = None
    kind: str | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of the people who are named."""
        outcome = self.result
        named = (self.requested_by, self.person) + (
            (outcome.accepted_by, outcome.reverted_by) if outcome else ()
        )
        return tuple(dict.fromkeys(person for person in named if person))

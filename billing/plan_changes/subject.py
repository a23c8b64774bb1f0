"""The plan change: what is asked for, what is reviewed, what Stripe then holds."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from ..core.hashing import digest
from ..core.money import Money
from ..core.operations import Message, Payload
from ..policy.policy import Policy
from ..stripe.invoice_amounts import InvoiceAmounts, bound
from .items.add_ons import AddOnQuantity
from .items.others import ItemChange, ItemFacts, OtherItem, in_words, item_changes
from .limits import LimitCheck, excesses
from .obstacles import PlannedEnd, SubscriptionState
from .plans import Interval
from .proration import (
    Line,
    NextInvoice,
    Period,
    Preview,
    begins_new_period,
    comparable,
    lines_hash,
    missing_from,
    waiting,
    waiting_on_both,
)

Effective = Literal["now", "period_end"]
Invoicing = Literal["immediately", "next_invoice"]
Collected = Literal["charged", "debited", "sent"]
"""How invoices are collected: at once, by a bank debit that takes days, or as the customer pays them."""


class PlanChangeRequest(Message):
    """The change as the admin asks for it. `seats` and `interval` of None keep what is, and so do add-ons
    that it doesn't name."""

    plan: str
    seats: int | None = None
    interval: Interval | None = None
    add_ons: tuple[AddOnQuantity, ...] = ()
    effective: Effective = "now"
    invoicing: Invoicing = "immediately"
    take_back_end: bool = False
    """Whether a planned end of the subscription is taken back with it."""
    reason: str


class Terms(Message):
    """What an organization is subscribed to, before or after."""

    plan: str
    price: str
    seats: int
    interval: Interval
    others: tuple[OtherItem, ...] = ()
    """The items beside the plan's, in the order of `in_order`."""

    @property
    def beside(self) -> str:
        """What there is beside the plan, in words."""
        return in_words(self.others)

    @property
    def metered(self) -> frozenset[str]:
        """The prices of what is billed by its usage."""
        return frozenset(one.price for one in self.others if one.quantity is None)

    @property
    def prices(self) -> frozenset[str]:
        """All that a full period is billed at."""
        return frozenset({self.price, *(one.price for one in self.others)})


class WaitingChange(Message):
    """An approved plan change of ours that waits in its schedule until `effective_at` (UTC seconds)."""

    operation: str
    schedule: str
    to: Terms
    effective_at: int


class SubscriptionQuery(Message):
    """Whose subscription to read."""

    organization: str
    subscription: str
    mirror: bool = False
    """Whether our mirror is to be refreshed with it: where it may have changed without us."""


class SubscriptionFacts(SubscriptionState):
    """What Stripe says of the subscription now; times in UTC seconds, the period is the item's."""

    subscription: str
    customer: str
    item: str
    terms: Terms
    currency: str
    period_start: int
    period_end: int
    unit_amount: int | None = None
    """What a seat costs by the interval, in minor units."""
    others: tuple[ItemFacts, ...] = ()
    """What it has beside the plan."""
    billing_mode: str = "flexible"
    ahead: dict[str, Any] = Field(default_factory=dict)
    """What it would have in a phase from the end of its period, in Stripe's parameters."""
    keeps: dict[str, Any] = Field(default_factory=dict)
    """The same, its discounts by their own ids."""
    uncarried: tuple[str, ...] = ()
    """What a schedule would take away from it, by the names of the fields."""
    once: tuple[str, ...] = ()
    """The coupons of its discounts that hold for a single invoice."""
    collected: Collected = "charged"
    latest_invoice: str | None = None
    spread: tuple[str, ...] = ()
    """The coupons that take an amount off whole invoices."""

    @property
    def amounts(self) -> dict[str, int | None]:
        """What one of each item costs by the interval, in minor units, by the prices' ids."""
        return {self.terms.price: self.unit_amount, **{one.price: one.unit_amount for one in self.others}}


class PreviewQuery(Message):
    """What to preview. `proration_date` of None lets Stripe choose the second, which is then pinned."""

    facts: SubscriptionFacts
    to: Terms
    effective: Effective
    invoicing: Invoicing
    proration_date: int | None = None
    new_cycle: bool = False
    """Whether Stripe has shown that the change begins a new billing cycle, which nobody asked it for."""
    replaces: WaitingChange | None = None
    phases: tuple[dict[str, Any], ...] = ()
    """To which the schedule of the change that it replaces is to be rewritten."""
    taken_back: tuple[ItemChange, ...] = ()
    """What the change did to items that this one is to take back."""
    end: PlannedEnd | None = None
    """The planned end that is taken back with it."""

    @property
    def from_(self) -> Terms:
        return self.facts.terms

    @property
    def changes(self) -> tuple[ItemChange, ...]:
        """What becomes of the items beside the plan's, as far as it isn't what they are."""
        return item_changes(self.facts.others, self.to.others, self.taken_back)

    @property
    def renews_anew(self) -> bool:
        """Whether the change begins a new billing cycle at the end of the period."""
        moves = self.new_cycle or self.to.interval != self.facts.terms.interval
        return self.effective == "period_end" and moves

    @property
    def unchanged(self) -> "PreviewQuery":
        """The same of the subscription as it is."""
        return self.model_copy(update={"to": self.facts.terms})

    def begins_new_period(self, lines: tuple[Line, ...]) -> bool:
        """Whether a new period begins now: as we ask for it, or unasked, by the lines of the preview."""
        current = Period(start=self.facts.period_start, end=self.facts.period_end)
        return self.resets_anchor or begins_new_period(lines, current, self.to.price)

    @property
    def resets_anchor(self) -> bool:
        """An interval change now starts a new period now, in both billing modes alike."""
        return self.effective == "now" and self.to.interval != self.facts.terms.interval

    @property
    def charged_at_once(self) -> bool:
        """Whether the change itself makes an invoice, as far as it can be told before the preview."""
        return self.effective == "now" and (self.invoicing == "immediately" or self.resets_anchor)


class PreviewFacts(Message):
    """Stripe's preview of the invoice that the change leads to."""

    lines: tuple[Line, ...]
    line_totals: tuple[int, ...]
    """What each of them comes to, after discounts and with the taxes on top of it."""
    amounts: InvoiceAmounts
    date: int | None
    proration_date: int | None


class PlanChangeSubject(Payload):
    """Exactly what is reviewed: its hash is what an approval binds to."""

    about: Literal["plan_change"] = "plan_change"
    from_: Terms = Field(alias="from")
    to: Terms
    effective: Effective
    invoicing: Invoicing
    proration_date: int | None
    period_start: int
    period_end: int
    customer: str
    subscription: str
    subscription_item: str
    changes: tuple[ItemChange, ...] = ()
    """What becomes of the items beside the plan's; any other stays as it is."""
    preview: Preview
    limits: tuple[LimitCheck, ...]
    keeps: dict[str, Any] = Field(default_factory=dict)
    """What the subscription is to have still when a change at period end comes, in a phase's parameters."""
    replaces: WaitingChange | None = None
    """The change that waits until now, and whose schedule is rewritten to this one."""
    takes_back: PlannedEnd | None = None
    """The end of the subscription that was planned, and is taken back with the change."""

    @property
    def within_limits(self) -> bool:
        return all(check.ok for check in self.limits)

    @property
    def resets_anchor(self) -> bool:
        return self.effective == "now" and self.to.interval != self.from_.interval

    @property
    def begins_new_period(self) -> bool:
        """Whether a new period begins with the change: because we ask for it, or because Stripe does so."""
        current = Period(start=self.period_start, end=self.period_end)
        return self.resets_anchor or (
            self.effective == "now" and begins_new_period(self.preview.lines, current, self.to.price)
        )

    @property
    def charged_at_once(self) -> bool:
        return self.effective == "now" and (self.invoicing == "immediately" or self.begins_new_period)

    @property
    def next_invoice(self) -> Money:
        following = self.preview.next_invoice
        return Money(amount_minor=following.amount_minor, currency=following.currency)

    @property
    def credit(self) -> Money | None:
        """What an invoice below zero leaves on the balance, as a positive amount."""
        if self.preview.total >= 0:
            return None
        return Money(amount_minor=-self.preview.total, currency=self.preview.currency)

    @property
    def excesses(self) -> tuple[str, ...]:
        """A part of a sentence for each limit that the new plan would not keep."""
        return excesses(self.limits, self.preview.currency)


class PlanChangeInput(Message):
    operation: str
    organization: str
    subscription: str
    requested_by: str
    wanted: PlanChangeRequest
    policy: Policy
    quoted: PlanChangeSubject | None = None
    """What a quote has shown, where exactly that is asked for."""


def subject_hash(subject: PlanChangeSubject) -> str:
    """What the approver saw, as a hash: everything but how much of each limit is in use.

    A customer more or less changes no line; whether a limit is exceeded is checked anew before applying. What
    a product is called changes nothing either. What a removed item has is in `keeps`.
    """
    named = {"others": {"__all__": {"name", "add_on"}}}
    seen = subject.model_dump(
        mode="json",
        exclude={
            **dict.fromkeys(("about", "limits", "preview"), True),
            **dict.fromkeys(("from_", "to"), named),
            "replaces": {"to": named},
            "changes": {"__all__": {"keeps"}},
        },
    )
    for holder in (seen, seen["from"], seen["to"]):  # nothing stands for what isn't there
        for name in ("changes", "keeps", "others", "replaces", "takes_back"):
            if name in holder and not holder[name]:
                del holder[name]
    preview = subject.preview
    seen["preview"] = {
        "lines": preview.hash,
        "amounts": bound(preview.amounts),
        "due_now": preview.due_now.amount_minor,
        "next_invoice": [preview.next_invoice.total, preview.next_invoice.amount_minor],
        "currency": preview.currency,
    }
    seen["limits"] = [check.model_dump(mode="json", include={"name", "allowed"}) for check in subject.limits]
    return digest(seen)


def build_subject(
    query: PreviewQuery,
    preview: PreviewFacts,
    renewal: PreviewFacts,
    limits: tuple[LimitCheck, ...],
) -> PlanChangeSubject:
    """Joins what Stripe previewed into the subject of a review.

    `preview` is the invoice that the change causes (immediate, or the next one), `renewal` the next one
    without it. Charged at once, `preview` is due now and `renewal` comes next, without what was waiting for
    it and is on `preview` already; otherwise nothing is due now and `preview` is the next invoice.
    """
    new_period = query.effective == "now" and query.begins_new_period(preview.lines)
    at_once = query.charged_at_once or new_period
    amounts = preview.amounts
    return PlanChangeSubject(
        from_=query.facts.terms,
        to=query.to,
        effective=query.effective,
        invoicing=query.invoicing,
        proration_date=preview.proration_date if query.effective == "now" else None,
        period_start=query.facts.period_start,
        period_end=query.facts.period_end,
        customer=query.facts.customer,
        subscription=query.facts.subscription,
        subscription_item=query.facts.item,
        changes=query.changes,
        preview=Preview(
            lines=preview.lines,
            amounts=amounts,
            due_now=amounts.due if at_once else Money.zero(amounts.currency),
            next_invoice=_next_invoice(query, preview, renewal, at_once=at_once, new_period=new_period),
            total=amounts.total,
            currency=amounts.currency,
            hash=lines_hash(comparable(preview.lines, new_period), amounts.currency),
        ),
        limits=limits,
        keeps=query.facts.keeps if query.effective == "period_end" else _items_of(query.facts.keeps),
        replaces=query.replaces,
        takes_back=query.end,
    )


def _items_of(keeps: dict[str, Any]) -> dict[str, Any]:
    """Of what a subscription keeps, what a change now is verified by: any other field it never names."""
    return {name: value for name, value in keeps.items() if name == "items"}


def _next_invoice(
    query: PreviewQuery, preview: PreviewFacts, renewal: PreviewFacts, *, at_once: bool, new_period: bool
) -> NextInvoice:
    """What comes next: after an invoice at once, without what that one has taken, and from the balance that
    it leaves."""
    total, due = preview.amounts.total, preview.amounts.amount_due
    if at_once:
        taken = waiting_on_both(preview.lines, renewal.lines, query.to.prices)
        total = renewal.amounts.total - sum(_totals_of(taken, renewal))
        due = max(0, total + preview.amounts.ending_balance)
    return NextInvoice(
        amount_minor=due,
        total=total,
        currency=preview.amounts.currency,
        date=None if new_period else query.facts.period_end,
    )


def _totals_of(lines: tuple[Line, ...], invoice: PreviewFacts) -> Iterator[int]:
    """What these lines of an invoice come to."""
    left = Counter(line.identity() for line in lines)
    for line, total in zip(invoice.lines, invoice.line_totals, strict=True):
        if left[line.identity()] > 0:
            left[line.identity()] -= 1
            yield total


def with_what_waits(query: PreviewQuery, cycle: PreviewFacts, as_it_is: PreviewFacts) -> PreviewFacts:
    """The first invoice of a new billing cycle, with what waits for the subscription's next invoice.

    `cycle` was previewed as a subscription of its own, which has only what waits for no subscription;
    `as_it_is` is the renewal without the change.
    """
    also = missing_from(cycle.lines, waiting(as_it_is.lines, query.facts.terms.prices))
    totals = tuple(_totals_of(also, as_it_is))
    amounts, more = cycle.amounts, sum(line.amount_minor for line in also)
    total = amounts.total + sum(totals)
    return cycle.model_copy(
        update={
            "lines": (*also, *cycle.lines),
            "line_totals": (*totals, *cycle.line_totals),
            "amounts": amounts.model_copy(
                update={
                    "gross": amounts.gross + more,
                    "subtotal": amounts.subtotal + more,
                    "total": total,
                    "amount_due": max(0, amounts.starting_balance + total),
                }
            ),
        }
    )

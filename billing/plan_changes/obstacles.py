"""What stands in the way of any plan change: each obstacle by its code, with what would mend it.

It is looked for before anybody is asked, and again before anything is applied.
"""

from collections.abc import Callable
from typing import Any

from ..core.errors import Code
from ..core.money import Money
from ..core.operations import Message, Problem
from ..core.utc import utc_day

ENDED = ("canceled", "incomplete_expired")
"""What a subscription is that comes to life no more (Stripe, "Subscription statuses")."""

OWING = ("incomplete", "past_due", "unpaid")
"""What it is while an invoice has to be paid before anything else."""


class OpenInvoice(Message):
    """An invoice to the organization that is unpaid."""

    id: str
    number: str | None
    remaining: Money


class PlannedEnd(Message):
    """When Stripe was told to end a subscription (UTC seconds): with its period, or at a date."""

    at: int
    at_period_end: bool

    @property
    def taken_back(self) -> dict[str, Any]:
        """Stripe's parameters that take it back. The flag and the date are two ways of saying it, of which
        Stripe takes one at a time."""
        return {"cancel_at_period_end": False} if self.at_period_end else {"cancel_at": ""}

    @property
    def planned_again(self) -> dict[str, Any]:
        """Stripe's parameters that plan it as it was."""
        return {"cancel_at_period_end": True} if self.at_period_end else {"cancel_at": self.at}


class SubscriptionState(Message):
    """What Stripe says of a subscription that may stand in the way of changing it; times in UTC seconds."""

    status: str
    schedule: str | None = None
    cancel_at: int | None = None
    """When it ends, where Stripe has been told to end it."""
    at_period_end: bool = False
    """Whether it was told to end with its period, rather than at a date."""
    pause_collection: str | None = None
    """What becomes of its invoices while their collection is paused, in Stripe's word."""
    resumes_at: int | None = None
    """When that pause ends by itself."""
    pending_update: int | None = None
    """When an update that waits for its payment expires."""
    billing_thresholds: bool = False
    open_invoice: OpenInvoice | None = None
    """The newest that is unpaid, where it is known."""

    @property
    def planned_end(self) -> PlannedEnd | None:
        """None for one that renews."""
        if self.cancel_at is None:
            return None
        return PlannedEnd(at=self.cancel_at, at_period_end=self.at_period_end)


def subscription_ended_problem() -> Problem:
    return Problem(
        code="subscription_ended",
        message="The subscription was cancelled in Stripe: there is nothing left to change.",
    )


def in_the_way(state: SubscriptionState) -> tuple[Problem, ...]:
    """Every obstacle that there is, the graver ones first; of one that has ended that alone."""
    found = tuple(problem for obstacle in OBSTACLES if (problem := obstacle(state)) is not None)
    return found[:1] if state.status in ENDED else found


def not_taken_back(end: PlannedEnd | None, period_end: int) -> Problem | None:
    """Why the end of a subscription can't be taken back; None when it can."""
    if end is None:
        return Problem(code=Code.NOT_CANCELLING, message="The plan is not set to end: it renews.")
    if end.at < period_end:
        return Problem(
            code=Code.ENDS_WITHIN_PERIOD,
            message=f"The plan was set in Stripe to end on {utc_day(end.at)}, within its period. "
            "Taken back, the time after that would be billed once more.",
        )
    return None


def not_planned_again(end: PlannedEnd, period_start: int, approved_start: int) -> Problem | None:
    """Why the end that was taken back can't be planned again as it was; None when it can.

    The starts (UTC seconds) of the period that runs now and of the one of the approval tell them apart.
    """
    if (period_start != approved_start) if end.at_period_end else (period_start >= end.at):
        return Problem(
            code="period_over",
            message="The period that the plan was to end in is over, and the next one has begun.",
        )
    return None


def overtaken(state: SubscriptionState) -> Problem | None:
    """What has come between a change and the end of the period that it waits for, its own schedule apart.

    An unpaid invoice has not: Stripe goes on trying it, and the change still comes with the renewal.
    """
    apart = state.model_copy(update={"schedule": None})
    found = [problem for problem in in_the_way(apart) if problem.code != "subscription_past_due"]
    return found[0] if found else None


def _ended(state: SubscriptionState) -> Problem | None:
    """Stripe, "Update a subscription": an ended one takes new metadata at most."""
    return subscription_ended_problem() if state.status in ENDED else None


def _not_active(state: SubscriptionState) -> Problem | None:
    """Stripe, "Subscription statuses": what each of them waits for. A change of one that owes something is
    billed together with what it owes, or not at all."""
    match state.status:
        case "active" | "trialing" | "canceled" | "incomplete_expired":
            return None
        case "incomplete":
            code, what = "subscription_incomplete", "The subscription's first payment is missing"
        case "past_due":
            code, what = (
                "subscription_past_due",
                "The last payment for the subscription has failed or is late",
            )
        case "unpaid":
            code, what = (
                "subscription_unpaid",
                "The subscription is unpaid, and Stripe has stopped charging it",
            )
        case "paused":
            message = "The subscription is paused in Stripe. Ask Plixo to resume it, then ask again."
            return Problem(code="subscription_paused", message=message)
        case _:
            message = f"The subscription is {state.status} in Stripe. Ask Plixo to settle that first."
            return Problem(code="subscription_not_active", message=message)
    return Problem(code=code, message=f"{what}. {_to_pay(state.open_invoice)}")


def _to_pay(invoice: OpenInvoice | None) -> str:
    """Where the invoice is paid. Whoever has Stripe's own address of an invoice can pay it: that is shown on
    request only, and recorded nowhere."""
    if invoice is None:
        return "Pay the open invoice first, under Billing → Plans → Invoices from Plixo, then ask again."
    return (
        f"Pay invoice {invoice.number or invoice.id} first, of which {invoice.remaining.format()} is open: "
        f"its pay link is at /console/plans/invoices/{invoice.id}. Then ask again."
    )


def _scheduled(state: SubscriptionState) -> Problem | None:
    """Stripe, "Subscription schedules": a subscription has one at most, whose phases overwrite a change."""
    if state.schedule is None:
        return None
    return Problem(
        code="subscription_scheduled",
        message=f"Schedule {state.schedule} already plans a change in Stripe. Ask Plixo to release it.",
    )


def _cancelling(state: SubscriptionState) -> Problem | None:
    """A change would be priced as if the subscription renewed, and could lose the cancellation."""
    if state.cancel_at is None:
        return None
    return Problem(
        code="subscription_cancelling",
        message=f"The subscription is set to end on {utc_day(state.cancel_at)}. Keep it so, or take the end "
        "back: with the plan change itself, or first by a cancellation of its own, under Plans.",
    )


def _update_pending(state: SubscriptionState) -> Problem | None:
    """Stripe, "Pending updates": another update voids the one that waits, with its invoice."""
    if state.pending_update is None:
        return None
    return Problem(
        code="subscription_update_pending",
        message="An earlier change in Stripe still waits for its payment, until "
        f"{utc_day(state.pending_update)}. Pay its invoice or let it expire, then ask again.",
    )


def _collection_paused(state: SubscriptionState) -> Problem | None:
    """Stripe, "Pause payment collection": invoices are voided, written off or kept as drafts meanwhile, that
    of a change among them."""
    if state.pause_collection is None:
        return None
    until = f" until {utc_day(state.resumes_at)}" if state.resumes_at is not None else ""
    return Problem(
        code="collection_paused",
        message=f"Payment collection is paused in Stripe{until}: nothing that a change costs "
        "would be charged. Ask Plixo to resume it, then ask again.",
    )


def _thresholds(state: SubscriptionState) -> Problem | None:
    """Stripe, "Billing thresholds": an invoice may come at any time, and a new period with it."""
    if not state.billing_thresholds:
        return None
    return Problem(
        code="billing_thresholds",
        message="The subscription has billing thresholds in Stripe, which may bill it at any time. "
        "Ask Plixo to remove them, then ask again.",
    )


OBSTACLES: tuple[Callable[[SubscriptionState], Problem | None], ...] = (
    _ended,
    _not_active,
    _scheduled,
    _cancelling,
    _update_pending,
    _collection_paused,
    _thresholds,
)

"""Holding our mirror against Stripe: which kinds of objects, and what a run and its activities say."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message, Problem


class ObjectKind(StrEnum):
    """What our mirror can have otherwise than Stripe; an invoice with its lines."""

    SUBSCRIPTION = "subscription"
    CUSTOMER = "customer"
    INVOICE = "invoice"
    PAYMENT = "payment"
    REFUND = "refund"
    CREDIT_NOTE = "credit_note"
    BALANCE_TRANSACTION = "balance_transaction"
    DISPUTE = "dispute"
    ORGANIZATION_INVOICE = "organization_invoice"
    """One to the organization itself."""


Correction = Literal["added", "overwritten", "removed"]
RunState = Literal["running", "completed", "failed"]
RunScope = Literal["all", "recent", "rolling"]
"""What a run compares: everything; what was made in Stripe since the last such run; everything, but a piece
with each run by schedule, within a week."""

WHOLE: tuple[RunScope, ...] = ("all", "rolling")
"""After these everything has been compared."""

OVERLAP = timedelta(minutes=2)
"""So much of the window before is compared again: an object may be listed later than it says it was made."""

AT_LEAST_EVERY = timedelta(hours=5, minutes=30)
"""What is new is compared by the first hourly run after so long even where Stripe has told of no event since:
every six hours, as a comparison ends a while after its run began."""

ROLLING = timedelta(days=6, hours=12)
"""How long a rolling comparison takes, so that it is over within the week."""

ASKED_FOR = "waiting"
"""The stage of a run that nobody has begun yet."""


STOPPED = Problem(code="stopped", message="The run was stopped from outside before its end.")
"""It was terminated, or timed out, and could not say so itself."""


class ReconcileInput(Message):
    """A run. Without `reconciliation` it has no row yet; `phase` and `after` are where it goes on, `until` is
    when that object was made, in Stripe's seconds.

    `problem` is what went wrong on the way that was no reason to stop.
    """

    reconciliation: str | None = None
    scope: RunScope = "all"
    phase: int = 0
    after: str | None = None
    until: int | None = None
    newest: int | None = None
    """Of the phase's window, what its first page has shown, likewise."""
    news_until: AwareDatetime | None = None
    """By when Stripe's last event was that the run knew of as it began."""
    compared: int = 0
    missed: int = 0
    """Events that had not arrived."""
    problem: Problem | None = None


class BeginRun(Message):
    """`reconciliation` is the row of a run that somebody asked for; by schedule one is made."""

    reconciliation: str | None
    workflow: str
    scope: RunScope = "all"


class BegunReconciliation(Message):
    """`scope` is `all` where everything has yet to be compared for the first time."""

    reconciliation: str
    scope: RunScope


class StripeNews(Message):
    """Whether anything may have been made in Stripe since the windows were compared last; `until` is when its
    last known event was."""

    any: bool
    until: AwareDatetime | None


class WindowsCompared(Message):
    """Everything new is compared, as of the event at `until`."""

    until: AwareDatetime | None


class RollingPage(Message):
    """Where a rolling comparison goes on: a page of the list that is its phase, after this object.

    `until` is when that was made, in Stripe's seconds: for where it is gone by the next time.
    """

    reconciliation: str
    phase: int = 0
    after: str | None = None
    until: int | None = None


class RollOn(Message):
    """`next` is what follows the page that was just done, `stage` its name: None where it was the last."""

    next: RollingPage | None = None
    stage: str | None = None


class RunAt(Message):
    """The run has come to this stage."""

    reconciliation: str
    stage: str


class EndRun(Message):
    """The run has ended, for `problem` where there is one."""

    reconciliation: str
    missed: int
    """Events that had not arrived before it."""
    problem: Problem | None


def pages_due(done: int, expected: int, taken: timedelta) -> int:
    """How many pages a rolling comparison is behind, of which `done` are done after so long.

    Where there turn out to be more than expected, twice as many are: it is late by little, or not at all.
    """
    while expected <= done:
        expected = max(1, expected) * 2
    return max(0, int(expected * (taken / ROLLING)) - done)

"""Holding our mirror against Stripe: which kinds of objects, and what a run and its activities say."""

from enum import StrEnum
from typing import Literal

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
    ORGANIZATION_INVOICE = "organization_invoice"
    """One to the organization itself."""


Correction = Literal["added", "overwritten", "removed"]
RunState = Literal["running", "completed", "failed"]

ASKED_FOR = "waiting"
"""The stage of a run that nobody has begun yet."""


STOPPED = Problem(code="stopped", message="The run was stopped from outside before its end.")
"""It was terminated, or timed out, and could not say so itself."""


class ReconcileInput(Message):
    """A run. Without `reconciliation` it has no row yet; `phase` and `after` are where it goes on.

    `problem` is what went wrong on the way that was no reason to stop.
    """

    reconciliation: str | None = None
    phase: int = 0
    after: str | None = None
    compared: int = 0
    missed: int = 0
    """Events that had not arrived."""
    problem: Problem | None = None


class BeginRun(Message):
    """`reconciliation` is the row of a run that somebody asked for; by schedule one is made."""

    reconciliation: str | None
    workflow: str


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

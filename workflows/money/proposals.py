"""What a request for money would do, as its review and its authority see it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.money import Money
    from billing.core.operations import Problem
    from billing.money.credit import CreditSubject
    from billing.money.credit_lines import LineToCredit
    from billing.money.invoice_money import InvoiceCap
    from billing.money.messages import CommitPart
    from billing.money.refund import RefundSubject
    from billing.money.waiver import WaiverSubject

from ..approvals.review import Proposal

Wanted = TypeVar("Wanted")
Subject = TypeVar("Subject", bound=RefundSubject | CreditSubject | WaiverSubject)


@dataclass(frozen=True)
class MoneyProposal(Proposal[Subject]):
    """What would be given, in which parts."""

    amount: Money
    parts: tuple[CommitPart, ...] = ()
    cap: InvoiceCap | None = None
    """Of the invoice that parts are given back of."""
    invoice: str | None = None
    """That it is about, where it is about one."""
    lines: tuple[LineToCredit, ...] = ()
    """Of the invoice, that are credited."""
    refundable: Money | None = None
    """What Stripe would return at most, of a refund."""


class MoneyPlanner(ABC, Generic[Wanted, Subject]):
    """Makes proposals by what Stripe says now."""

    @abstractmethod
    async def plan(self, wanted: Wanted) -> MoneyProposal[Subject] | Problem:
        """What would be given, or why it can't be."""

    @abstractmethod
    async def still_possible(self, wanted: Wanted, subject: Subject) -> MoneyProposal[Subject] | None:
        """Exactly what was approved; None when it can't be given like that any more."""

"""What the OpenAPI document says of operations and approvals of each kind: what is in their documents.

Answers hold them as they were written; only the document has their shapes.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field, create_model

from billing.cancellations.cancellation import CancellationSubject, CancellationWanted
from billing.cancellations.report import CancellationResult
from billing.cases.case import CaseFound, CaseMaker, CaseResult, CaseSubject
from billing.core.operations import Kind, Message, Problem
from billing.money.credit import CreditSubject, CreditWanted
from billing.money.credit_report import CreditResult
from billing.money.refund import RefundSubject, RefundWanted
from billing.money.refund_report import RefundResult
from billing.money.waiver import WaiverSubject, WaiverWanted
from billing.money.waiver_report import WaiverResult
from billing.operations.kinds import ON_REQUEST
from billing.plan_changes.payment import AwaitedPayment
from billing.plan_changes.report import PlanChangeResult, ScheduledPlanChange
from billing.plan_changes.subject import PlanChangeRequest, PlanChangeSubject
from billing.policy.phrases import capital
from billing.portal.trouble import AccessTroubleResult, AccessTroubleSubject, TroubleWanted
from billing.reminders.runs import RunSummary

from ..http.models import ApprovalAnswer, OperationAnswer


class _QuoteName(Message):
    quote: str = Field(default="", description="The quote that the request named; absent without one")


class PlanChangeAsked(PlanChangeRequest, _QuoteName):
    """The change as it was asked for."""


class CancellationAsked(CancellationWanted, _QuoteName):
    """The cancellation as it was asked for."""


class RefundAsked(RefundWanted, _QuoteName):
    """The refund as it was asked for."""


class CreditAsked(CreditWanted, _QuoteName):
    """The credit as it was asked for."""


class WaiverAsked(WaiverWanted, _QuoteName):
    """The void or write-off as it was asked for."""


class RunAsked(Message):
    """The run as it was asked for."""

    dry_run: bool = Field(description="Whether it decides everything and sends nothing")


class RunBegun(Message):
    """What a run has looked at."""

    dry_run: bool
    seen: int = Field(description="Invoices")


class _Documents(NamedTuple):
    """The types of an operation's documents; a result of several types is their union."""

    request: Any
    subject: Any
    result: Any


_OF: Mapping[Kind, _Documents] = {
    Kind.PLAN_CHANGE: _Documents(
        PlanChangeAsked, PlanChangeSubject, PlanChangeResult | ScheduledPlanChange | AwaitedPayment
    ),
    Kind.REFUND: _Documents(RefundAsked, RefundSubject, RefundResult),
    Kind.CREDIT: _Documents(CreditAsked, CreditSubject, CreditResult),
    Kind.VOID: _Documents(WaiverAsked, WaiverSubject, WaiverResult),
    Kind.WRITE_OFF: _Documents(WaiverAsked, WaiverSubject, WaiverResult),
    Kind.CANCELLATION: _Documents(CancellationAsked, CancellationSubject, CancellationResult),
    Kind.REMINDER_RUN: _Documents(RunAsked, RunBegun, RunSummary),
    Kind.PORTAL_ACCESS: _Documents(TroubleWanted, AccessTroubleSubject, AccessTroubleResult),
    Kind.CASE: _Documents(CaseFound, CaseSubject, CaseMaker | CaseResult),
}


def _name(kind: Kind, noun: str) -> str:
    return re.sub(r"\W", "", kind.noun.title()) + noun


def _only(kind: Kind) -> Any:
    return Literal[kind]


def _operation(kind: Kind, of: _Documents) -> type[BaseModel]:
    return create_model(
        _name(kind, "Operation"),
        __base__=OperationAnswer,
        __doc__=f"{capital(kind.a_noun)}.",
        kind=_only(kind),
        request=of.request,
        subject=of.subject | None,
        result=of.result | None,
        error=Problem | None,
    )


def _approval(kind: Kind) -> type[BaseModel]:
    return create_model(
        _name(kind, "Approval"),
        __base__=ApprovalAnswer,
        __doc__=f"The decision on {kind.a_noun}.",
        kind=_only(kind),
        subject=_OF[kind].subject,
    )


_OPERATIONS = {kind: _operation(kind, of) for kind, of in _OF.items()}

BY_KIND: Mapping[type[BaseModel], tuple[type[BaseModel], ...]] = {
    OperationAnswer: tuple(_OPERATIONS.values()),
    ApprovalAnswer: tuple(_approval(kind) for kind in ON_REQUEST),
}
"""The answers of which each kind has its own documents, and what each kind's has."""

BY_PATH: Mapping[str, tuple[type[BaseModel], type[BaseModel]]] = {
    path: (OperationAnswer, _OPERATIONS[kind])
    for path, kind in (
        ("/v1/plan-changes", Kind.PLAN_CHANGE),
        ("/v1/refunds", Kind.REFUND),
        ("/v1/credits", Kind.CREDIT),
        ("/v1/voids", Kind.VOID),
        ("/v1/write-offs", Kind.WRITE_OFF),
        ("/v1/cancellations", Kind.CANCELLATION),
        ("/v1/reminder-runs", Kind.REMINDER_RUN),
        ("/v1/portal-troubles", Kind.PORTAL_ACCESS),
        ("/v1/cases", Kind.CASE),
    )
}
"""Which kind's answer every operation below a path has, in place of that of any kind."""

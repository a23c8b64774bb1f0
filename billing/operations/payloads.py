"""What operations, reviews and notices are about, and what operations ended with: the unions of what each
capability has of its own."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from ..cancellations.cancellation import CancellationSubject
from ..cancellations.report import CancellationResult
from ..cases.case import CaseMaker, CaseResult, CaseSubject
from ..core.notices import NoticeKind, about
from ..core.operations import Kind, Problem
from ..money.credit import CreditSubject
from ..money.credit_report import CreditResult
from ..money.refund import RefundSubject
from ..money.refund_report import RefundResult
from ..money.waiver import WaiverSubject
from ..money.waiver_report import WaiverResult
from ..plan_changes.payment import AwaitedPayment
from ..plan_changes.report import PlanChangeResult, ScheduledPlanChange
from ..plan_changes.subject import PlanChangeSubject
from ..portal.trouble import AccessTroubleResult, AccessTroubleSubject
from ..reminders.runs import RunSummary

logger = logging.getLogger(__name__)

OperationSubject = Annotated[
    PlanChangeSubject
    | CancellationSubject
    | RefundSubject
    | CreditSubject
    | WaiverSubject
    | CaseSubject
    | AccessTroubleSubject,
    Field(discriminator="about"),
]

OperationResult = Annotated[
    PlanChangeResult
    | ScheduledPlanChange
    | CancellationResult
    | AwaitedPayment
    | RefundResult
    | CreditResult
    | WaiverResult
    | CaseMaker
    | CaseResult
    | AccessTroubleResult
    | RunSummary,
    Field(discriminator="about"),
]

_SUBJECTS: TypeAdapter[OperationSubject] = TypeAdapter(OperationSubject)
_RESULTS: TypeAdapter[OperationResult] = TypeAdapter(OperationResult)


class NoticeFigures(NamedTuple):
    """What a notice to Finance says: what it is about, and what became of that."""

    subject: OperationSubject | None
    result: OperationResult | None = None
    problem: Problem | None = None

    def document(self) -> dict[str, Any]:
        """As the notice's row holds it and the API shows it: one object, with what became of the subject."""
        document = self.subject.document() if self.subject else {}
        if self.result is not None:
            document["result"] = self.result.document()
        if self.problem is not None:
            document["problem"] = self.problem.model_dump()
        return document


def read_subject(kind: str, document: Mapping[str, Any] | None) -> OperationSubject | None:
    """The subject that a row of this kind holds.

    None for a reminder run, which is about nobody in particular: its row holds how far it is. None, too, for
    one that can't be read: whoever tells of it says less, which is better than nothing.
    """
    if not document or kind == Kind.REMINDER_RUN:
        return None
    try:
        return _SUBJECTS.validate_python({**document, "about": kind})
    except ValidationError:
        logger.warning("can't read the subject of a %s", kind)
        return None


def read_notice(kind: NoticeKind, document: Mapping[str, Any]) -> NoticeFigures:
    """The figures that a notice's row holds; nothing for what can't be read, as with `read_subject`."""
    subject = {name: value for name, value in document.items() if name not in ("result", "problem")}
    result, problem = document.get("result"), document.get("problem")
    return NoticeFigures(
        read_subject(about(kind), subject),
        read_result(_result_of(kind), result),
        Problem.model_validate(problem) if problem else None,
    )


def _result_of(kind: NoticeKind) -> str:
    return "scheduled_plan_change" if kind is NoticeKind.PLAN_CHANGE_SCHEDULED else about(kind)


def read_result(tag: str, document: Mapping[str, Any] | None) -> OperationResult | None:
    """What Stripe holds of an operation, by what the result says it is about: its kind, or
    `scheduled_plan_change`. None where there is nothing that can be read, as with `read_subject`."""
    if not document:
        return None
    try:
        return _RESULTS.validate_python({**document, "about": tag})
    except ValidationError:
        logger.warning("can't read the result of a %s", tag)
        return None

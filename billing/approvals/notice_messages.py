"""What a notice to Finance is opened with."""

from typing import Self

from ..core.business_time import Calendar
from ..core.notices import NoticeKind
from ..core.operations import Message, Problem
from ..operations.payloads import NoticeFigures, OperationResult, OperationSubject
from ..policy.policy import Policy


class NoticeInput(Message):
    """A message that Finance must acknowledge."""

    notice: str
    organization: str
    operation: str
    kind: NoticeKind
    subject: OperationSubject
    result: OperationResult | None = None
    problem: Problem | None = None
    calendar: Calendar
    acknowledge_within: int
    """Business minutes."""

    @classmethod
    def under(
        cls,
        policy: Policy,
        kind: NoticeKind,
        *,
        organization: str,
        operation: str,
        subject: OperationSubject,
        number: int = 1,
        result: OperationResult | None = None,
        problem: Problem | None = None,
    ) -> Self:
        """`number` counts the notices of one kind: a refund can fail more than once."""
        again = f"-{number}" if number > 1 else ""
        return cls(
            notice=f"ntc_{operation.removeprefix('op_')}-{kind}{again}",
            organization=organization,
            operation=operation,
            kind=kind,
            subject=subject,
            result=result,
            problem=problem,
            calendar=policy.calendars[policy.notices.calendar],
            acknowledge_within=policy.notices.acknowledge_within,
        )

    @property
    def figures(self) -> NoticeFigures:
        return NoticeFigures(self.subject, self.result, self.problem)

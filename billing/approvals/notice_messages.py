"""Messages of a notice to Finance: opened, escalated, acknowledged."""

from pydantic import AwareDatetime

from ..core.business_time import Calendar
from ..core.notices import NoticeKind
from ..core.operations import Message, Problem
from ..operations.payloads import NoticeFigures, OperationResult, OperationSubject


class NoticeInput(Message):
    """A message that Finance must acknowledge."""

    notice: str
    organization: str
    operation: str
    kind: NoticeKind
    subject: OperationSubject | None
    """None where its row holds none that can be read."""
    result: OperationResult | None = None
    problem: Problem | None = None
    calendar: Calendar
    acknowledge_within: int
    """Business minutes."""

    @property
    def figures(self) -> NoticeFigures:
        return NoticeFigures(self.subject, self.result, self.problem)


class OpenNotice(Message):
    request: NoticeInput
    workflow: str
    at: AwareDatetime


class OpenedNotice(Message):
    """`closed`: nobody has to see it any more, as it was opened before or its operation came to nothing
    meanwhile. `replaces`: Finance has an earlier one which it need not acknowledge any more."""

    deadline: AwareDatetime
    closed: bool = False
    replaces: bool = False


class NoticeStep(Message):
    """A notice was escalated, or acknowledged by `person`."""

    notice: str
    operation: str
    at: AwareDatetime
    person: str | None = None


class Acknowledge(Message):
    """Finance has seen a notice."""

    person: str

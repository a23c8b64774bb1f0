"""Messages of a notice to Finance: opened, escalated, acknowledged."""

from typing import Any

from pydantic import AwareDatetime

from ..core.business_time import Calendar
from ..core.operations import Message


class NoticeInput(Message):
    """A message that Finance must acknowledge."""

    notice: str
    organization: str
    operation: str
    kind: str
    subject: dict[str, Any]
    calendar: Calendar
    acknowledge_within: int
    """Business minutes."""


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

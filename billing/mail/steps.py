"""A step of an operation together with whom it tells."""

from pydantic import AwareDatetime

from ..approvals.messages import ApprovalInput
from ..approvals.notice_messages import NoticeInput
from ..core.business_time import Calendar
from ..core.operations import Message
from ..operations.messages import Progress
from ..portal.trouble import How
from .messages import MailRequest


class Step(Progress):
    """Recorded in one transaction: nobody is told of what did not happen, or not told of what did."""

    notice: NoticeInput | None = None
    mails: tuple[MailRequest, ...] = ()


class OpenApproval(Message):
    """Opens a round, together with the step that proposes what it is about."""

    request: ApprovalInput
    at: AwareDatetime
    step: Step | None = None
    """None where that was recorded before."""


class TroubleRecord(Message):
    """A step of a trouble, and what becomes of its row with it."""

    progress: Step
    escalated: bool = False
    how: How | None = None
    calendar: Calendar
    """Says when the business day ends."""

"""A step of an operation together with whom it tells."""

from ..approvals.notice_messages import NoticeInput
from ..operations.messages import Progress


class Step(Progress):
    """Recorded in one transaction: nobody is told of what did not happen, or not told of what did."""

    notice: NoticeInput | None = None

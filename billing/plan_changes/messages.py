"""Messages of a plan change: what people send to it, and what it reads from the records."""

from typing import Literal

from ..core.messages import Reply
from ..core.operations import Message
from .subject import PlanChangeRequest


class Revise(Reply):
    """The edited request after an approver asked for changes; it starts a new review round."""

    wanted: PlanChangeRequest


class Resolve(Reply):
    """What a person makes of a mismatch between approved and actual lines."""

    action: Literal["accept", "revert", "read_again"]
    comment: str


class UsageQuery(Message):
    organization: str
    currency: str

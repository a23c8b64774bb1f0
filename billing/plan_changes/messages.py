"""Messages of a plan change: what people send to it, and what it reads from the records."""

from typing import Literal

from ..core.operations import Message
from .subject import PlanChangeRequest


class Revise(Message):
    """The edited request after an approver asked for changes; it starts a new review round."""

    person: str
    wanted: PlanChangeRequest


class Resolve(Message):
    """What a person makes of a mismatch between approved and actual lines."""

    person: str
    action: Literal["accept", "revert", "read_again"]
    comment: str


class UsageQuery(Message):
    organization: str
    currency: str

"""What a crash scenario does: where the worker dies, and how Stripe behaves meanwhile."""

from typing import Any, Literal

from pydantic import Field

from billing.operations import Message

Point = Literal["before request", "during request", "after request", "before commit", "after commit"]


class Kill(Message):
    """SIGKILL at the nth time that a point whose text matches is reached.

    Requests read `POST http://…/v1/subscriptions/sub_1`, commits are named by the keys of their timeline
    events, or `intent` for the opening of an intent.
    """

    point: Point
    match: str
    nth: int = 1


class Fault(Message):
    """A fault of the stand-in; `{sub}` in the path is the organization's subscription."""

    fault: str
    path: str
    method: str = "POST"
    more: dict[str, Any] = Field(default_factory=dict)


class Scenario(Message):
    """Faults and kills over one story; each kill is followed by a restart with the next one."""

    name: str
    kills: tuple[Kill, ...] = ()
    faults: tuple[Fault, ...] = ()

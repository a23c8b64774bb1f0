"""Messages of a plan change: what people send to it, and what it looks up."""

from typing import Any, Literal

from pydantic import Field

from ..core.messages import Reply
from ..core.operations import Message, Problem
from .items.add_ons import PricedAddOn
from .plans import Interval, Plan
from .subject import (
    PlanChangeRequest,
    PlanChangeSubject,
    SubscriptionFacts,
    SubscriptionQuery,
    WaitingChange,
)


class Revise(Reply):
    """The edited request after an approver asked for changes; it starts a new review round."""

    wanted: PlanChangeRequest


class Resolve(Reply):
    """What a person makes of a mismatch between approved and actual lines."""

    action: Literal["accept", "revert", "read_again"]
    comment: str


class OtherChangeQuery(Message):
    """Whose plan change may be open beside this one."""

    organization: str
    operation: str


class OtherChange(Message):
    """A plan change of ours that is not over."""

    operation: str
    waiting: WaitingChange | None = None
    """The same, where it waits for the end of the period."""
    for_people: bool = False
    """Whether it goes on only once somebody has said what becomes of it."""


class TargetQuery(Message):
    """Which plan and which add-ons, sold how; those add-ons alone that the policy offers."""

    plan: str
    interval: Interval
    currency: str
    add_ons: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()


class Target(Message):
    """The plan and price to change to, and the add-ons that come with it, as Stripe has them now."""

    plan: Plan
    price: str
    add_ons: tuple[PricedAddOn, ...] = ()


class SchedulePreviewQuery(Message):
    """Which schedule's next invoice, without what is billed by usage at the prices `metered`."""

    schedule: str
    metered: frozenset[str]


class ScheduleFacts(Message):
    """What a subscription schedule in Stripe says, its phases in Stripe's parameters."""

    schedule: str
    status: str
    end_behavior: str
    phases: tuple[dict[str, Any], ...]
    uncarried: tuple[str, ...] = ()
    """The names of what its phases say beside that."""


class ChangeQuery(Message):
    """What to preview, of which subscription, and which change may be open beside it.

    With `period_start` only within that period; with `proration_date` at that second (both UTC seconds), else
    at one that Stripe chooses. `offered` are the add-ons of the policy. With `everything` it is looked on
    although another change is open, and for all that stands in the way.
    """

    of: SubscriptionQuery
    other: OtherChangeQuery
    wanted: PlanChangeRequest
    offered: tuple[str, ...]
    proration_date: int | None = None
    period_start: int | None = None
    everything: bool = False


class ChangeLook(Message):
    """What a change would do (`subject`), unless something stands in its way or its period is over."""

    facts: SubscriptionFacts
    obstacles: tuple[Problem, ...] = ()
    still_open: OtherChange | None = None
    """Another change of ours that is not over, and whose place can't be taken."""
    subject: PlanChangeSubject | None = None
    amounts: dict[str, int | None] = Field(default_factory=dict)
    """In minor units for one of it, by the prices' ids: what things cost then and now."""


class RevertQuery(Message):
    """Which change is to be taken back, and how that was `shown` to whoever asked for it."""

    of: SubscriptionQuery
    subject: PlanChangeSubject
    shown: PlanChangeSubject | None = None

"""Messages of a workflow that waits for a degraded component, until it may go on."""

from pydantic import AwareDatetime

from ..core.operations import Message, Problem
from .states import Component

HELD = "held"
"""The type of the error by which an activity says that its component is degraded: nothing was sent."""

UNPERMITTED = "stripe_permission_missing"
"""The type of the error by which an activity says that our key at Stripe lacks a permission."""

RELEASED = "released"
"""The signal to a workflow that is held: it may go on."""


def hold_id(workflow: str, number: int) -> str:
    """The row of a workflow's hold: the same for every attempt at it."""
    return f"hld_{workflow}-{number}"


class HoldOperation(Message):
    """The workflow can't go on before the component works again."""

    organization: str
    operation: str
    workflow: str
    component: Component
    number: int
    """Counts the holds of this workflow."""
    at: AwareDatetime


class HoldForPermission(HoldOperation):
    """The workflow can't go on before somebody who runs Plixo has granted a permission."""

    problem: Problem


class HoldResult(Message):
    """`waiting` is False where the component has recovered in between: go on at once."""

    waiting: bool


class ResumeOperation(Message):
    """The workflow goes on; its operation is what it was before hold `number`."""

    operation: str
    workflow: str
    number: int
    at: AwareDatetime


class HoldQuery(Message):
    """Whether a workflow's hold still stands."""

    hold: str
    workflow: str


class HoldRelease(Message):
    """To a workflow that is held: `hold` is the row."""

    hold: str

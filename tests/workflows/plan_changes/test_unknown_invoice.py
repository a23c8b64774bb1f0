"""A change that waits for its payment while nobody can say yet which invoice is its own."""

from types import SimpleNamespace
from typing import Any

from billing.core.messages import Cancel
from billing.core.operations import State
from billing.operations.standing import Standing
from billing.plan_changes.messages import Resolve, Revise
from billing.plan_changes.payment import ChangePayment
from workflows.core.commands import PendingCommands
from workflows.core.outcome import Outcome
from workflows.plan_changes.payment import PlanChangePayment

from ...billing.builders import a_subject


class Stripe:
    """Says by and by how the payment stands, and keeps what was done to it."""

    def __init__(self, *looks: ChangePayment) -> None:
        self.looks, self.done, self.waits = list(looks), [], 0

    async def payment(self, query: Any) -> ChangePayment:
        return self.looks.pop(0)

    async def perform(self, step: str, kind: str, target: str, params: Any) -> None:
        self.done.append((kind, target))

    def came_to_nothing(self) -> None:
        pass

    def clear(self) -> None:
        pass

    async def wait(self, what: str, delays: Any, enough: Any, objects: Any) -> None:
        assert not enough(), "it would look again at once, and for ever"
        self.waits += 1


def stands(how: str, **fields: Any) -> ChangePayment:
    return ChangePayment.model_validate({"stands": how, "subscription_status": "active"} | fields)


async def test_who_cancels_has_it_voided_as_soon_as_it_is_known() -> None:
    known = {"invoice": "in_1", "invoice_status": "draft"}
    stripe: Any = Stripe(stands("waits"), stands("waits", **known), stands("dropped", **known))
    commands: PendingCommands[Any, Any] = PendingCommands(
        too_late="It is done.", revise=Revise, resolve=Resolve
    )
    recorder: Any = SimpleNamespace(organization="org_1", operation="op_1")
    payment = PlanChangePayment(recorder, stripe, stripe, commands, stripe)
    payment.expect(a_subject(), Standing(state=State.RUNNING, stage="applying"))
    commands.cancel.received = Cancel(person="person_1", comment=None)
    ended = await payment.settled()
    assert isinstance(ended, Outcome)
    assert (ended.state, ended.person) == (State.CANCELLED, "person_1")
    assert (stripe.done, stripe.waits) == ([("bill.void", "in_1")], 1)

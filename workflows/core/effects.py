"""What an operation does to Stripe: each thing at most once, whatever becomes of its runs."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.effects.perform import StripeEffects
    from billing.core.events import EventCode
    from billing.core.operations import State
    from billing.operations.standing import (
        NOTES,
        OPERATION_CLOSED,
        SettleBegun,
        Standing,
    )
    from billing.stripe.effects import NOT_WAITING, Effect, EffectBegins, EffectKind, EffectOutcome

from . import options
from .outcome import OperationEnded, Outcome, problem_of
from .stripe_calls import StripeCalls


class OperationEffects:
    """The effects of one operation; made in `@workflow.init`, as its `calls` are."""

    def __init__(self, *, organization: str, operation: str) -> None:
        self._organization, self._operation = organization, operation
        self.calls = StripeCalls(organization, operation)
        """For what the operation reads in Stripe; what it does there is performed."""
        self._begun: set[tuple[str, int]] = set()
        self._doubted: set[tuple[str, int]] = set()

    @property
    def in_doubt(self) -> bool:
        """Whether Stripe may have made something of it: then only a person says that it came to nothing."""
        return bool(self._doubted)

    def came_to_nothing(self) -> None:
        """What was done to Stripe is taken back, or is known to have no effect."""
        self._doubted.clear()

    def take_up(self, standing: Standing) -> None:
        """What an earlier run has begun in Stripe is brought to its end as it was begun, whatever this run
        would have sent."""
        self._begun = {(one.step, one.version) for one in standing.begun}
        self._doubted = {(one.step, one.version) for one in standing.begun if one.state != "refused"}

    def has_begun(self, step: str, version: int = 1) -> bool:
        """Whether an earlier run has begun it: it has to be brought to its end, whatever holds now."""
        return (step, version) in self._begun

    async def perform(
        self,
        step: str,
        kind: EffectKind,
        target: str,
        params: dict[str, Any],
        version: int = 1,
        *,
        replaces: str | None = None,
        begins: EffectBegins | None = None,
    ) -> EffectOutcome:
        """Does one thing to Stripe, at most once; a higher `version` is a person's deliberate next try.

        As it is begun, an operation that it `replaces` ends, and this one tells that it `begins`. Raises
        OperationEnded where that one is over already, or this one: then nothing was sent.
        """
        if not kind.endswith(NOTES):
            self._doubted.add((step, version))
        performed = await self._performed(step, kind, target, params, version, replaces, begins)
        if performed.outcome == "refused":
            self._doubted.discard((step, version))
        return performed

    async def _performed(
        self,
        step: str,
        kind: EffectKind,
        target: str,
        params: dict[str, Any],
        version: int,
        replaces: str | None,
        begins: EffectBegins | None,
    ) -> EffectOutcome:
        if (step, version) in self._begun:
            order = SettleBegun(operation=self._operation, step=step, version=version)
            return await self.calls.call(StripeEffects.settle_effect, order, options.STRIPE_EFFECT)
        effect = Effect(
            organization=self._organization,
            operation=self._operation,
            step=step,
            kind=kind,
            target=target,
            params=params,
            version=version,
            replaces=replaces,
            begins=begins,
        )
        try:
            return await self.calls.call(StripeEffects.perform_effect, effect, options.STRIPE_EFFECT)
        except ActivityError as error:
            if (ended := _ended(error)) is not None:
                raise OperationEnded(ended) from error
            raise


def _ended(error: ActivityError) -> Outcome | None:
    """How it ends that nothing was sent; None where that isn't known."""
    why = error.cause.type if isinstance(error.cause, ApplicationError) else None
    if why == OPERATION_CLOSED:
        # It ended while this was on its way, and the end that it has stands.
        return Outcome(State.FAILED, EventCode.ENDED_BEFORE, settled=True)
    if why == NOT_WAITING:
        return Outcome(State.FAILED, EventCode.GIVEN_UP, problem_of(error), settled=True)
    return None

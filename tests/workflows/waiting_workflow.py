"""Stands in for a refund's workflow: it waits to be told of a change, and ends."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.stripe.events import StripeChanged


@workflow.defn
class Waiting:
    """Returns the event that it was told of."""

    def __init__(self) -> None:
        self._changes: list[str] = []

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self._changes))
        return self._changes[0]

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        self._changes.append(changed.event)

    @workflow.query
    def told(self) -> int:
        return len(self._changes)

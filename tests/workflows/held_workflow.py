"""Stands in for a workflow that waits for Stripe: it ends when it may go on."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.incidents.holds import RELEASED, HoldRelease


@workflow.defn
class HeldWorkflow:
    """Returns the hold that is over."""

    def __init__(self) -> None:
        self._released: list[str] = []

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self._released))
        return self._released[0]

    @workflow.signal(name=RELEASED)
    def released(self, released: HoldRelease) -> None:
        self._released.append(released.hold)

"""Passes on accepted requests and decisions that a crash or a stopped Temporal left in the outbox."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.outbox import BATCH, OutboxSweep

from ..core import ids, options


@workflow.defn(name=ids.OUTBOX_SWEEP)
class OutboxSweepWorkflow:
    """One run empties what is due; a schedule starts it every few seconds."""

    @workflow.run
    async def run(self) -> int:
        delivered = 0
        while True:
            batch: int = await workflow.execute_activity_method(
                OutboxSweep.deliver_outbox, **options.SWEEP_CALL
            )
            delivered += batch
            if batch < BATCH:
                return delivered
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new()

"""One round of a review by itself: no request before it, and nothing done after it."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.approvals.messages import ApprovalInput, ApprovalOutcome
    from billing.core.messages import Reply

from workflows.approvals.object_end import ObjectEnd
from workflows.approvals.round import ReviewRound
from workflows.core.commands import PendingCommands
from workflows.core.handlers import OperationHandlers
from workflows.core.outcome import Outcome
from workflows.core.stripe_changes import StripeChanges


async def _goes_on() -> Outcome | None:
    return None


@workflow.defn(name="OneRound")
class OneRound(OperationHandlers):
    @workflow.init
    def __init__(self, request: ApprovalInput) -> None:
        self._commands: PendingCommands[Any, Any] = PendingCommands(
            too_late="Too late.", revise=Reply, resolve=Reply
        )
        self._changes = StripeChanges()

    @workflow.run
    async def run(self, request: ApprovalInput) -> ApprovalOutcome:
        end = ObjectEnd(self._changes, _goes_on)
        outcome = await ReviewRound(self._commands, end, request).outcome()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return outcome

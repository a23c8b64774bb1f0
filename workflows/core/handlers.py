"""What every reviewed operation's workflow is sent in the same way: decisions, a cancellation, Stripe's
changes."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.approvals.messages import RoundDecision
    from billing.core.messages import Cancel
    from billing.stripe.events import StripeChanged

from .commands import PendingCommands
from .stripe_changes import StripeChanges


class OperationHandlers:
    """Base of such workflows.

    Their own handlers take revisions and resolutions: Temporal decodes these by the annotated type, which is
    another one in each.
    """

    _commands: PendingCommands[Any, Any]
    _changes: StripeChanges

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        """Takes the request back, as long as nothing is done about it in Stripe, or that can be undone."""
        await self._commands.take_back(cancel)

    @cancel.validator
    def _may_cancel(self, cancel: Cancel) -> None:
        self._commands.cancel.check()

    @workflow.signal
    def decided(self, decided: RoundDecision) -> None:
        """An approver has ended a round of the review; what it came to is read in the records."""
        self._commands.decided.add(decided.approval)

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        """Stripe has told us of a change; what it is, is read from Stripe."""
        self._changes.notify()

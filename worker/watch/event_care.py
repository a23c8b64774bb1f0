"""Sees to it that no event of Stripe's is missed: Stripe is asked for those that no webhook has brought."""

from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from billing.stripe.events import CatchUpPage
from db.core.session import Database
from db.stripe import events as stripe_events
from workflows.client import summaries
from workflows.core import ids

from .broken_off import WITHIN

CATCH_UP = "event-catch-up"
"""The id of whichever run asks Stripe for events."""
CATCH_UP_ENDS = timedelta(minutes=15)
"""One that hangs must not keep the next ones from starting; what it was to find they find."""


class EventCare:
    def __init__(self, database: Database, temporal: Client) -> None:
        self._database, self._temporal = database, temporal

    async def catch_up(self, at: datetime) -> None:
        """Has Stripe asked for its events, where that is due: each minute while anything happens.

        Of several workers that find it due one run goes on. Raises what the records or Temporal raise while
        they are away.
        """
        async with self._database.reading() as session:
            if not await stripe_events.due(session, at):
                return
        await self._temporal.start_workflow(
            ids.EVENT_CATCH_UP,
            CatchUpPage(at=at),
            id=CATCH_UP,
            task_queue=ids.MAIN_QUEUE,
            static_summary=summaries.of_start(ids.EVENT_CATCH_UP, None),
            execution_timeout=CATCH_UP_ENDS,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            rpc_timeout=WITHIN,
        )

"""Sees to it that no event of Stripe's is missed and that each comes to an end: Stripe is asked for those
that no webhook has brought, and what nobody follows any more is followed anew.
"""

import logging
from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from billing.stripe.events import CatchUpPage, StripeEventInput
from db.core.session import Database
from db.stripe import events as stripe_events
from workflows.core import ids, options

from .broken_off import WITHIN, described, is_broken_off

log = logging.getLogger(__name__)

LONG = timedelta(minutes=5)
"""After so long it is looked whether somebody still follows an event."""
CATCH_UP = "event-catch-up"
"""The id of whichever run asks Stripe for events."""
CATCH_UP_ENDS = timedelta(minutes=15)
"""One that hangs must not keep the next ones from starting; what it was to find they find."""
AT_ONCE = 20
"""So many are looked at in one round."""


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
            execution_timeout=CATCH_UP_ENDS,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            rpc_timeout=WITHIN,
        )

    async def tend(self, at: datetime) -> None:
        """Those that wait for long, and those that were set aside and are due again; each by itself.

        Raises what the records raise while they are away.
        """
        async with self._database.reading() as session:
            found = await stripe_events.not_followed(session, at, at - LONG, AT_ONCE)
        for event in found:
            message = stripe_events.message_of(event)
            if message is None:
                continue
            try:
                await self._tend(message)
            except RPCError as error:
                log.warning("can't check the workflow of Stripe event %s: %s", event.id, error.status.name)

    async def _tend(self, event: StripeEventInput) -> None:
        handle = self._temporal.get_workflow_handle(ids.stripe_event_workflow(event.event))
        found = await described(handle)
        if found is not None and not await is_broken_off(self._temporal, found):
            return
        queue, priority = options.place(ids.STRIPE_EVENT, None)
        await self._temporal.start_workflow(
            ids.STRIPE_EVENT,
            event,
            id=handle.id,
            task_queue=queue,
            priority=priority,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            rpc_timeout=WITHIN,
        )
        log.warning("processing of Stripe event %s had stopped: restarted", event.event)

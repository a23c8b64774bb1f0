"""Passes one start, update or signal to Temporal so that sending it again changes nothing."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from billing.core.delivery import Delivery
from billing.core.operations import Problem
from billing.operations.found_by import FoundBy

from .running import STARTED_WITHIN
from .start import start

OVERTAKEN = (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.ABORTED)
NEVER_TAKEN = (RPCStatusCode.INVALID_ARGUMENT,)
"""What Temporal answers to a request that it would not take the next time either."""
AGAIN = 0.05
"""Seconds."""

DELIVERED = Delivery(outcome="delivered")


async def send(
    client: Client,
    *,
    action: str,
    workflow_id: str,
    name: str,
    update_id: str,
    payload: dict[str, Any],
    within: timedelta,
    found_by: Mapping[str, Any] | None = None,
    age: timedelta = timedelta(0),
) -> Delivery:
    """Starts workflow `name`, or sends update or signal `name` to a running one; never raises for a refusal.

    A start is `found_by` that in Temporal.
    `age` is how long ago it was noted: Temporal forgets workflows that have ended, and what is old enough
    can only be for one of those.

    A repeated start finds the first run, a repeated update id gets the first result. An update that no
    worker has accepted `within` that time may be lost, so it counts as `later`; a signal waits for its worker
    in Temporal, and what takes it must not mind to get it twice.
    """
    try:
        if action == "start":
            found = FoundBy.model_validate(found_by) if found_by is not None else None
            await start(client, name, payload, workflow_id=workflow_id, within=within, found_by=found)
        elif action == "update":
            await _update(client.get_workflow_handle(workflow_id), name, update_id, payload, within)
        else:
            await client.get_workflow_handle(workflow_id).signal(name, payload, rpc_timeout=within)
    except WorkflowAlreadyStartedError:
        return DELIVERED
    except WorkflowUpdateFailedError as error:
        return Delivery(outcome="refused", problem=_problem(error.cause))
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        return _later("no_worker", "No worker has taken it yet.")
    except RPCError as error:
        if action != "start" and error.status == RPCStatusCode.NOT_FOUND:
            # What a signal tells the records have: they say whether one that is not known goes on.
            forgotten = action == "signal" or age > STARTED_WITHIN
            return await _not_running(client, workflow_id, forgotten_if_unknown=forgotten)
        if error.status in NEVER_TAKEN:
            return Delivery(
                outcome="refused",
                problem=Problem(code="refused_by_temporal", message=f"Temporal refused it: {error.message}"),
            )
        return _later("temporal_unavailable", f"Temporal answered {error.status.name}.")
    except (TimeoutError, ConnectionError, RuntimeError):
        # The client raises RuntimeError while its first connection fails.
        return _later("temporal_unavailable", "Temporal can't be reached.")
    return DELIVERED


async def _update(
    handle: WorkflowHandle[Any, Any], name: str, update_id: str, payload: dict[str, Any], within: timedelta
) -> None:
    """Sends an update until a worker has taken it, or `within` is over.

    Temporal drops an update whose workflow task is overtaken by another event, such as a mail's result, and
    says so with FAILED_PRECONDITION or ABORTED: the same id again is safe.
    """
    deadline = monotonic() + within.total_seconds()
    while True:
        left = timedelta(seconds=max(deadline - monotonic(), 0.1))
        try:
            await handle.execute_update(name, payload, id=update_id, rpc_timeout=left)
        except RPCError as error:
            if error.status not in OVERTAKEN or monotonic() > deadline:
                raise
            await asyncio.sleep(AGAIN)
        else:
            return


async def _not_running(client: Client, workflow_id: str, *, forgotten_if_unknown: bool) -> Delivery:
    """Closed is final; never started may only mean that its start is still in the outbox, for a while."""
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND or not forgotten_if_unknown:
            return _later("not_started", "The workflow has not been started yet.")
    problem = Problem(code="already_ended", message="It had already ended when the request arrived.")
    return Delivery(outcome="refused", problem=problem)


def _problem(cause: BaseException | None) -> Problem:
    if isinstance(cause, ApplicationError):
        return Problem(code=cause.type or "refused", message=cause.message)
    return Problem(code="refused", message="The workflow refused it.")


def _later(code: str, message: str) -> Delivery:
    return Delivery(outcome="later", problem=Problem(code=code, message=message))

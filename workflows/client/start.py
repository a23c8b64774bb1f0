"""How a workflow is started, by whoever starts it: in its organization's turn, found by what people know."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from billing.operations.found_by import FoundBy

from ..core import options, search
from . import summaries

log = logging.getLogger(__name__)


async def start(
    client: Client,
    name: str,
    payload: Mapping[str, Any],
    *,
    workflow_id: str,
    within: timedelta,
    found_by: FoundBy | None,
    again: bool = False,
) -> None:
    """One that runs already is left alone; one that has ended runs `again` only where that is said. Raises
    WorkflowAlreadyStartedError where it isn't, and what the client raises.

    Nothing depends on whether it is found: a server that does not know the attributes starts it without.
    """
    queue, priority = options.place(payload.get("organization"))
    given: dict[str, Any] = {
        "id": workflow_id,
        "task_queue": queue,
        "priority": priority,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE
        if again
        else WorkflowIDReusePolicy.REJECT_DUPLICATE,
        "rpc_timeout": within,
        "static_summary": summaries.of_start(name, found_by),
    }
    if found_by is None:
        await client.start_workflow(name, payload, **given)
        return
    given |= {
        "memo": summaries.memo(payload),
        "static_details": summaries.details(payload, found_by),
    }
    try:
        await client.start_workflow(name, payload, search_attributes=search.attributes(found_by), **given)
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        log.warning("%s is started without search attributes: %s", workflow_id, error.message)
        await client.start_workflow(name, payload, **given)

"""What the worker finds out while the caller waits: the API has no key to Stripe."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError

from billing.core.operations import Message
from workflows.client import summaries
from workflows.core import options

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=Message)

UNREACHABLE = (TimeoutError, RPCError, ConnectionError, RuntimeError)
"""What says that Temporal, or the worker, did not answer in time. The client raises RuntimeError while its
first connection fails."""


class NoAnswer(Exception):
    """It could not be found out: `code` is that of the workflow's failure, or the kind of error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def answer_of(
    client: Client,
    workflow: str,
    message: Message | Mapping[str, Any],
    *,
    id: str,
    organization: str,
    result: type[Answer],
    within: float,
    given_up_after: timedelta,
) -> Answer:
    """The result of a workflow that is begun for it and asked for nothing else. Raises NoAnswer when it has
    none `within` so many seconds; nobody waits for it then, and it is ended after `given_up_after`."""
    queue, priority = options.place(organization)
    try:
        async with asyncio.timeout(within):
            answer: Answer = await client.execute_workflow(
                workflow,
                message,
                id=id,
                task_queue=queue,
                priority=priority,
                static_summary=summaries.of_start(workflow, None),
                execution_timeout=given_up_after,
                result_type=result,
                rpc_timeout=timedelta(seconds=within),
            )
            return answer
    except WorkflowFailureError as error:
        no_answer = NoAnswer(_code(error))
        log.warning("%s has no result: %s", id, no_answer.code)
        raise no_answer from error
    except UNREACHABLE as error:
        log.warning("%s has no result in time: %s", id, type(error).__name__)
        raise NoAnswer(type(error).__name__) from error


def _code(error: WorkflowFailureError) -> str:
    innermost: BaseException = error.cause
    while isinstance(innermost, FailureError) and innermost.cause is not None:
        innermost = innermost.cause
    if isinstance(innermost, ApplicationError) and innermost.type:
        return innermost.type
    return type(innermost).__name__

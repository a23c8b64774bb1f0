"""Something of an invoice read from Stripe by the worker, while the caller waits: the API has no key."""

import asyncio
import logging
from datetime import timedelta

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError
from ulid import ULID

from billing.portal.links import InvoiceFetch, InvoiceFetched
from workflows.core import ids

from ..http.context import Context
from ..problems.problem import ApiProblem, not_found
from .problems import PDF_UNUSABLE, STRIPE_UNAVAILABLE

log = logging.getLogger(__name__)

ANSWER_WITHIN = 10.0
"""Seconds that the caller waits."""

GIVEN_UP_AFTER = timedelta(seconds=60)
RETRY_AFTER = {"Retry-After": "5"}


async def fetch(context: Context, message: InvoiceFetch) -> InvoiceFetched:
    """What Stripe says at this moment.

    Raises ApiProblem `not_found` for what is not this organization's, `pdf_unusable`, and
    `stripe_unavailable` when it can't be known in time; asking again is safe.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            fetched: InvoiceFetched = await context.dispatcher.client.execute_workflow(
                ids.INVOICE_FETCH,
                message,
                id=ids.invoice_fetch_workflow(message.invoice, str(ULID())),
                task_queue=ids.MAIN_QUEUE,
                execution_timeout=GIVEN_UP_AFTER,
                result_type=InvoiceFetched,
                rpc_timeout=timedelta(seconds=ANSWER_WITHIN),
            )
    except WorkflowFailureError as error:
        raise _problem(error, message.invoice) from error
    except (TimeoutError, RPCError, ConnectionError, RuntimeError) as error:
        # The client raises RuntimeError while its first connection fails.
        log.warning("invoice %s could not be fetched: %s", message.invoice, type(error).__name__)
        raise _unavailable() from error
    if fetched.state == "gone":
        raise not_found()
    return fetched


def _problem(error: WorkflowFailureError, invoice: str) -> ApiProblem:
    innermost: BaseException = error.cause
    while isinstance(innermost, FailureError) and innermost.cause is not None:
        innermost = innermost.cause
    kind = innermost.type if isinstance(innermost, ApplicationError) else type(innermost).__name__
    log.warning("invoice %s could not be fetched: %s", invoice, kind)
    return ApiProblem.of(PDF_UNUSABLE) if kind == "pdf_unusable" else _unavailable()


def _unavailable() -> ApiProblem:
    return ApiProblem.of(STRIPE_UNAVAILABLE, headers=RETRY_AFTER)

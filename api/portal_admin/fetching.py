"""Something of an invoice read from Stripe by the worker, while the caller waits."""

from datetime import timedelta

from ulid import ULID

from billing.portal.links import InvoiceFetch, InvoiceFetched
from workflows.core import ids

from ..dispatch.answers import NoAnswer, answer_of
from ..http.context import Context
from ..problems.common import STRIPE_UNAVAILABLE
from ..problems.problem import ApiProblem, not_found
from .problems import PDF_UNUSABLE

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
        fetched = await answer_of(
            context.dispatcher.client,
            ids.INVOICE_FETCH,
            message,
            id=ids.invoice_fetch_workflow(message.invoice, str(ULID())),
            organization=message.organization,
            result=InvoiceFetched,
            within=ANSWER_WITHIN,
            given_up_after=GIVEN_UP_AFTER,
        )
    except NoAnswer as error:
        if error.code == "pdf_unusable":
            raise ApiProblem.of(PDF_UNUSABLE) from error
        raise ApiProblem.of(STRIPE_UNAVAILABLE, headers=RETRY_AFTER) from error
    if fetched.state == "gone":
        raise not_found()
    return fetched

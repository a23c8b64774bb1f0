"""Asking for a refund, and what can be asked of it while it lives."""

from fastapi import APIRouter, Response

from billing.core.operations import Kind
from billing.money.refund import RefundWanted, ResolveRefund

from ..http.auth import Giver
from ..http.context import InContext
from ..http.ids import Id
from ..http.models import OperationAnswer
from ..operations.common_routes import command_route
from ..operations.problems import NOT_RESOLVABLE, NOTHING_TO_RESOLVE, OTHERS_AUTHORITY, OWN_APPROVAL
from ..operations.service import resolution, send_command
from .money_routes import MoneyRequest, add_money_routes
from .problems import REFUND_PROBLEMS
from .schemas import RefundBody, RefundResolutionBody, RefundStartBody

router = APIRouter(prefix="/v1/refunds", tags=["Refunds"])


async def read_request(body: RefundStartBody) -> MoneyRequest:
    return MoneyRequest(body.wanted(), body.quote)


async def read_wanted(body: RefundBody) -> RefundWanted:
    return body.wanted()


add_money_routes(
    router,
    Kind.REFUND,
    *REFUND_PROBLEMS,
    read_request=read_request,
    read_wanted=read_wanted,
    description="Refunds one payment, or the payments of one invoice. "
    "Omit the amount to refund all that remains.",
    cancel_description="Possible until it is issued in Stripe, and while Stripe waits for the customer.\n\n"
    "Answers 200 once it is cancelled, and 202 with `pending` until then.",
)


@command_route(
    router,
    "resolution",
    OWN_APPROVAL,
    OTHERS_AUTHORITY,
    NOT_RESOLVABLE,
    NOTHING_TO_RESOLVE,
    summary="Retry or close a failed refund",
    body="money/refund_resolution_body",
    done="money/failed_refund",
    pending="money/failed_refund",
)
async def resolve(
    id: Id, body: RefundResolutionBody, caller: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """`retry` requests the amount that failed from Stripe again; `close` accepts what succeeded.

    A retry never refunds more than was approved, and counts toward the same authority. So nobody may retry a
    refund that they approved, and a refund within one person's own authority may be retried only by that
    person.
    """
    message = ResolveRefund(person=caller.person, action=body.action, comment=body.comment)
    command = resolution(body.action, body.comment, message)
    return await send_command(context, caller, Kind.REFUND, id, command, response)

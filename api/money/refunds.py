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
from .money_routes import add_money_routes
from .problems import REFUND_PROBLEMS
from .schemas import RefundBody, RefundResolutionBody

router = APIRouter(prefix="/v1/refunds", tags=["Refunds"])


async def read_wanted(body: RefundBody) -> RefundWanted:
    return body.wanted()


add_money_routes(
    router,
    Kind.REFUND,
    *REFUND_PROBLEMS,
    read_wanted=read_wanted,
    description="Of one payment, or of the payments of one invoice; without an amount, all that is left.",
    cancel_description="Possible until it is issued in Stripe, and while Stripe waits for the customer.\n\n"
    "200 once it is cancelled; 202 with `pending` on the way there.",
)


@command_route(
    router,
    "resolution",
    OWN_APPROVAL,
    OTHERS_AUTHORITY,
    NOT_RESOLVABLE,
    NOTHING_TO_RESOLVE,
    summary="Try a failed refund again, or leave it at that",
    body="money/refund_resolution_body",
    done="money/failed_refund",
    pending="money/failed_refund",
)
async def resolve(
    id: Id, body: RefundResolutionBody, caller: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """`retry` asks Stripe for what did not come through once more; `close` leaves it at what did.

    A retry gives no more than was allowed and counts where it did. So nobody has tried again what they
    approved, and what went out on one person's own authority is tried again by that person alone.
    """
    message = ResolveRefund(person=caller.person, action=body.action, comment=body.comment)
    command = resolution(body.action, body.comment, message)
    return await send_command(context, caller, Kind.REFUND, id, command, response)

"""Asking for a credit, and what can be asked of it while it lives."""

from fastapi import APIRouter, Response

from billing.core.messages import AcceptAsInStripe
from billing.core.operations import Kind
from billing.money.credit import CreditWanted

from ..http.auth import Actor
from ..http.context import InContext
from ..http.ids import Id
from ..http.models import OperationAnswer
from ..operations.common_routes import command_route
from ..operations.problems import NOT_RESOLVABLE, NOTHING_TO_RESOLVE, OWN_REQUEST, REQUESTERS_DELEGATE
from ..operations.service import resolution, send_command
from .money_routes import MoneyRequest, add_money_routes
from .problems import CREDIT_PROBLEMS
from .schemas import CreditBody, CreditResolutionBody, CreditStartBody

router = APIRouter(prefix="/v1/credits", tags=["Credits"])


async def read_request(body: CreditStartBody) -> MoneyRequest:
    return MoneyRequest(body.wanted(), body.quote)


async def read_wanted(body: CreditBody) -> CreditWanted:
    return body.wanted()


add_money_routes(
    router,
    Kind.CREDIT,
    *CREDIT_PROBLEMS,
    read_request=read_request,
    read_wanted=read_wanted,
    description="Credits the customer's balance, which lowers the next bills, "
    "or corrects one invoice with a credit note.",
    cancel_description="Possible until the credit is issued in Stripe. "
    "Answers 200 once it is cancelled, and 202 until then.",
)


@command_route(
    router,
    "resolution",
    OWN_REQUEST,
    REQUESTERS_DELEGATE,
    NOT_RESOLVABLE,
    NOTHING_TO_RESOLVE,
    summary="Accept a credit that differs",
    body="money/credit_resolution_body",
    done="money/mismatched_credit",
    pending="money/mismatched_credit",
)
async def resolve(
    id: Id, body: CreditResolutionBody, caller: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """For a credit that differs from what was agreed. A controller or Legal, but not the requester, accepts
    it.
    """
    message = AcceptAsInStripe(person=caller.person, comment=body.comment)
    command = resolution(body.action, body.comment, message)
    return await send_command(context, caller, Kind.CREDIT, id, command, response)

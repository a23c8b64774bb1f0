"""Asking for a void or a write-off of an invoice, and what can be asked of it while it lives."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from billing.core.messages import AcceptAsInStripe
from billing.core.operations import Kind
from billing.money.waiver import WaiverWanted

from ..http.auth import Actor
from ..http.context import InContext
from ..http.ids import Id
from ..http.models import OperationAnswer
from ..operations.common_routes import command_route
from ..operations.problems import NOT_RESOLVABLE, NOTHING_TO_RESOLVE, OWN_REQUEST, REQUESTERS_DELEGATE
from ..operations.service import resolution, send_command
from .money_routes import MoneyRequest, add_money_routes
from .problems import WAIVER_PROBLEMS
from .schemas import VoidBody, VoidStartBody, WaiverResolutionBody, WriteOffBody, WriteOffStartBody

voids = APIRouter(prefix="/v1/voids", tags=["Voids"])
write_offs = APIRouter(prefix="/v1/write-offs", tags=["Write-offs"])


async def read_void(body: VoidStartBody) -> MoneyRequest:
    return MoneyRequest(body.wanted(), body.quote)


async def read_wanted_void(body: VoidBody) -> WaiverWanted:
    return body.wanted()


async def read_write_off(body: WriteOffStartBody) -> MoneyRequest:
    return MoneyRequest(body.wanted(), body.quote)


async def read_wanted_write_off(body: WriteOffBody) -> WaiverWanted:
    return body.wanted()


def _add_routes(
    router: APIRouter,
    kind: Kind,
    read_request: Callable[..., Any],
    read_wanted: Callable[..., Any],
    description: str,
) -> None:
    add_money_routes(
        router,
        kind,
        *WAIVER_PROBLEMS,
        read_request=read_request,
        read_wanted=read_wanted,
        description=description,
        cancel_description=f"Possible until the {kind.noun} is made in Stripe. "
        "Answers 200 once it is cancelled, and 202 until then.",
    )

    @command_route(
        router,
        "resolution",
        OWN_REQUEST,
        REQUESTERS_DELEGATE,
        NOT_RESOLVABLE,
        NOTHING_TO_RESOLVE,
        summary=f"Accept {kind.a_noun} that differs",
        body="money/waiver_resolution_body",
        done=f"money/mismatched_{kind}",
        pending=f"money/mismatched_{kind}",
    )
    async def resolve(
        id: Id, body: WaiverResolutionBody, caller: Actor, context: InContext, response: Response
    ) -> OperationAnswer:
        """For an invoice that differs from what was agreed, or that Stripe did not take the note on. A
        controller or Legal, but not the requester, accepts it.
        """
        message = AcceptAsInStripe(person=caller.person, comment=body.comment)
        command = resolution(body.action, body.comment, message)
        return await send_command(context, caller, kind, id, command, response)


_add_routes(
    voids,
    Kind.VOID,
    read_void,
    read_wanted_void,
    "Voids an open invoice that should not have been sent: for good, and the customer no longer owes it. "
    "What their balance paid of it goes back there.",
)
_add_routes(
    write_offs,
    Kind.WRITE_OFF,
    read_write_off,
    read_wanted_write_off,
    "Writes off what is left of an open invoice that will not be paid: Stripe marks it uncollectible. "
    "Reminders stop.",
)

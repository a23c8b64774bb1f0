"""What Stripe tells us: verified, kept once for each event and answered at once; a worker follows it.

Only a signed snapshot event of this account and mode is kept. Stripe sends again whatever it got no 2xx for.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StrictBool, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect

from billing.stripe.events import FOLLOWED, object_of, tells_of_newcomer
from db.core.clock import utc_now
from db.stripe.events import ArrivedEvent
from db.tracing import trace

from ..http.bodies import read_body
from ..http.context import Context, InContext
from ..http.examples import example
from ..http.openapi import body_example, documented
from ..problems.catalogue import ProblemType
from ..problems.common import BODY_TOO_SLOW, INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE
from ..problems.problem import ApiProblem
from .problems import (
    WEBHOOK_FORGED,
    WEBHOOK_FROM_FUTURE,
    WEBHOOK_MALFORMED,
    WEBHOOK_NOT_CONFIGURED,
    WEBHOOK_STALE,
    WEBHOOK_TOO_LARGE,
    WEBHOOK_UNSIGNED,
)
from .signature import Fault, fault

router = APIRouter(tags=["Stripe's webhooks"])

PATH = "/webhooks/stripe"

MAX_BYTES = 256 * 1024
"""More than any event has; what is longer is not read into memory."""

CALM = 10.0
"""Events a second, which is more than one payment makes. While more come, they are followed a little later,
those of an object together: that costs far more than keeping them, and would take the machine from those that
are still coming, and from what people ask."""

LEFT_FOR = timedelta(seconds=3)
"""How much later: most rushes are over by then."""

Name = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


class _EventObject(BaseModel):
    id: Name | None = None
    customer: Any = None


_UNPROVEN: dict[Fault, ProblemType] = {
    "unsigned": WEBHOOK_UNSIGNED,
    "forged": WEBHOOK_FORGED,
    "stale": WEBHOOK_STALE,
    "from_future": WEBHOOK_FROM_FUTURE,
}


class _Data(BaseModel):
    object: _EventObject
    previous_attributes: Any = None


class _Event(BaseModel):
    """What is read of an event; the snapshot in it is never trusted."""

    id: Annotated[str, StringConstraints(pattern=r"^evt_[A-Za-z0-9_]{1,200}$")]
    object: Literal["event"]
    type: Name
    created: Annotated[int, Field(strict=True, ge=0, le=2**33)]
    livemode: StrictBool
    account: str | None = None
    """Of a connected account, where the event is of one."""
    data: _Data

    @property
    def object_id(self) -> str | None:
        """What the event says to look at."""
        found, customer = self.data.object, self.data.object.customer
        named = customer if isinstance(customer, str) and re.fullmatch(r"cus_\w{1,250}", customer) else None
        return object_of(self.type, found.id, named)


class WebhookReceipt(BaseModel):
    received: Literal[True]


def _described() -> dict[str, Any]:
    """The header and the body, which FastAPI can't know of: they are read raw."""
    said = "`t=<seconds>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>` with the endpoint's signing secret."
    header = {"name": "Stripe-Signature", "in": "header", "required": True, "description": said}
    body = body_example(example("mirror/stripe_event"))
    body["requestBody"]["required"] = True
    body["requestBody"]["content"]["application/json"]["schema"] = {
        "type": "object",
        "required": ["id", "object", "type", "created", "livemode", "data"],
        "properties": {
            "id": {"type": "string"},
            "object": {"type": "string", "const": "event"},
            "type": {"type": "string", "description": "Such as `refund.updated`"},
            "created": {"type": "integer", "description": "UTC seconds"},
            "livemode": {"type": "boolean"},
            "data": {"type": "object", "description": "The object as it was; it is read anew"},
        },
        "description": "A snapshot event, as Stripe sends it",
    }
    return {"parameters": [{**header, "schema": {"type": "string"}}], **body}


@router.post(
    PATH,
    summary="Receive a Stripe event",
    responses=documented(
        {200: example("mirror/received_webhook")},
        WEBHOOK_UNSIGNED,
        WEBHOOK_FORGED,
        WEBHOOK_STALE,
        WEBHOOK_FROM_FUTURE,
        WEBHOOK_MALFORMED,
        WEBHOOK_TOO_LARGE,
        WEBHOOK_NOT_CONFIGURED,
        BODY_TOO_SLOW,
        INTERNAL_ERROR,
        TEMPORARILY_UNAVAILABLE,
    ),
    response_model=WebhookReceipt,
    openapi_extra=_described(),
)
async def take_event(request: Request, context: InContext) -> Response:
    """For Stripe only. It takes no API key; the signature authenticates the sender.

    Answers 200 as soon as the event is stored, also for one that was stored before. Event types that are not
    processed here are stored and ignored; events of another account or mode (test or live) are not stored.
    """
    try:
        outcome = await _take(request, context)
    except ApiProblem as problem:
        context.metrics.webhook(problem.type.code.removeprefix("webhook_"))
        raise
    except ClientDisconnect:
        context.metrics.webhook("cut_off")
        return Response(status_code=400)  # to nobody
    context.metrics.webhook(outcome)
    return Response(b'{"received":true}', media_type="application/json")


async def _take(request: Request, context: Context) -> str:
    """What became of it. Raises ApiProblem `webhook_…` when it is not to be believed."""
    event = await _verified(request, context)
    if event.account is not None:
        return "other_account"
    if event.livemode != context.stripe.livemode:
        return "other_mode"
    kept = await context.inbox.keep(
        ArrivedEvent(
            id=event.id,
            type=event.type,
            object_id=event.object_id,
            livemode=event.livemode,
            created_at=datetime.fromtimestamp(event.created, UTC),
            at=utc_now(),
            newcomer=tells_of_newcomer(event.type, event.data.previous_attributes),
            after=timedelta() if context.events.calm(PATH) else LEFT_FOR,
            traceparent=trace.here(),
        )
    )
    if not kept.new:
        return "duplicate"
    return "taken" if kept.followed else "ignored"


async def _verified(request: Request, context: Context) -> _Event:
    secrets = context.stripe.webhook_secrets
    if not secrets:
        raise ApiProblem.of(WEBHOOK_NOT_CONFIGURED)
    body = await read_body(request.receive, MAX_BYTES)
    if body is None:
        raise ApiProblem.of(WEBHOOK_TOO_LARGE)
    wrong = fault(body, request.headers.get("stripe-signature"), secrets, time.time())
    if wrong:
        raise ApiProblem.of(_UNPROVEN[wrong])
    try:
        event = _Event.model_validate_json(body)
    except ValidationError:
        raise ApiProblem.of(WEBHOOK_MALFORMED) from None
    if event.type in FOLLOWED and event.object_id is None:
        raise ApiProblem.of(WEBHOOK_MALFORMED)
    return event

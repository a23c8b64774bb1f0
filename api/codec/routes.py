"""Decrypts for Temporal's UI and command line what Temporal keeps, for people who may read it here.

It is a codec server (docs.temporal.io, "Codec Server") that only decodes: nobody makes a payload with it.
"""

from fastapi import APIRouter, Request, Response
from google.protobuf import json_format
from temporalio.api.common.v1 import Payloads

from settings.logs import learned

from ..http.auth import Caller, authenticate, refused
from ..http.context import Context, InContext
from ..http.scopes import KeyScope
from ..problems.common import CREDENTIALS_MISSING, INVALID_JSON
from ..problems.handlers import UNREACHABLE, answer_to
from ..problems.problem import ApiProblem
from ..sign_in.sessions import caller_of, recognize
from .reading import read

router = APIRouter(prefix="/temporal/codec", include_in_schema=False)

ASKS_AGAIN_AFTER = "600"
"""Seconds for which a browser remembers what it may send."""


@router.options("/decode")
async def preflight(request: Request, context: InContext) -> Response:
    """What Temporal's UI may send from its own origin, and no other page from anywhere."""
    allowed = _allowed(request, context)
    if allowed:
        allowed |= {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type, x-namespace",
            "Access-Control-Max-Age": ASKS_AGAIN_AFTER,
        }
    return Response(status_code=204, headers={"Vary": "Origin"} | allowed)


@router.post("/decode")
async def decode(request: Request, context: InContext) -> Response:
    """The payloads in their order; one that the caller may not read says so in its place."""
    try:
        answer = await _decoded(request, context)
    except (ApiProblem, *UNREACHABLE) as error:
        answer = answer_to(request, error)
    answer.headers.update({"Vary": "Origin"} | _allowed(request, context))
    return answer


async def _decoded(request: Request, context: Context) -> Response:
    caller = await _caller(request, context)
    learned(organization=caller.organization, person=caller.person)
    asked = Payloads()
    try:
        json_format.Parse(await request.body(), asked, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ApiProblem.of(INVALID_JSON) from error
    found = await read(context.database, context.temporal.codec, caller.organization, asked.payloads)
    text = json_format.MessageToJson(Payloads(payloads=found), indent=None)
    return Response(text, media_type="application/json")


async def _caller(request: Request, context: Context) -> Caller:
    """By their API key, or from Temporal's UI by the session of their console. Raises ApiProblem."""
    if "authorization" in request.headers:
        caller = await authenticate(request, context)
        caller.needs_scope(KeyScope.READ)
        return caller
    if _allowed(request, context):
        await recognize(request, context)
        if (signed_in := caller_of(request)) is not None:
            return signed_in
    raise refused(CREDENTIALS_MISSING)


def _allowed(request: Request, context: Context) -> dict[str, str]:
    """The headers with which a browser hands the answer to the page that asks; none unless that is
    Temporal's UI."""
    origin = request.headers.get("origin")
    if origin is None or origin != context.temporal.ui_origin:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
